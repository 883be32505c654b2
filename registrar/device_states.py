"""The moves a device may make, all in one table (RFC 8995 5; cbrski.md 9.2 steps 8 to 10).

A device that was reset starts again from any state; EST is open only after a good audit (R-33).
"""

from dataclasses import replace

from sztb.pki.idevid import DeviceRef

from .records import DeviceRecord, DeviceState, Instant

_S = DeviceState
_ANY = frozenset(DeviceState)
_VOUCHER_OUT = frozenset({_S.VOUCHER_ISSUED, _S.VOUCHER_ACCEPTED, _S.VOUCHER_FAILED})
_JUDGED = frozenset({_S.AUDITED, _S.AUDIT_REFUSED})
_EST = frozenset({_S.AUDITED, _S.ENROLLED, _S.ENROLL_FAILED})

COMES_FROM: dict[DeviceState, frozenset[DeviceState]] = {
    _S.NEW: frozenset(),
    _S.VOUCHER_REQUESTED: _ANY,
    _S.VOUCHER_DENIED: frozenset({_S.VOUCHER_REQUESTED}),
    _S.VOUCHER_ISSUED: frozenset({_S.VOUCHER_REQUESTED}),
    _S.VOUCHER_ACCEPTED: _VOUCHER_OUT,
    _S.VOUCHER_FAILED: _VOUCHER_OUT | _JUDGED,
    _S.AUDITED: _VOUCHER_OUT - {_S.VOUCHER_FAILED} | _JUDGED,
    _S.AUDIT_REFUSED: _VOUCHER_OUT - {_S.VOUCHER_FAILED} | _JUDGED,
    _S.ENROLLED: _EST,
    _S.ENROLL_FAILED: _EST,
}

AWAITS_AUDIT = frozenset({_S.VOUCHER_ISSUED, _S.VOUCHER_ACCEPTED})
MAY_ENROLL = _EST


def can_move(record: DeviceRecord, to: DeviceState) -> bool:
    """True when the table has the move from the record's state to `to`."""
    return record.state in COMES_FROM[to]


def moved(record: DeviceRecord, to: DeviceState, now: Instant, reason: str = "") -> DeviceRecord:
    """Return the record after the move; unchanged when the table does not have it.

    Telemetry comes late, twice or out of order; it must never open or close a door by that.
    """
    if not can_move(record, to):
        return record
    return replace(record, state=to, updated=now, reason=reason)


def first_seen(ref: DeviceRef, manufacturer: str, now: Instant) -> DeviceRecord:
    """Return the record of a device nobody knew before."""
    return DeviceRecord(ref=ref, manufacturer=manufacturer, first_seen=now, updated=now)
