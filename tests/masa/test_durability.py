"""Nothing promised is lost: kill -9 while vouchers are issued, a full disk, a locked database."""

import asyncio
import json
import os
import random
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from masa.records import DeviceRecord
from masa.store.sql_store import SqlStore
from sztb.codepoints.media import VOUCHER_COSE
from sztb.errors import Refused, Unavailable
from sztb.store import writer
from sztb.voucher.formats import open_voucher
from sztb.voucher.nonce import nonce_text
from tests.fakes.masa import World, make_world
from tests.fakes.masa_process import COSE, Manufacturer, ask_for, make_manufacturer, read_device
from tests.fakes.pki import NOW, make_pki

KILLS = int(os.environ.get("SZTB_TEST_KILLS", "12"))
AT_ONCE = 8
VOUCHER = "/.well-known/brski/requestvoucher"


@pytest.fixture
def made(tmp_path: Path) -> Manufacturer:
    made = make_manufacturer(tmp_path)
    made.mint("D-1")
    return made


async def ask_until_killed(made: Manufacturer, after: int, moments: random.Random) -> set[str]:
    """Get vouchers on several connections, kill the MASA after some; return the nonces answered."""
    answered: set[str] = set()
    device = read_device(made.folder / "devices" / "D-1")
    with made.serving() as process:

        async def ask_on(session: aiohttp.ClientSession) -> None:
            while True:
                raw = ask_for(device, moments.randbytes(16)).raw
                async with session.post(VOUCHER, data=raw, headers=COSE) as answer:
                    body = await answer.read()
                    assert answer.status == 200, body
                nonce = open_voucher(VOUCHER_COSE, body).data.nonce
                assert nonce is not None
                answered.add(nonce_text(nonce))
                if len(answered) == after:
                    process.send_signal(signal.SIGKILL)

        async with made.session() as session:
            ended = await asyncio.gather(
                *(ask_on(session) for _ in range(AT_ONCE)), return_exceptions=True
            )
    assert all(isinstance(end, aiohttp.ClientError) for end in ended), ended
    return answered


@pytest.mark.rule("M-19")
async def test_every_voucher_answered_is_in_the_log(made):
    moments = random.Random(20261125)  # the same moments every time
    answered: set[str] = set()
    for _ in range(KILLS):
        answered |= await ask_until_killed(made, moments.randrange(1, 120), moments)
    said = await asyncio.to_thread(
        made.spawn, "audit-log", "show", "D-1", "--json", "--limit", "1000000"
    )
    log = json.loads(said)
    logged = {event["nonce"] for event in log["events"]}
    assert answered <= logged
    assert len(answered) > KILLS
    shown = json.loads(await asyncio.to_thread(made.spawn, "device", "show", "D-1", "--json"))
    assert shown["vouchers"] == log["total"]  # entry and counter are one unit
    verified = await asyncio.to_thread(made.spawn, "audit-log", "verify")
    assert verified.startswith(f"{log['total']} entries")


@pytest.fixture
async def durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A MASA on a database, with little patience."""
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_MS", 20)
    world = make_world()
    store = await SqlStore.open(f"sqlite:///{tmp_path}/masa.db")
    device = world.pki.device()
    await store.write(lambda tables: tables.devices.add(DeviceRecord(device.ref, device.der, NOW)))
    world.service = replace(world.service, store=store)
    yield world
    await store.close()


async def state(world: World) -> tuple[int, int]:
    """Length of the log, and the counter of the device."""
    ref = world.pki.device().ref
    store = world.service.store
    record = await store.read(lambda tables: tables.devices.get(ref))
    assert record is not None
    return await store.read(lambda tables: tables.issues.verify()), record.vouchers


@pytest.mark.rule("M-19")
async def test_a_locked_database_gives_no_voucher(durable, tmp_path):
    other = sqlite3.connect(tmp_path / "masa.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await durable.issue_raw(durable.ask())
    other.execute("ROLLBACK")
    other.close()
    assert await state(durable) == (0, 0)
    await durable.issue(durable.ask())
    assert await state(durable) == (1, 1)


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """As on a full disk, no file of this process can grow beyond `limit` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def issue_until_refused(world: World) -> int:
    """Ask for vouchers until there are none any more; return how many there were."""
    for issued in range(1000):
        try:
            await world.issue_raw(world.ask())
        except Unavailable:
            return issued
    raise AssertionError("the limit was never reached")


@pytest.mark.rule("M-19")
async def test_a_full_disk_gives_no_voucher(durable):
    with file_size_limit(200_000):
        issued = await issue_until_refused(durable)
    assert issued > 0
    assert await state(durable) == (issued, issued)
    await durable.issue(durable.ask())
    assert await state(durable) == (issued + 1, issued + 1)


async def test_many_at_once_share_commits_and_all_are_in_the_log(durable):
    asks = [durable.ask() for _ in range(60)]
    await asyncio.gather(*(durable.issue_raw(ask) for ask in asks))
    assert await state(durable) == (60, 60)


async def test_owner_is_decided_once_when_two_domains_ask_at_the_same_time(durable):
    asks = [durable.ask(registrar=make_pki(name).registrar) for name in ("example", "other")]
    answers = await asyncio.gather(*map(durable.issue_raw, asks), return_exceptions=True)
    assert sum(isinstance(answer, Refused) for answer in answers) == 1
    assert await state(durable) == (1, 1)
