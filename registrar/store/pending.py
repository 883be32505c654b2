"""Voucher requests in progress and their answers (`registrar.interfaces.PendingVouchers`)."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from typing_extensions import override

from sztb.errors import Misuse, Refusal, Refused
from sztb.pki.idevid import DeviceRef
from sztb.store.prepared import Prepared
from sztb.store.times import to_ms

from ..interfaces import PendingVouchers
from ..records import Begun, Delivered, Denied, Instant, PendingKey, VoucherAnswer
from .schema import devices, pending_vouchers

_TABLE = pending_vouchers.c
_KEY = (
    _TABLE.pvr_sha256 == bindparam("key_pvr"),
    _TABLE.client_sha256 == bindparam("key_client"),
)
_GET = Prepared(sa.select(pending_vouchers).where(*_KEY).with_for_update())
_OTHER_LEASE = Prepared(
    sa.select(_TABLE.pvr_sha256)
    .where(
        _TABLE.serial_number == bindparam("serial"),
        _TABLE.idevid_issuer == bindparam("issuer"),
        _TABLE.pvr_sha256 != bindparam("key_pvr"),
        _TABLE.lease_until > bindparam("now"),
    )
    .limit(1)
)
_LOCK_DEVICE = Prepared(
    sa.select(devices.c.state)
    .where(
        devices.c.serial_number == bindparam("serial"),
        devices.c.idevid_issuer == bindparam("issuer"),
    )
    .with_for_update()
)
_INSERT = Prepared(sa.insert(pending_vouchers))
_LEASE = Prepared(sa.update(pending_vouchers).where(*_KEY).values(lease_until=bindparam("until")))
_ANSWER = Prepared(
    sa.update(pending_vouchers)
    .where(*_KEY)
    .values(
        lease_until=None,
        keep_until=bindparam("until"),
        media_type=bindparam("media_type"),
        voucher=bindparam("voucher"),
        refusal=bindparam("refusal"),
        detail=bindparam("detail"),
    )
)
_NO_ANSWER = dict.fromkeys(("keep_until", "media_type", "voucher", "refusal", "detail"))
_RELEASE_ALL = (
    sa.update(pending_vouchers).where(_TABLE.lease_until.is_not(None)).values(lease_until=None)
)
_EMPTY = (
    sa.update(pending_vouchers)
    .where(_TABLE.keep_until <= bindparam("now"), _TABLE.voucher.is_not(None))
    .values(voucher=None)
)
_DROP = sa.delete(pending_vouchers).where(_TABLE.begun < bindparam("before"))


class SqlPendingVouchers(PendingVouchers):
    """One row per PVR and client; the lease and the answer are columns of it."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @override
    def begin(
        self, key: PendingKey, device: DeviceRef, now: Instant, lease: timedelta
    ) -> Begun | VoucherAnswer:
        row = _GET.first(self._connection, _key(key))
        if row is not None and row.keep_until is not None:
            return _kept_answer(row, now)
        if row is not None and row.lease_until is not None and row.lease_until > to_ms(now):
            return Begun.IN_PROGRESS
        self._check_none_outstanding(key, device, now)
        until = to_ms(now + lease)
        if row is not None:  # released, or its holder died
            _LEASE.run(self._connection, _key(key) | {"until": until})
        else:
            self._insert(key, device, now, until)
        return Begun.NEW

    def _insert(self, key: PendingKey, device: DeviceRef, now: Instant, until: int) -> None:
        row = {
            "pvr_sha256": key.pvr_sha256,
            "client_sha256": key.client_sha256,
            "idevid_issuer": device.idevid_issuer,
            "serial_number": device.serial_number,
            "begun": to_ms(now),
            "lease_until": until,
        }
        _INSERT.run(self._connection, _NO_ANSWER | row)

    def _check_none_outstanding(self, key: PendingKey, device: DeviceRef, now: Instant) -> None:
        asked: dict[str, object] = {
            "serial": device.serial_number,
            "issuer": device.idevid_issuer,
            "key_pvr": key.pvr_sha256,
            "now": to_ms(now),
        }
        if self._connection.dialect.name != "sqlite":
            # two instances with two PVRs of one device take turns; on SQLite every writer does
            _LOCK_DEVICE.first(self._connection, asked)
        if _OTHER_LEASE.first(self._connection, asked) is not None:
            raise Refused(Refusal.OUTSTANDING, f"{device} has another request in progress")

    @override
    def finish(self, key: PendingKey, answer: VoucherAnswer, now: Instant, keep: timedelta) -> None:
        values = _key(key) | _answer(answer) | {"until": to_ms(now + keep)}
        if _ANSWER.run(self._connection, values) != 1:
            raise Misuse("finish without begin")

    @override
    def release(self, key: PendingKey) -> None:
        _LEASE.run(self._connection, _key(key) | {"until": None})

    @override
    def release_all(self) -> int:
        return self._connection.execute(_RELEASE_ALL).rowcount

    @override
    def purge(self, now: Instant, forget: timedelta) -> int:
        self._connection.execute(_EMPTY, {"now": to_ms(now)})
        return self._connection.execute(_DROP, {"before": to_ms(now - forget)}).rowcount


def _kept_answer(row: Any, now: Instant) -> VoucherAnswer:  # noqa: ANN401  # of `Prepared`
    if row.keep_until <= to_ms(now):
        raise Refused(Refusal.PVR_STALE, "answered before; the answer is no longer kept")
    if row.refusal is not None:
        return Denied(Refusal[row.refusal], row.detail)
    return Delivered(row.media_type, row.voucher)


def _key(key: PendingKey) -> dict[str, object]:
    return {"key_pvr": key.pvr_sha256, "key_client": key.client_sha256}


def _answer(answer: VoucherAnswer) -> dict[str, object]:
    match answer:
        case Delivered(media_type, voucher):
            return {"media_type": media_type, "voucher": voucher, "refusal": None, "detail": None}
        case Denied(refusal, detail):
            return {
                "media_type": None,
                "voucher": None,
                "refusal": refusal.name,
                "detail": detail,
            }
