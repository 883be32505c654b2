"""One suite for every store of the MASA: the one in memory and SQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from masa.interfaces import Store
from masa.records import Abilities, Action, DeviceRecord, IssueRecord, Keys, Owner, Pins
from masa.store.schema import metadata
from masa.store.sql_store import MIGRATIONS, SqlStore
from sztb.errors import Malformed
from sztb.pki.idevid import DeviceRef
from sztb.store.migrate import upgrade
from sztb.store.sqlite import sqlite_engine
from sztb.voucher.model import Assertion
from tests.fakes.masa import MemoryStore
from tests.fakes.pki import NOW

REF = DeviceRef(bytes(range(20)), "SN-1")
DEVICE = DeviceRecord(REF, b"der", NOW)
OWNER = Owner(bytes(32), "CN=domain", NOW)


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/masa.db"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store = MemoryStore()
    if request.param == "sqlite":
        store = await SqlStore.open(url_of(tmp_path))
    yield store
    await store.close()


@pytest.fixture
async def sql_store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(url_of(tmp_path))
    yield store
    await store.close()


def issue(device: DeviceRef = REF, number: int = 0, nonce: str | None = "n") -> IssueRecord:
    return IssueRecord(
        device=device,
        at=NOW + timedelta(seconds=number),
        domain_id="id",
        domain_key=bytes([number]) * 32,
        pinned_key=bytes([100 + number]) * 32,
        nonce=nonce,
        assertion=Assertion.LOGGED,
        expires_on=None if nonce else NOW,
        registrar="CN=registrar",
        registrar_sha256=bytes(32),
        tls_client_sha256=None,
        rvr_sha256=bytes(32),
    )


async def test_device_round_trip(store):
    assert await store.read(lambda tables: tables.devices.get(REF)) is None
    full = replace(
        DEVICE, abilities=Abilities(Keys.NAMES, Pins.KEY_SHA256), blocked="why", sold_to="acme",
        owner=OWNER,
    )  # fmt: skip
    assert await store.write(lambda tables: tables.devices.add(full))
    assert await store.read(lambda tables: tables.devices.get(REF)) == full
    assert not await store.write(lambda tables: tables.devices.add(DEVICE))
    assert await store.read(lambda tables: tables.devices.get(REF)) == full


async def test_serial_numbers_repeat_between_issuers(store):
    other = replace(DEVICE, ref=DeviceRef(bytes(20), "SN-1"))
    await store.write(lambda tables: [tables.devices.add(DEVICE), tables.devices.add(other)])
    found = await store.read(lambda tables: tables.devices.find(serial_number="SN-1"))
    assert {record.ref for record in found} == {REF, other.ref}
    assert await store.read(lambda tables: tables.devices.find(serial_number="sn-1")) == []


async def test_counting_a_voucher(store):
    await store.write(lambda tables: tables.devices.add(DEVICE))
    later = NOW + timedelta(seconds=5)
    await store.write(lambda tables: tables.devices.count_issue(REF, NOW, OWNER))
    await store.write(lambda tables: tables.devices.count_issue(REF, later, None))
    record = await store.read(lambda tables: tables.devices.get(REF))
    assert (record.vouchers, record.last_issued, record.owner) == (2, later, None)


async def test_saving_what_an_operator_changed(store):
    await store.write(lambda tables: tables.devices.add(replace(DEVICE, owner=OWNER)))
    changed = replace(DEVICE, blocked="", sold_to="acme", owner=None)
    await store.write(lambda tables: tables.devices.save(changed))
    assert await store.read(lambda tables: tables.devices.get(REF)) == changed


@pytest.mark.rule("M-32", "M-33")
async def test_history_and_owners(store):
    other = DeviceRef(bytes(20), "SN-1")
    entries = [issue(number=1), issue(number=2, nonce=None), issue(other, 3)]
    for entry in entries:
        await store.write(lambda tables, entry=entry: tables.issues.append(entry))
    history = await store.read(lambda tables: tables.issues.history(REF, 10))
    assert (history.issues, history.total) == (tuple(entries[:2]), 2)
    history = await store.read(lambda tables: tables.issues.history(REF, 1))
    assert (history.issues, history.total) == ((entries[1],), 2)
    for number, expected in ((1, True), (101, True), (3, False), (9, False)):
        keys = [b"x" * 32, bytes([number]) * 32]
        assert await store.read(lambda t, k=keys: t.issues.is_owner(REF, k)) is expected
    assert await store.read(lambda tables: tables.issues.verify()) == 3


async def test_a_unit_that_fails_leaves_no_trace(store):
    def halfway(tables):
        tables.devices.add(DEVICE)
        tables.issues.append(issue())
        tables.actions.append(Action(NOW, "x", "y"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.write(halfway)
    assert await store.read(lambda tables: tables.devices.get(REF)) is None
    assert await store.read(lambda tables: tables.issues.verify()) == 0


async def test_finding_devices(sql_store):
    def fill(tables):
        for number in range(5):
            record = replace(
                DEVICE,
                ref=DeviceRef(REF.idevid_issuer, f"SN-{number}"),
                blocked="why" if number == 1 else None,
                sold_to="acme" if number > 2 else None,
            )
            tables.devices.add(record)

    async def serials(**wanted):
        found = await sql_store.read(lambda tables: tables.devices.find(**wanted))
        return [record.ref.serial_number[-1] for record in found]

    await sql_store.write(fill)
    assert await serials() == ["0", "1", "2", "3", "4"]
    assert await serials(limit=2) == ["0", "1"]
    assert await serials(blocked=True) == ["1"]
    assert await serials(blocked=False, sold_to="acme") == ["3", "4"]


@pytest.mark.rule("M-19")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE issues SET nonce = 'other' WHERE sequence = 2",
        "UPDATE issues SET nonce = NULL WHERE sequence = 2",
        "DELETE FROM issues WHERE sequence = 2",
        "DELETE FROM issues WHERE sequence = 3",
    ],
)
async def test_a_changed_or_removed_entry_shows(sql_store, statement):
    for number in range(3):
        await sql_store.write(lambda tables, n=number: tables.issues.append(issue(number=n)))
    await sql_store._database.write(lambda connection: connection.exec_driver_sql(statement))
    with pytest.raises(Malformed, match="audit log"):
        await sql_store.read(lambda tables: tables.issues.verify())


async def test_actions_are_kept(sql_store):
    action = Action(NOW, "device-blocked", "root", str(REF), "stolen")
    await sql_store.write(lambda tables: tables.actions.append(action))
    rows = await sql_store._database.read(
        lambda connection: connection.exec_driver_sql("SELECT name, operator FROM actions").all()
    )
    assert rows == [("device-blocked", "root")]


def test_migrations_and_schema_agree(tmp_path):
    upgrade(url_of(tmp_path), MIGRATIONS)
    engine = sqlite_engine(url_of(tmp_path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        indexes = {
            (table.name, index["name"])
            for table in metadata.sorted_tables
            for index in sa.inspect(connection).get_indexes(table.name)
        }
    engine.dispose()
    assert indexes == {(t.name, index.name) for t in metadata.sorted_tables for index in t.indexes}
