"""Voucher requests in progress: one lease per device, the same answer for the same PVR."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from registrar.records import Begun, Delivered, Denied, PendingKey, VoucherAnswer
from registrar.store.sql_store import SqlStore
from sztb.errors import Misuse, Refusal, Refused
from sztb.pki.idevid import DeviceRef

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LEASE = timedelta(seconds=75)
KEEP = timedelta(minutes=10)  # D27
DEVICE = DeviceRef(b"\x01" * 20, "SN-1")
OTHER_DEVICE = DeviceRef(b"\x02" * 20, "SN-1")
PVR = PendingKey(b"p" * 32, b"c" * 32)
NEXT_PVR = PendingKey(b"q" * 32, b"c" * 32)
VOUCHER = Delivered("application/voucher+cose", b"voucher")
REFUSAL = Denied(Refusal.MALFORMED, "no")


async def begin(
    store: SqlStore,
    key: PendingKey = PVR,
    after: timedelta = timedelta(0),
    device: DeviceRef = DEVICE,
) -> Begun | VoucherAnswer:
    return await store.write(lambda tables: tables.pending.begin(key, device, NOW + after, LEASE))


async def finish(store: SqlStore, answer: VoucherAnswer = VOUCHER) -> None:
    await store.write(lambda tables: tables.pending.finish(PVR, answer, NOW, KEEP))


@pytest.mark.rule("R-31", "R-47")
@pytest.mark.parametrize("answer", [VOUCHER, REFUSAL], ids=["voucher", "refusal"])
async def test_the_same_pvr_gets_the_same_answer(store: SqlStore, answer: VoucherAnswer) -> None:
    assert await begin(store) is Begun.NEW
    assert await begin(store) is Begun.IN_PROGRESS
    await finish(store, answer)
    for after in (timedelta(0), LEASE, KEEP - timedelta(milliseconds=1)):
        assert await begin(store, after=after) == answer


@pytest.mark.rule("R-31")
async def test_the_same_bytes_from_another_client_are_another_request(store: SqlStore) -> None:
    await begin(store)
    await finish(store)
    assert await begin(store, PendingKey(PVR.pvr_sha256, b"d" * 32)) is Begun.NEW


@pytest.mark.rule("R-30")
async def test_a_second_pvr_of_the_device_is_refused_while_one_is_out(store: SqlStore) -> None:
    await begin(store)
    with pytest.raises(Refused) as refused:
        await begin(store, NEXT_PVR)
    assert refused.value.refusal is Refusal.OUTSTANDING
    assert await begin(store, NEXT_PVR, device=OTHER_DEVICE) is Begun.NEW


async def test_after_the_answer_a_new_pvr_may_ask(store: SqlStore) -> None:
    await begin(store)
    await finish(store)
    assert await begin(store, NEXT_PVR) is Begun.NEW


async def test_a_lease_whose_holder_died_is_taken_over(store: SqlStore) -> None:
    await begin(store)
    assert await begin(store, after=LEASE - timedelta(milliseconds=1)) is Begun.IN_PROGRESS
    assert await begin(store, after=LEASE) is Begun.NEW
    assert await begin(store, after=LEASE) is Begun.IN_PROGRESS
    assert await begin(store, NEXT_PVR, after=2 * LEASE) is Begun.NEW


async def test_released_it_may_be_asked_again(store: SqlStore) -> None:
    await begin(store)
    await store.write(lambda tables: tables.pending.release(PVR))
    assert await begin(store) is Begun.NEW
    await store.write(lambda tables: tables.pending.release(PVR))
    assert await begin(store, NEXT_PVR) is Begun.NEW


async def test_a_registrar_that_starts_ends_the_leases_of_the_dead(store: SqlStore) -> None:
    await begin(store)
    await begin(store, device=OTHER_DEVICE, key=NEXT_PVR)
    await finish(store)
    assert await store.write(lambda tables: tables.pending.release_all()) == 1
    assert await begin(store) == VOUCHER
    assert await begin(store, device=OTHER_DEVICE, key=NEXT_PVR) is Begun.NEW


@pytest.mark.rule("R-30")
@pytest.mark.parametrize("purged", [False, True])
async def test_an_old_pvr_is_stale(store: SqlStore, purged: bool) -> None:
    await begin(store)
    await finish(store)
    if purged:
        gone = await store.write(lambda tables: tables.pending.purge(NOW + KEEP, timedelta(days=6)))
        assert gone == 0
    with pytest.raises(Refused) as refused:
        await begin(store, after=KEEP)
    assert refused.value.refusal is Refusal.PVR_STALE


async def test_purge_forgets_what_nobody_repeats(store: SqlStore) -> None:
    await begin(store)
    await finish(store)
    await begin(store, NEXT_PVR, after=timedelta(days=5))
    later = NOW + timedelta(days=7)
    assert await store.write(lambda tables: tables.pending.purge(later, timedelta(days=6))) == 1
    assert await begin(store, after=timedelta(days=7)) is Begun.NEW


async def test_finishing_what_was_never_begun_is_our_bug(store: SqlStore) -> None:
    with pytest.raises(Misuse):
        await finish(store)


async def test_one_of_many_instances_asks_the_masa(store: SqlStore, second_store: SqlStore) -> None:
    found = await asyncio.gather(*(begin(one) for _ in range(10) for one in (store, second_store)))
    assert sorted(found) == [Begun.IN_PROGRESS] * 19 + [Begun.NEW]
