"""Nothing promised is lost: kill -9 of registrar and MASA at random moments.

Devices onboard all the while, give up and start over as they like. SZTB_KILL_SEED repeats the
moments of a run; the seed of every run is printed.
"""

import asyncio
import os
import random
import sqlite3
from collections import deque
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa

from masa.store import schema as masa_schema
from registrar.store import schema as registrar_schema
from sztb.errors import SztbError
from sztb.store import chain
from sztb.voucher.nonce import nonce_text

from .pledges import SimulatedPledge, registrar_of, serial_numbers

KILLS = 100
LONGEST = 0.6  # seconds from a start to the next kill
DEVICES, AT_ONCE = 48, 8
ATTEMPT = 1.0  # seconds after which a device starts over
ROLES = ("masa", "registrar")


class Servers:
    """Registrar and MASA of a world."""

    def __init__(self, world, nursery):
        self.world, self.nursery, self.kills = world, nursery, 0

    def start(self, role):
        self.world.daemons[role] = self.nursery.start_server(self.world, role)

    def kill(self, role):
        assert self.world.daemons.pop(role).kill() == -9
        self.kills += 1

    def ready(self):
        for program in self.world.daemons.values():
            program.await_ready()


class Fleet:
    """Devices that onboard again and again, and what they hold."""

    def __init__(self, world, numbers):
        self.endpoint = registrar_of(world)
        self.pledges = [SimulatedPledge(world.device(each) / "factory") for each in numbers]
        self.waiting = deque(self.pledges)
        self.failures = 0
        self.last = False  # the servers stay up: whoever is onboarded is done

    def __str__(self):
        vouchers = sum(len(pledge.nonces) for pledge in self.pledges)
        certificates = sum(len(pledge.credentials) for pledge in self.pledges)
        return f"{vouchers} vouchers, {certificates} certificates, {self.failures} failures"

    async def live(self):
        """Let one device after the other onboard; the first one that is not yet comes first."""
        while self.waiting:
            pledge = self.waiting.popleft()
            if self.last and pledge.credentials:
                continue
            await self.insist(pledge)
            if not self.last:
                self.waiting.append(pledge)

    async def insist(self, pledge):
        while True:
            try:
                async with asyncio.timeout(ATTEMPT):
                    await pledge.onboard(self.endpoint)
            except (SztbError, TimeoutError):
                self.failures += 1
                await asyncio.sleep(0.05)  # as fast as no device is
            else:
                return


async def kill_at_random(servers, moments):
    """Kill until there were enough; both, or one of them, while serving or still starting."""
    while servers.kills < KILLS:
        await asyncio.sleep(moments.uniform(0.0, LONGEST))
        for role in moments.choice((ROLES, ROLES, ROLES[:1], ROLES[1:])):
            servers.kill(role)
            servers.start(role)
    await asyncio.to_thread(servers.ready)


@pytest.mark.rule("M-19", "R-31")
async def test_nothing_promised_is_lost(make_world, nursery):
    seed = int(os.environ.get("SZTB_KILL_SEED") or random.SystemRandom().randrange(10**6))
    print(f"SZTB_KILL_SEED={seed}")
    numbers = serial_numbers(DEVICES)
    world = make_world(*numbers, name="kill")
    servers, fleet = Servers(world, nursery), Fleet(world, numbers)
    for role in ROLES:
        servers.start(role)
    await asyncio.to_thread(servers.ready)
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(fleet.live())
        await kill_at_random(servers, random.Random(seed))
        fleet.last = True
    assert world.stop() == {"masa": 0, "registrar": 0}
    print(f"{servers.kills} kills; {fleet}")
    assert fleet.failures, "the kills hit nobody"
    assert all(pledge.credentials for pledge in fleet.pledges)
    check_masa(world.masa_config.parent / "masa.db", fleet.pledges)
    check_registrar(world.registrar_config.parent / "registrar.db", fleet.pledges)


@contextmanager
def reading(path):
    """A connection to the database of a server that has ended."""
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def check_masa(path, pledges):
    """Every voucher a device accepted is in the audit log, and the log is whole."""
    held = {nonce_text(nonce) for pledge in pledges for nonce in pledge.nonces}
    issues = masa_schema.issues
    with reading(path) as connection:
        logged = set(connection.execute(sa.select(issues.c.nonce)).scalars())
        assert chain.verify(connection, issues) == len(logged)
        chain.verify(connection, masa_schema.actions)
    assert held <= logged
    check_integrity(path)


def check_registrar(path, pledges):
    """Every LDevID a device has is in the CA's table, and the journal is whole."""
    held = {f"{one.certificate.serial_number:x}" for each in pledges for one in each.credentials}
    table = registrar_schema.certificates
    with reading(path) as connection:
        issued = set(connection.execute(sa.select(table.c.number)).scalars())
        journal = registrar_schema.journal
        chain.verify(connection, journal)
        told = connection.execute(
            sa.select(journal.c.detail).where(journal.c.event == "certificate-issued")
        ).scalars()
        assert {f"certificate {number}" for number in issued} == set(told)
    assert held <= issued
    check_integrity(path)


def check_integrity(path):
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
