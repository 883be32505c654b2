"""The journal: entries come back, their chain shows any change."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from registrar.records import JournalEntry
from registrar.store.sql_store import SqlStore
from sztb.pki.idevid import DeviceRef

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
REF = DeviceRef(b"\x01" * 20, "SN-1")
ENTRIES = [
    JournalEntry(NOW, "admission", REF, "refused", "R-30", "not on the list", alert=True),
    JournalEntry(NOW + timedelta(seconds=1), "crl-issued", None),
    JournalEntry(NOW, "voucher-issued", REF),
]


@pytest.fixture
async def written(store: SqlStore) -> SqlStore:
    for entry in ENTRIES:
        await store.write(lambda tables, entry=entry: tables.journal.append(entry))
    return store


async def test_entries_come_back_newest_first(written: SqlStore) -> None:
    assert await written.read(lambda tables: tables.journal.newest()) == ENTRIES[::-1]
    assert await written.read(lambda tables: tables.journal.newest(1)) == ENTRIES[2:]
    own = await written.read(lambda tables: tables.journal.newest(device=REF))
    assert own == [ENTRIES[2], ENTRIES[0]]


async def test_the_chain_verifies(written: SqlStore) -> None:
    assert await written.read(lambda tables: tables.journal.verify()) == 3


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("update journal set detail = 'on the list' where sequence = 1", "row 1 was changed"),
        ("update journal set alert = 0 where sequence = 1", "row 1 was changed"),
        ("delete from journal where sequence = 2", "missing before sequence 3"),
        ("delete from journal where sequence = 3", "missing after sequence 2"),
    ],
)
async def test_damage_is_found(
    written: SqlStore, database_url: str, damage: str, found: str
) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("the damage is done to the file")
    other = sqlite3.connect(database_url.removeprefix("sqlite:///"))
    with other:
        other.execute(damage)
    other.close()
    with pytest.raises(ValueError, match=found):
        await written.read(lambda tables: tables.journal.verify())
