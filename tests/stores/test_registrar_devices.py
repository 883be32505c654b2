"""The device table: keys, locking by expectation, the list of devices never seen."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registrar.records import DeviceRecord, DeviceState, Standing
from registrar.store.sql_store import SqlStore, SqlTransaction
from sztb.errors import Misuse, Unavailable
from sztb.pki.idevid import DeviceRef

NOW = datetime(2026, 11, 25, 12, 0, 0, 123_000, tzinfo=UTC)
REF = DeviceRef(b"\x01" * 20, "SN-1")
TWIN = DeviceRef(b"\x02" * 20, "SN-1")
SEEN = DeviceRecord(REF, "acme", NOW, NOW)
FULL = DeviceRecord(
    REF, "acme", NOW, NOW + timedelta(milliseconds=1), Standing.APPROVED, DeviceState.ENROLLED,
    "because", b"idevid", b"\x03" * 32, b"rvr", "application/voucher+cose", "masa.example",
    b"\x04" * 32,
)  # fmt: skip


async def save(store: SqlStore, record: DeviceRecord) -> None:
    def unit(tables: SqlTransaction) -> None:
        tables.devices.get(record.ref)
        tables.devices.save(record)

    await store.write(unit)


async def get(store: SqlStore, ref: DeviceRef, maker: str | None = None) -> DeviceRecord | None:
    return await store.read(lambda tables: tables.devices.get(ref, maker))


@pytest.mark.parametrize("record", [SEEN, FULL], ids=["least", "full"])
async def test_a_record_comes_back_as_it_was(store: SqlStore, record: DeviceRecord) -> None:
    await save(store, record)
    assert await get(store, REF) == record
    changed = replace(record, updated=NOW + timedelta(hours=1), reason="changed")
    await save(store, changed)
    assert await get(store, REF) == changed


async def test_equal_serial_numbers_of_two_makers_are_two_devices(store: SqlStore) -> None:
    await save(store, FULL)
    await save(store, replace(SEEN, ref=TWIN, manufacturer="other", updated=NOW - timedelta(1)))
    assert await get(store, REF) == FULL
    found = await store.read(lambda tables: tables.devices.find(serial_number="SN-1"))
    assert [record.ref for record in found] == [REF, TWIN]  # newest first


async def test_find_narrows_by_everything_given(store: SqlStore) -> None:
    for state in DeviceState:
        for standing in Standing:
            ref = DeviceRef(bytes(20), f"{state}-{standing}")
            await save(store, replace(SEEN, ref=ref, state=state, standing=standing))

    async def found(**wanted: Any) -> set[str]:
        records = await store.read(lambda tables: tables.devices.find(**wanted))
        return {record.ref.serial_number for record in records}

    enrolled, waiting = DeviceState.ENROLLED, Standing.WAITING
    assert await found(state=enrolled) == {f"enrolled-{standing}" for standing in Standing}
    assert await found(standing=waiting) == {f"{state}-waiting" for state in DeviceState}
    assert await found(state=enrolled, standing=waiting) == {"enrolled-waiting"}
    assert await found(serial_number="new-waiting", state=enrolled) == set()
    assert len(await found(limit=3)) == 3


async def test_saving_without_reading_is_our_bug(store: SqlStore) -> None:
    with pytest.raises(Misuse):
        await store.write(lambda tables: tables.devices.save(SEEN))


async def test_what_changed_since_it_was_read_is_not_overwritten(store: SqlStore) -> None:
    await save(store, SEEN)

    def unit(tables: SqlTransaction) -> None:
        mine = tables.devices.get(REF)
        assert mine is not None
        others = SqlTransaction(tables.devices._connection, writing=True)
        others.devices.get(REF)
        others.devices.save(replace(mine, state=DeviceState.AUDIT_REFUSED))
        tables.devices.save(replace(mine, state=DeviceState.ENROLLED))

    with pytest.raises(Unavailable, match="changed by somebody else"):
        await store.write(unit)
    assert await get(store, REF) == SEEN


async def test_two_instances_take_turns(store: SqlStore, second_store: SqlStore) -> None:
    await save(store, SEEN)

    def step(tables: SqlTransaction) -> None:
        record = tables.devices.get(REF)
        assert record is not None
        tables.devices.save(replace(record, reason=record.reason + "x"))

    await asyncio.gather(*(one.write(step) for one in (store, second_store) for _ in range(20)))
    record = await get(second_store, REF)
    assert record is not None
    assert record.reason == "x" * 40


class TestListedBeforeSeen:
    async def list_it(self, store: SqlStore, serial_number: str = "SN-1") -> bool:
        return await store.write(
            lambda tables: tables.devices.list_ahead("acme", serial_number, NOW, "order 7")
        )

    async def test_it_is_found_with_the_manufacturers_name_only(self, store: SqlStore) -> None:
        assert await self.list_it(store)
        assert await get(store, REF) is None
        assert await get(store, REF, "other") is None
        assert await get(store, REF, "acme") == replace(
            SEEN, standing=Standing.LISTED, reason="order 7"
        )

    async def test_listing_twice_says_so(self, store: SqlStore) -> None:
        assert [await self.list_it(store), await self.list_it(store)] == [True, False]
        listed = await store.read(lambda tables: tables.devices.listed())
        assert listed == [("acme", "SN-1", NOW, "order 7")]

    async def test_its_first_row_takes_it_off_the_list(self, store: SqlStore) -> None:
        await self.list_it(store)

        def first_contact(tables: SqlTransaction) -> None:
            record = tables.devices.get(REF, "acme")
            assert record is not None
            tables.devices.save(replace(record, state=DeviceState.VOUCHER_REQUESTED))

        await store.write(first_contact)
        assert await store.read(lambda tables: tables.devices.listed()) == []
        record = await get(store, REF)
        assert record is not None
        assert (record.standing, record.state) == (Standing.LISTED, DeviceState.VOUCHER_REQUESTED)

    @pytest.mark.parametrize(
        ("before", "after", "changed"),
        [
            (Standing.UNDECIDED, Standing.LISTED, True),
            (Standing.WAITING, Standing.LISTED, True),
            (Standing.REMOVED, Standing.LISTED, True),
            (Standing.REFUSED, Standing.LISTED, True),
            (Standing.APPROVED, Standing.APPROVED, False),
            (Standing.LISTED, Standing.LISTED, False),
        ],
    )
    async def test_a_device_seen_before_changes_its_standing(
        self, store: SqlStore, before: Standing, after: Standing, changed: bool
    ) -> None:
        await save(store, replace(SEEN, standing=before))
        assert await self.list_it(store) is changed
        record = await get(store, REF)
        assert record is not None
        assert record.standing is after
        assert await store.read(lambda tables: tables.devices.listed()) == []

    async def test_a_namesake_of_another_maker_is_not_touched(self, store: SqlStore) -> None:
        other = replace(SEEN, ref=TWIN, manufacturer="other")
        await save(store, other)
        assert await self.list_it(store)
        assert await get(store, TWIN, "other") == other

    async def test_unlisting(self, store: SqlStore) -> None:
        await self.list_it(store)
        for expected in (True, False):
            gone = await store.write(lambda tables: tables.devices.unlist("acme", "SN-1"))
            assert gone is expected
        assert await get(store, REF, "acme") is None
