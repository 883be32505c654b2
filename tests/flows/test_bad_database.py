"""A full disk and a locked database: 5.03 and 503, nothing half-written, and it passes."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import pytest

from sztb.codepoints.coap import Code

from .full_disk import CRTS, NUMBERS, RV, Limits, check_later, count, device, story
from .lone_registrar import visited
from .pledges import SimulatedPledge, registrar_of
from .programs import ROOT, SERVERS

UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]


@pytest.fixture(scope="module")
def world(make_world, nursery):
    others = ("LOCKED-R", "LOCKED-M", "SHORTLY", "UNLOGGED")
    made = make_world(*NUMBERS, *others, name="database")
    nursery.serve_world(made)
    yield made
    assert made.stop() == {"registrar": 0, "masa": 0}


@pytest.mark.rule("R-31", "M-19")
async def test_files_cannot_grow(world):
    await story(world, Limits(world))


@pytest.mark.rule("R-31", "M-19")
def test_the_disk_is_full(tmp_path):
    allowed = subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if allowed.returncode:
        pytest.skip(f"no file system of its own: {allowed.stderr.decode().strip()}")
    done = subprocess.run(
        [*UNSHARE, sys.executable, "tests/flows/full_disk.py", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


async def test_a_log_that_cannot_be_written_stops_nobody(world, nursery):
    assert world.stop() == {"registrar": 0, "masa": 0}
    for role in SERVERS:
        world.daemons[role] = nursery.start_server(world, role, log="/dev/full")
        world.daemons[role].await_ready()
    await SimulatedPledge(world.device("UNLOGGED") / "factory").onboard(registrar_of(world))
    assert world.stop() == {"registrar": 0, "masa": 0}
    nursery.serve_world(world)


@contextmanager
def locked(path):
    """Somebody else writes, and takes long."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.rule("R-31")
async def test_the_registrars_database_is_locked(world):
    """5.03 after five seconds, in which everything else is served."""
    database, loop = Limits(world).database("registrar"), asyncio.get_running_loop()
    one = device(world, "LOCKED-R")
    async with visited(world.registrar_port, one) as visit:
        pvr = visit.pvr()
        async with visited(world.registrar_port, one) as other:
            with locked(database):
                asking = asyncio.ensure_future(visit.ask(RV, pvr))
                while not asking.done():
                    began = loop.time()
                    assert (await other.ask(CRTS)).code == Code.CONTENT
                    assert loop.time() - began < 2.0
                    await asyncio.sleep(0.2)
                check_later(await asking)
        assert count(Limits(world), "registrar", "pending_vouchers", "LOCKED-R") == 0
        assert (await visit.ask(RV, pvr)).code == Code.CHANGED


async def test_a_short_lock_is_waited_for(world):
    """As when an operator's command writes."""
    async with visited(world.registrar_port, device(world, "SHORTLY")) as visit:
        with locked(Limits(world).database("registrar")):
            asking = asyncio.ensure_future(visit.ask_voucher())
            await asyncio.sleep(1.0)
            assert not asking.done()
        assert (await asking).code == Code.CHANGED


@pytest.mark.rule("R-31", "M-19")
async def test_the_masas_database_is_locked(world):
    async with visited(world.registrar_port, device(world, "LOCKED-M")) as visit:
        pvr = visit.pvr()
        with locked(Limits(world).database("masa")):
            check_later(await visit.ask(RV, pvr))
        assert count(Limits(world), "masa", "issues", "LOCKED-M") == 0
        assert (await visit.ask(RV, pvr)).code == Code.CHANGED
        assert count(Limits(world), "masa", "issues", "LOCKED-M") == 1
