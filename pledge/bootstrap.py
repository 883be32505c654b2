"""From factory state to an LDevID: the whole story in order (RFC 8995 5, cbrski.md 9.1).

``onboard`` is what a device does, ``prove`` what it does with one join proxy. Discovery and the
choice among several proxies are in `search`, the two states of a connection in `link`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from sztb.brski import telemetry
from sztb.brski.telemetry import VoucherStatus
from sztb.codepoints.resources import Operation
from sztb.discovery.candidates import CandidateRules, Candidates
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed, Refused, SztbError, Unavailable
from sztb.voucher.pins import Pin

from . import outcome
from .device import Device
from .enroll import Enrolled, enroll, report_failure, report_success
from .identity import Credential
from .link import ProvenLink, ProvisionalLink
from .outcome import Record
from .progress import Progress
from .search import GiveUp, Search
from .state import Registrar, State, StateStore, hex_or_none
from .timeline import Timeline
from .voucher_check import check_voucher
from .voucher_request import (
    NONCE_LENGTH,
    make_pvr,
    obtain_voucher,
    proximity_leaf,
    sent_request,
)

FOR_EVER = GiveUp()
DEFAULT_RULES = CandidateRules()

VOUCHER_NOT_ACCEPTED = "voucher not accepted"  # P-29: an unproven peer learns no more
ENROLLMENT_NOT_ACCEPTED = "certificate not accepted"


@dataclass(frozen=True, slots=True)
class Proof:
    """A registrar that a voucher proved to be ours.

    Attributes:
        link: the connection, no longer provisional.
        pin: what the voucher pinned.
        timeline: of this attempt.
    """

    link: ProvenLink
    pin: Pin
    timeline: Timeline

    async def close(self) -> None:
        """Give it up."""
        await self.link.close()


async def onboard(
    device: Device, store: StateStore, search: Search[Proof], record: Record
) -> Credential:
    """Take a device in factory state into its domain.

    (1) find a registrar that a voucher proves (2) enrol with it and no other (3) keep what it gave
    (4) report. When (2) fails the registrar is told and the search goes on (P-27, P-49).

    Args:
        device: in factory state (P-01).
        store: where the credential goes.
        search: made by `search_for_voucher` for this device; knows the offers.
        record: takes the record of every finished attempt.

    Returns:
        The credential, stored.

    Raises:
        NotOnboarded: the search was given up.
    """
    while True:
        proof = await search.find()  # (1)
        endpoint = proof.link.endpoint
        try:
            enrolled = await enroll_with(proof, device)  # (2) P-48
        except SztbError as error:
            outcome.failed(device, record, proof.timeline, endpoint, error)
            search.failed(endpoint, error)
            continue
        try:
            store.commit(enrolled.credential, _state(device, enrolled, endpoint))  # (3)
            await _report(device, store, enrolled.credential, proof)  # (4)
        finally:
            await proof.close()
        outcome.onboarded(device, record, proof.timeline, endpoint, enrolled.credential)
        return enrolled.credential


def search_for_voucher(
    device: Device,
    record: Record,
    give_up: GiveUp = FOR_EVER,
    *,
    told_to_wait: Callable[[Endpoint], None] = lambda _: None,
    rules: CandidateRules = DEFAULT_RULES,
) -> Search[Proof]:
    """Make the search that `onboard` needs; offers are still to be given to it.

    Args:
        device: in factory state.
        record: takes the record of every attempt that failed.
        give_up: when to stop.
        told_to_wait: called each time a registrar asks to come back later (P-45).
        rules: numbers of the candidate machine.
    """
    environment = device.environment

    async def attempt(endpoint: Endpoint, progress: Progress) -> Proof:
        timeline = Timeline(environment.monotonic, search.began)
        elapsed = environment.monotonic() - search.began
        timeline.add("discovery", elapsed, search.bytes_sent, search.bytes_received)

        def waiting() -> None:
            progress.waiting()
            told_to_wait(endpoint)

        patient = Progress(progress.moved, waiting)
        return await prove(device, endpoint, patient, record, timeline)

    candidates = Candidates(environment.random, rules)
    search = Search(attempt, candidates, environment, give_up)
    return search


async def prove(
    device: Device, endpoint: Endpoint, progress: Progress, record: Record, timeline: Timeline
) -> Proof:
    """Ask one registrar for a voucher and let the voucher decide (cbrski.md 4.4).

    Raises:
        SztbError: this registrar does not lead anywhere; it was told where it should be.
    """
    try:
        with timeline.step("handshake"):
            link = await ProvisionalLink.connect(endpoint, device.factory.tls, device.environment)
        timeline.add("handshake", 0.0, link.bytes_sent, link.bytes_received)
        progress.moved()
        try:
            return await _prove(device, link, progress, timeline)
        except BaseException:
            await link.close()
            raise
    except SztbError as error:
        outcome.failed(device, record, timeline, endpoint, error)
        raise


async def _prove(
    device: Device, link: ProvisionalLink, progress: Progress, timeline: Timeline
) -> Proof:
    environment, factory = device.environment, device.factory
    nonce = environment.random_bytes(NONCE_LENGTH)  # P-04
    proximity = proximity_leaf(link.peer_chain, device.proximity)
    pvr = make_pvr(factory, nonce, proximity, environment.trusted_now())
    with timeline.step("rv", link):
        voucher = await obtain_voucher(link, pvr.raw, environment, progress)
    try:
        pin = check_voucher(
            voucher,
            sent_request(factory, nonce, proximity),
            factory.voucher_anchors,
            device.policy,
            environment.trusted_now(),
        )
        proven = link.resolve(pin)
    except (Refused, Malformed):
        status = VoucherStatus(status=False, reason=VOUCHER_NOT_ACCEPTED)
        await link.report_refused_voucher(status)  # P-27
        raise
    with timeline.step("vs", proven):
        status = VoucherStatus(status=True)
        await proven.report(Operation.VOUCHER_STATUS, telemetry.encode_cbor(status))  # P-28
    progress.moved()
    return Proof(proven, pin, timeline)


async def enroll_with(proof: Proof, device: Device) -> Enrolled:
    """Enrol over the proven link; on failure say so on the same link and close it (P-34).

    Raises:
        SztbError: no credential.
    """
    patient = Progress(moved=lambda: None, waiting=lambda: None)
    try:
        return await enroll(proof.link, device, proof.pin, proof.timeline, patient)
    except BaseException as error:
        if isinstance(error, Refused | Malformed):
            await report_failure(proof.link, device, ENROLLMENT_NOT_ACCEPTED)
        await proof.close()
        raise


def _state(device: Device, enrolled: Enrolled, endpoint: Endpoint) -> State:
    return State(
        registrar=Registrar(endpoint.host, endpoint.port, endpoint.ifindex),
        onboarded_at=device.environment.wall_clock(),
        report_due=True,
        hook_due="onboarded",
        cacerts_etag=hex_or_none(enrolled.cacerts_etag),
    )


async def _report(device: Device, store: StateStore, credential: Credential, proof: Proof) -> None:
    timeline, endpoint = proof.timeline, proof.link.endpoint
    try:
        with timeline.step("es", proof.link):
            sent, received = await report_success(device, credential, endpoint, proof.link)
        timeline.add("es", 0.0, sent, received)
    except (Unavailable, Refused, Malformed) as error:
        # The certificate is good all the same; the daemon reports later (`report_due`).
        device.journal.event("enroll-status-sent", "failed", rule="P-34", detail=str(error))
        return
    store.update(msgspec.structs.replace(store.state, report_due=False))
