"""Whether EST is open to a device: a decision (cbrski.md 9.2 step 10; R-33)."""

from enum import Enum, auto

from sztb.errors import Refusal, Refused

from .device_states import AWAITS_AUDIT, MAY_ENROLL
from .records import DeviceRecord, DeviceState, Standing
from .rules import EstRules

_BARRED = frozenset({Standing.REFUSED, Standing.REMOVED})
_CHOSEN = frozenset({Standing.LISTED, Standing.APPROVED})


class Gate(Enum):
    """What stands between a device and its certificate."""

    OPEN = auto()
    AUDIT_FIRST = auto()  # the voucher is out, the history is not judged yet


def check_gate(record: DeviceRecord | None, rules: EstRules) -> Gate:
    """Return how far EST is open for the device with this record.

    Raises:
        Refused: NOT_ENROLLABLE.
    """
    if record is None:
        raise Refused(Refusal.NOT_ENROLLABLE, "device never asked for a voucher")
    if record.standing in _BARRED:
        raise Refused(Refusal.NOT_ENROLLABLE, f"device is {record.standing}")
    if record.state in MAY_ENROLL:
        return Gate.OPEN
    if record.state in AWAITS_AUDIT:
        return Gate.AUDIT_FIRST
    chosen = rules.without_voucher and record.standing in _CHOSEN
    if chosen and record.state is not DeviceState.AUDIT_REFUSED:  # R-33 has no exception
        return Gate.OPEN
    raise Refused(Refusal.NOT_ENROLLABLE, f"state {record.state}: {record.reason}")


def check_renewal_gate(record: DeviceRecord | None) -> DeviceRecord:
    """Return the record of a member that may renew: not barred, and its history is no bad one.

    Raises:
        Refused: NOT_ENROLLABLE.
    """
    if record is None or record.standing in _BARRED:
        raise Refused(Refusal.NOT_ENROLLABLE, "device is barred or removed")
    if record.state is DeviceState.AUDIT_REFUSED:  # no EST at all, old LDevID or not
        raise Refused(Refusal.NOT_ENROLLABLE, f"audit log: {record.reason}")
    return record
