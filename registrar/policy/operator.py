"""What an operator decides about one device; each decision is one transaction with its journal.

The running registrar sees a decision with the device's next request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography import x509

from sztb.daemon.journal import Outcome
from sztb.errors import SztbError

from ..ca.interfaces import CaTransaction
from ..ca.revocation import revoke_device
from ..device_states import MAY_ENROLL
from ..records import DeviceRecord, DeviceState, Instant, JournalEntry, Standing

_Reasons = x509.ReasonFlags


class OperatorError(SztbError):
    """What the operator asked for cannot be done; the text says what can."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did.

    Attributes:
        record: the device afterwards.
        changed: False when it had been decided so before.
        revoked: numbers of the certificates that were revoked with it.
    """

    record: DeviceRecord
    changed: bool
    revoked: Sequence[int] = ()


def find_device(tables: CaTransaction, text: str, manufacturer: str | None = None) -> DeviceRecord:
    """Return the one device that is meant.

    Args:
        tables: inside a transaction.
        text: a serial number, or ``serial@hex`` with the first digits of the IDevID issuer.
        manufacturer: narrows it down when serial numbers repeat.

    Raises:
        OperatorError: none, or several.
    """
    found = [
        record
        for record in _candidates(tables, text)
        if manufacturer is None or record.manufacturer == manufacturer
    ]
    if len(found) > 1:
        names = ", ".join(f"{one.ref} ({one.manufacturer})" for one in found)
        raise OperatorError(f"'{text}' is not unique: {names}; name one of them in full")
    if not found:
        raise OperatorError(
            f"no device '{text}' has asked yet; see 'device list', or list it ahead with"
            " 'device add'"
        )
    return found[0]


def _candidates(tables: CaTransaction, text: str) -> Sequence[DeviceRecord]:
    whole = tables.devices.find(serial_number=text)
    serial_number, at, digits = text.rpartition("@")
    if whole or not at:
        return whole
    return [
        record
        for record in tables.devices.find(serial_number=serial_number)
        if record.ref.idevid_issuer.hex().startswith(digits.lower())
    ]


def approve(tables: CaTransaction, record: DeviceRecord, now: Instant) -> Decided:
    """Let a device in: it gets its voucher when it asks next.

    A member that was reset and waits starts over (see `Reonboarding.ASK`).
    """
    current = _locked(tables, record)
    if current.standing is Standing.APPROVED:
        return Decided(current, changed=False)
    anew = current.standing is Standing.WAITING and current.state in MAY_ENROLL
    state = DeviceState.NEW if anew else current.state
    changed = replace(current, standing=Standing.APPROVED, state=state, updated=now, reason="")
    return _decide(tables, changed, now, "device-approved", "accepted")


def refuse(tables: CaTransaction, record: DeviceRecord, now: Instant, reason: str) -> Decided:
    """Keep a device out for good, and revoke what it holds."""
    current = _locked(tables, record)
    if current.standing is Standing.REFUSED:
        return Decided(current, changed=False)
    revoked = revoke_device(tables, current.ref, _Reasons.privilege_withdrawn, now)
    changed = replace(current, standing=Standing.REFUSED, updated=now, reason=reason)
    return _decide(tables, changed, now, "device-refused", "refused", revoked)


def remove(tables: CaTransaction, record: DeviceRecord, now: Instant) -> Decided:
    """End a device's membership; if it comes back, the admission policy decides anew."""
    current = _locked(tables, record)
    if current.standing is Standing.REMOVED:
        return Decided(current, changed=False)
    revoked = revoke_device(tables, current.ref, _Reasons.cessation_of_operation, now)
    changed = replace(
        current, standing=Standing.REMOVED, state=DeviceState.NEW, updated=now, reason=""
    )
    return _decide(tables, changed, now, "device-removed", "done", revoked)


def _locked(tables: CaTransaction, record: DeviceRecord) -> DeviceRecord:
    return tables.devices.get(record.ref) or record


def _decide(
    tables: CaTransaction,
    record: DeviceRecord,
    now: Instant,
    event: str,
    outcome: Outcome,
    revoked: Sequence[int] = (),
) -> Decided:
    tables.devices.save(record)
    tables.journal.append(JournalEntry(now, event, record.ref, outcome, detail=record.reason))
    return Decided(record, changed=True, revoked=revoked)
