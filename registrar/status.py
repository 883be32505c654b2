"""POST /vs and POST /es (cbrski.md 5.6; RFC 8995 5.7, 5.9.4; R-32, R-35, R-42, R-57)."""

from sztb.brski import telemetry
from sztb.brski.telemetry import EnrollStatus, VoucherStatus
from sztb.codepoints.media import Media
from sztb.errors import Refused, Unavailable
from sztb.pki import certificates
from sztb.pki.idevid import DeviceRef

from . import audit, device_states
from .audit_evaluation import Verdict
from .clients import Client, Member
from .interfaces import Transaction
from .manufacturer_directory import Pledge
from .records import DeviceRecord, DeviceState, Instant, JournalEntry
from .site import Site

KNOWN_VERSION = 1


async def voucher_status(site: Site, pledge: Pledge, media: Media, body: bytes) -> None:
    """Take a pledge's word on its voucher, and judge its history before EST is asked for.

    The audit log is usually there at once; then both are written together. If it takes longer,
    the pledge is answered and the verdict follows.

    Raises:
        Malformed: not telemetry (4.00).
        Unavailable: nothing was stored.
    """
    status = telemetry.decode(media, body, VoucherStatus)
    device, now = pledge.device, site.now()
    verdict = await _verdict(site, device) if status.status else None
    entry = _entry("voucher-status", status, device, now)

    def unit(tables: Transaction) -> JournalEntry | None:
        state = DeviceState.VOUCHER_ACCEPTED if status.status else DeviceState.VOUCHER_FAILED
        _save(tables, tables.devices.get(device), state, entry)
        return audit.apply(tables, device, verdict, now) if verdict else None

    judged = await site.write(unit, entry)
    if judged is not None:
        site.log(judged)
    elif status.status:
        site.background.start(audit.settle_later(site, device), f"settle {device}")


async def enroll_status(site: Site, client: Client, media: Media, body: bytes) -> None:
    """Take a device's word on its enrolment.

    Raises: as `voucher_status`.
    """
    status = telemetry.decode(media, body, EnrollStatus)
    device, now = client.device, site.now()
    state = DeviceState.ENROLLED if status.status else DeviceState.ENROLL_FAILED

    def unit(tables: Transaction) -> JournalEntry:
        record = tables.devices.get(device)
        entry = _entry("enroll-status", status, device, now, session_of(client, record))
        tables.journal.append(entry)
        _save(tables, record, state, entry)
        return entry

    site.log(await site.store.write(unit))


def session_of(client: Client, record: DeviceRecord | None) -> str:
    """R-35: say whether the status came over a session with the certificate it is about."""
    if not isinstance(client, Member):
        return "over a session with the IDevID"
    newest = record.ldevid_sha256 if record else None
    if certificates.fingerprint(client.certificate) == newest:
        return "over a session with the new LDevID"
    return "over a session with an older LDevID"


async def _verdict(site: Site, device: DeviceRef) -> Verdict | None:
    """Return the verdict if it can be had within the patience we have here."""
    try:
        task = await audit.start(site, device)
        return await audit.verdict_within(task, site.rules.audit_patience) if task else None
    except (Refused, Unavailable):
        return None  # settle_later tries again and tells the operator


def _entry(
    event: str,
    status: VoucherStatus | EnrollStatus,
    device: DeviceRef,
    now: Instant,
    session: str = "",
) -> JournalEntry:
    newer = status.version > KNOWN_VERSION  # logged, and a human is told
    said = [f"version {status.version}"] if newer else []
    said += [status.reason[:200]] if status.reason else []
    said += [session] if session else []
    return JournalEntry(
        now,
        event,
        device,
        "accepted" if status.status else "failed",
        "R-57",
        "; ".join(said),
        alert=newer or not status.status,
    )


def _save(
    tables: Transaction, record: DeviceRecord | None, to: DeviceState, entry: JournalEntry
) -> None:
    if record is not None and device_states.can_move(record, to):
        tables.devices.save(device_states.moved(record, to, entry.at, entry.detail))
