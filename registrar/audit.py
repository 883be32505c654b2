"""The audit log of a device: ask the MASA, judge, remember (cbrski.md 9.2 step 9, 9.4)."""

import asyncio
from datetime import timedelta

from sztb.brski import audit_log
from sztb.codepoints import media
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.pki.idevid import DeviceRef

from . import device_states
from .audit_evaluation import IGNORED, Finding, Verdict, evaluate
from .background import within
from .interfaces import Transaction
from .masa_answers import RETRY_AFTER, check_audit_answer
from .records import DeviceRecord, DeviceState, Instant, JournalEntry, Manufacturer
from .site import Site

SWEEP_LIMIT = 50  # devices looked at in one round
SWEEP_FOR = timedelta(days=1)  # then only an operator, or the device itself, starts it again


async def judge(site: Site, record: DeviceRecord, manufacturer: Manufacturer) -> Verdict:
    """Ask for the log with the bytes of the RVR, and evaluate it.

    Raises:
        Refused: MASA_FAILED and the like: the log cannot be had; an operator has to look.
        Unavailable: it cannot be had now.
    """
    if not manufacturer.audit.required:
        return IGNORED
    wanted = media.by_media_type(record.rvr_media_type or "")
    if record.rvr is None or record.masa_url is None or wanted is None:
        raise Unavailable("no RVR on record", RETRY_AFTER)
    answer = await site.masas.request_audit_log(record.masa_url, manufacturer, wanted, record.rvr)
    try:
        log = audit_log.decode_json(check_audit_answer(answer))
    except Malformed as error:
        raise Refused(Refusal.MASA_FAILED, f"audit log: {error}") from error
    except Refused as error:
        if error.refusal is not Refusal.MASA_NOT_FOUND:
            raise
        # The MASA gave us a voucher and yet denies that we ever were an owner.
        return Verdict((Finding("R-55", "the MASA has no log for us", refuses=True),))
    return evaluate(log, manufacturer.audit, site.credentials.domain_ids)


async def start(site: Site, device: DeviceRef) -> "asyncio.Task[Verdict] | None":
    """Begin to judge a device whose voucher is out, or join who does.

    Returns:
        The running work; None when there is nothing to judge.
    """
    name = f"audit {device}"
    running = site.background.running(name)
    if running is not None:
        return running
    record = await site.store.read(lambda tables: tables.devices.get(device))
    if record is None or record.state not in device_states.AWAITS_AUDIT:
        return None
    directory = await site.clients.directory(site.now())
    manufacturer = directory.by_name(record.manufacturer)
    if manufacturer is None:
        return None
    return site.background.start(judge(site, record, manufacturer), name)


async def verdict_within(task: "asyncio.Task[Verdict]", seconds: float) -> Verdict:
    """Wait for the verdict.

    Raises:
        Refused, Unavailable: see `judge`; Unavailable also when it takes longer.
    """
    if not await within(task, seconds):
        raise Unavailable("the audit log has not come yet", RETRY_AFTER)
    return task.result()


def apply(
    tables: Transaction, device: DeviceRef, verdict: Verdict, now: Instant
) -> JournalEntry | None:
    """Record a verdict inside a transaction; None when it is on record already."""
    record = tables.devices.get(device)
    state = DeviceState.AUDITED if verdict.acceptable else DeviceState.AUDIT_REFUSED
    if record is None or record.state is state or not device_states.can_move(record, state):
        return None
    tables.devices.save(device_states.moved(record, state, now, verdict.reason))
    entry = JournalEntry(
        now,
        "audit",
        device,
        "accepted" if verdict.acceptable else "refused",
        "R-33",
        verdict.reason,
        alert=bool(verdict.findings) and verdict is not IGNORED,
    )
    tables.journal.append(entry)
    return entry


async def settle(site: Site, device: DeviceRef, seconds: float) -> None:
    """See to it that the device is judged and the verdict is on record.

    Raises:
        Refused, Unavailable: see `verdict_within`; the device stays unjudged.
    """
    task = await start(site, device)
    if task is None:
        return
    verdict = await verdict_within(task, seconds)
    now = site.now()
    entry = await site.store.write(lambda tables: apply(tables, device, verdict, now))
    if entry is not None:
        site.log(entry)


async def settle_later(site: Site, device: DeviceRef) -> None:
    """`settle` for work nobody waits for: failures are logged, and tried again by the sweep."""
    try:
        await settle(site, device, site.rules.masa_lease.total_seconds())
    except (Refused, Unavailable) as error:
        alert = isinstance(error, Refused)
        site.log(JournalEntry(site.now(), "audit", device, "failed", "R-32", str(error), alert))


async def sweep(site: Site) -> int:
    """R-32: judge devices whose /vs never came, or whose log could not be had before.

    Returns:
        How many devices were looked at.
    """
    now = site.now()

    def find(tables: Transaction) -> list[DeviceRecord]:
        return [
            record
            for state in sorted(device_states.AWAITS_AUDIT)
            for record in tables.devices.find(state=state, limit=SWEEP_LIMIT)
            if site.rules.status_overdue <= now - record.updated <= SWEEP_FOR
        ]

    records = await site.store.read(find)
    for record in records:
        if record.state is DeviceState.VOUCHER_ISSUED:
            text = "no voucher status came"
            site.log(JournalEntry(site.now(), "voucher-status", record.ref, "failed", "R-32", text))
        await settle_later(site, record.ref)
    return len(records)
