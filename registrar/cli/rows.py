"""Devices, certificates and journal entries as table rows and as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sztb.daemon.output import Value, instant, iso

from ..records import DeviceRecord, Instant, JournalEntry, Standing

if TYPE_CHECKING:
    from ..ca.interfaces import StoredCertificate

Listed = tuple[str, str, Instant, str]  # manufacturer, serial number, since, note

DEVICE_COLUMNS = ("device", "manufacturer", "standing", "state", "changed", "reason")
CERTIFICATE_COLUMNS = ("certificate", "device", "issued", "until", "revoked")
ENTRY_COLUMNS = ("at", "event", "device", "outcome", "rule", "detail")


def certificate_row(row: "StoredCertificate") -> Sequence[str]:
    """Return the cells of one certificate."""
    revoked = f"{instant(row.revoked)} {row.reason.value if row.reason else ''}".strip()
    return (
        f"{row.number:x}",
        str(row.device),
        instant(row.issued),
        instant(row.not_after),
        revoked,
    )


def certificate_document(row: "StoredCertificate") -> dict[str, Value]:
    """Return one certificate for JSON."""
    return {
        "number": f"{row.number:x}",
        "device": str(row.device),
        "issued": iso(row.issued),
        "not_after": iso(row.not_after),
        "revoked": iso(row.revoked),
        "reason": row.reason.value if row.reason else None,
    }


def entry_row(entry: JournalEntry) -> Sequence[str]:
    """Return the cells of one journal entry."""
    outcome = f"{entry.outcome} !" if entry.alert else entry.outcome
    device = str(entry.device) if entry.device else ""
    return (instant(entry.at), entry.event, device, outcome, entry.rule, entry.detail)


def entry_document(entry: JournalEntry) -> dict[str, Value]:
    """Return one journal entry for JSON."""
    return {
        "at": iso(entry.at),
        "event": entry.event,
        "device": str(entry.device) if entry.device else None,
        "outcome": entry.outcome,
        "rule": entry.rule,
        "detail": entry.detail,
        "alert": entry.alert,
    }


def device_row(record: DeviceRecord) -> Sequence[str]:
    """Return the cells of one device."""
    ref, changed = str(record.ref), instant(record.updated)
    standing, state = record.standing.value, record.state.value
    return (ref, record.manufacturer, standing, state, changed, record.reason)


def device_document(record: DeviceRecord) -> dict[str, Value]:
    """Return one device for JSON."""
    return {
        "device": str(record.ref),
        "serial_number": record.ref.serial_number,
        "idevid_issuer": record.ref.idevid_issuer.hex(),
        "manufacturer": record.manufacturer,
        "standing": record.standing,
        "state": record.state,
        "first_seen": iso(record.first_seen),
        "updated": iso(record.updated),
        "reason": record.reason,
        "masa_url": record.masa_url,
        "ldevid_sha256": record.ldevid_sha256.hex() if record.ldevid_sha256 else None,
    }


def listed_row(listed: Listed) -> Sequence[str]:
    """Return the cells of a device that was listed and never seen."""
    maker, serial_number, since, note = listed
    return (serial_number, maker, Standing.LISTED.value, "never seen", instant(since), note)


def listed_document(listed: Listed) -> dict[str, Value]:
    """Return the same for JSON."""
    maker, serial_number, since, note = listed
    return {
        "serial_number": serial_number,
        "manufacturer": maker,
        "standing": Standing.LISTED,
        "state": None,
        "updated": iso(since),
        "reason": note,
    }
