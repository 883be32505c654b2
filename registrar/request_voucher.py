"""POST /rv (cbrski.md 9.2 steps 2 to 8; RFC 8995 5.2 to 5.6).

The steps are numbered as in the digest; step 1, who is on the connection, is `clients`.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sztb.codepoints.media import Media
from sztb.envelope.sealed import Sealed
from sztb.errors import Refusal, Refused, Unavailable
from sztb.pki import certificates
from sztb.voucher.model import VoucherRequest

from . import device_states, received_voucher
from .background import within
from .interfaces import Transaction
from .manufacturer_directory import Pledge
from .masa_answers import RETRY_AFTER, check_voucher_answer
from .masa_location import choose_masa_url
from .pvr import check_pvr
from .records import (
    Admit,
    Begun,
    Delivered,
    Denied,
    Deny,
    DeviceRecord,
    DeviceState,
    Instant,
    JournalEntry,
    PendingKey,
    Standing,
    VoucherAnswer,
    Wait,
)
from .rvr import certificate_bag, make_rvr, seal_rvr
from .site import Site


@dataclass(frozen=True, slots=True)
class Asked:
    """A PVR that passed the checks, and where it came from.

    Attributes:
        pledge: the DTLS client.
        media: format of the PVR.
        pvr: the PVR, opened and checked.
        presented: the chain we presented on this connection, DER.
        key: by what a repeated request is known (R-31).
    """

    pledge: Pledge
    media: Media
    pvr: Sealed[VoucherRequest]
    presented: Sequence[bytes]
    key: PendingKey


async def handle(
    site: Site, pledge: Pledge, media: Media, body: bytes, presented: Sequence[bytes]
) -> Delivered:
    """Answer a pledge's voucher-request with a voucher.

    Args:
        site: this registrar.
        pledge: the DTLS client (step 1).
        media: format of the body, one we know (step 2).
        body: the PVR as received.
        presented: the chain we presented on this connection, DER, end entity first.

    Raises:
        Malformed, Refused: see `check_pvr`, `AdmissionPolicy` and `check_voucher_answer`.
        Unavailable: an operator has to decide first, or the MASA is slow or down (5.03).
    """
    now = site.now()
    own = certificates.load(presented[0])
    pvr = check_pvr(media, body, pledge, own, now)  # (2) (3)
    key = PendingKey(hashlib.sha256(body).digest(), hashlib.sha256(pledge.chain[0]).digest())
    asked = Asked(pledge, media, pvr, presented, key)
    found = await _admit(site, asked, now)  # (4)
    if isinstance(found, Begun):
        found = await _wait_for_answer(site, asked, found)  # (5) to (8)
    if isinstance(found, Denied):
        raise Refused(found.refusal, found.detail)
    return found


# --- (4) -------------------------------------------------------------------------------------


async def _admit(site: Site, asked: Asked, now: Instant) -> Begun | VoucherAnswer:
    """Authorise the device and find out whether its request is new; one transaction."""
    found, entries = await site.store.write(lambda tables: admit(tables, site, asked, now))
    for entry in entries:
        site.log(entry)
    if isinstance(found, Deny):
        raise Refused(found.refusal, found.detail)
    if isinstance(found, Wait):
        raise Unavailable("waits for an operator", found.retry_after)
    return found


def admit(
    tables: Transaction, site: Site, asked: Asked, now: Instant
) -> tuple[Begun | VoucherAnswer | Deny | Wait, list[JournalEntry]]:
    """Decide and record; what is returned was stored together with its journal entries.

    Raises:
        Refused: OUTSTANDING or PVR_STALE (`PendingVouchers.begin`), IDEVID without a MASA URL.
    """
    device = asked.pledge.device
    known = tables.devices.get(device, asked.pledge.manufacturer.name)
    decision = site.admission.admit(device, asked.pledge.manufacturer, known, now)
    record = known or device_states.first_seen(device, asked.pledge.manufacturer.name, now)
    record = replace(record, idevid=asked.pledge.chain[0])
    match decision:
        case Deny():
            entries = [JournalEntry(now, "admission", device, "refused", "R-30", decision.detail)]
            return decision, _append(tables, entries)
        case Wait():
            return decision, _wait(tables, record, now)
        case Admit():
            return _begin(tables, site, asked, record, now), []


def _wait(tables: Transaction, record: DeviceRecord, now: Instant) -> list[JournalEntry]:
    """The first time the operator gets to know of the device; then it only waits (R-31)."""
    if record.standing is Standing.WAITING:
        return []
    tables.devices.save(replace(record, standing=Standing.WAITING, updated=now))
    entry = JournalEntry(now, "admission", record.ref, "waiting", "R-31", alert=True)
    return _append(tables, [entry])


def _begin(
    tables: Transaction, site: Site, asked: Asked, record: DeviceRecord, now: Instant
) -> Begun | VoucherAnswer:
    found = tables.pending.begin(asked.key, record.ref, now, site.rules.masa_lease)
    if found is Begun.NEW:
        requested = device_states.moved(record, DeviceState.VOUCHER_REQUESTED, now)
        location = choose_masa_url(asked.pledge)  # (5)
        pvr_sha256 = asked.key.pvr_sha256
        tables.devices.save(replace(requested, masa_url=location, pvr_sha256=pvr_sha256))
    return found


def _append(tables: Transaction, entries: list[JournalEntry]) -> list[JournalEntry]:
    for entry in entries:
        tables.journal.append(entry)
    return entries


# --- (5) to (8) ------------------------------------------------------------------------------


async def _wait_for_answer(site: Site, asked: Asked, begun: Begun) -> VoucherAnswer:
    """Ask the MASA, or join who does; the pledge waits only so long (D27)."""
    name = f"voucher {asked.key.pvr_sha256.hex()}"
    task: asyncio.Task[VoucherAnswer] | None
    if begun is Begun.NEW:
        task = site.background.start(ask_masa(site, asked), name)
    else:
        task = site.background.running(name)
    if task is None or not await within(task, site.rules.answer_within):
        raise Unavailable("the MASA has not answered yet", RETRY_AFTER)
    return task.result()


async def ask_masa(site: Site, asked: Asked) -> VoucherAnswer:
    """Get the MASA's answer and store it; goes on when the pledge has gone (D27).

    Raises:
        Refused: MASA_FAILED: an operator has to look; nothing is kept (D26).
        Unavailable: the next repetition of the PVR asks again.
    """
    now = site.now()
    location = choose_masa_url(asked.pledge)  # (5)
    bag = certificate_bag(site.credentials, asked.presented, asked.pledge)
    rvr = seal_rvr(  # (6)
        asked.media, make_rvr(asked.pvr, asked.pledge, now), site.credentials, bag
    )
    try:
        answer = await site.masas.request_voucher(  # (7)
            location, asked.pledge.manufacturer, asked.media, rvr
        )
        voucher = check_voucher_answer(answer, asked.media)  # (8)
        outcome: VoucherAnswer = Delivered(
            asked.media.media_type, received_voucher.strip(asked.media, voucher)
        )
    except Refused as error:
        if error.refusal is Refusal.MASA_FAILED:
            await _release(site, asked, error)
            raise
        outcome = Denied(error.refusal, error.detail)
    except Unavailable as error:
        await _release(site, asked, error)
        raise
    await _conclude(site, asked, rvr, outcome)
    return outcome


async def _release(site: Site, asked: Asked, error: Refused | Unavailable) -> None:
    """End the lease; R-43: what needs an operator is an alert."""
    alert = isinstance(error, Refused)
    entry = JournalEntry(
        site.now(), "masa-failed", asked.pledge.device, "failed", "R-43", str(error), alert
    )
    await site.write(lambda tables: tables.pending.release(asked.key), entry)


async def _conclude(site: Site, asked: Asked, rvr: bytes, outcome: VoucherAnswer) -> None:
    """Store the answer and the device's new state; only then the voucher leaves."""
    now = site.now()
    device = asked.pledge.device
    if isinstance(outcome, Delivered):
        state, detail = DeviceState.VOUCHER_ISSUED, ""
        entries = [JournalEntry(now, "voucher-issued", device)]
        entries += [
            JournalEntry(now, "voucher-objection", device, "alert", rule, text, alert=True)
            for rule, text in received_voucher.objections(
                asked.media, outcome.voucher, asked.pvr.data, asked.presented, now
            )
        ]
    else:
        state, detail = DeviceState.VOUCHER_DENIED, outcome.detail
        entries = [JournalEntry(now, "voucher-denied", device, "refused", "D26", detail)]

    def unit(tables: Transaction) -> None:
        tables.pending.finish(asked.key, outcome, now, site.rules.keep_answers)
        record = tables.devices.get(device)
        # Another PVR of the device may have overtaken this one; then the newer one counts.
        if record is not None and record.pvr_sha256 == asked.key.pvr_sha256:
            moved = device_states.moved(record, state, now, detail)
            tables.devices.save(replace(moved, rvr=rvr, rvr_media_type=asked.media.media_type))

    await site.write(unit, *entries)
