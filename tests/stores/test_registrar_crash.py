"""Nothing promised is lost: kill -9 while the CA issues, a full disk, a locked database."""

import asyncio
import random
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registrar.records import DeviceRecord, JournalEntry
from registrar.store.sql_store import SqlStore, SqlTransaction
from sztb.errors import Unavailable
from sztb.pki.idevid import DeviceRef
from sztb.store import writer
from tests.fakes.pki import NOW

SCRIPT = Path(__file__).with_name("issue_until_killed.py")
CHECKOUT = SCRIPT.parents[2]
KILLS = 20
REF = DeviceRef(bytes(20), "SN-1")


def run_and_kill(url: str, after: int) -> set[str]:
    """Let the CA hand out `after` certificates, kill it, and return all that it handed out."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), url], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT,
        env={"PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return {line.strip() for line in said if line.endswith("\n")}


async def test_every_certificate_handed_out_is_in_the_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/registrar.db"
    moments = random.Random(20261125)  # the same moments every time
    promised: set[str] = set()
    for _ in range(KILLS):
        promised |= await asyncio.to_thread(run_and_kill, url, moments.randrange(1, 60))
    assert promised
    store = await SqlStore.open(url)
    rows = await store.read(lambda tables: tables.certificates.newest(100_000))
    stored = {f"{row.number:x}" for row in rows}
    entries = await store.read(lambda tables: tables.journal.newest(100_000))
    length = await store.read(lambda tables: tables.journal.verify())
    await store.close()
    assert promised <= stored
    # certificate and journal entry are one unit: both or none
    assert {entry.detail for entry in entries} == stored
    assert length == len(stored)


def two_tables(tables: SqlTransaction, text: str = "x") -> None:
    tables.devices.get(REF)
    tables.devices.save(DeviceRecord(REF, "acme", NOW, NOW, reason=text))
    tables.journal.append(JournalEntry(NOW, "event", REF, detail=text))


async def nothing_is_there(store: SqlStore) -> None:
    assert await store.read(lambda tables: tables.devices.find()) == []
    assert await store.read(lambda tables: tables.journal.verify()) == 0


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """As on a full disk, no file of this process can grow beyond `limit` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    store = await SqlStore.open(f"sqlite:///{tmp_path}/registrar.db")
    with file_size_limit(1 << 16):
        answers = await asyncio.gather(
            *(store.write(lambda tables: two_tables(tables, "x" * 100_000)) for _ in range(3)),
            return_exceptions=True,
        )
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    await nothing_is_there(store)
    await store.write(two_tables)  # with room again, it goes on
    assert await store.read(lambda tables: tables.journal.verify()) == 1
    await store.close()


async def test_a_locked_database_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_MS", 20)
    store = await SqlStore.open(f"sqlite:///{tmp_path}/registrar.db")
    other = sqlite3.connect(tmp_path / "registrar.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        await store.write(two_tables)
    await nothing_is_there(store)  # reading goes on meanwhile
    other.execute("ROLLBACK")
    other.close()
    await store.write(two_tables)
    assert await store.read(lambda tables: tables.journal.verify()) == 1
    await store.close()


async def test_an_error_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    store = await SqlStore.open(f"sqlite:///{tmp_path}/registrar.db")

    def halfway(tables: SqlTransaction) -> None:
        two_tables(tables)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(halfway)
    await nothing_is_there(store)
    await store.close()
