"""POST /sen and POST /sren (est.md 7; cbrski.md 9.2 step 10; R-33, R-34)."""

import hashlib
from dataclasses import dataclass, replace

from cryptography import x509

from sztb.codepoints.resources import Operation
from sztb.errors import Refusal, Refused, Unavailable
from sztb.est.identity import check_enrol_identity, check_renewal_identity
from sztb.pki import certificates
from sztb.pki.csr import check_csr
from sztb.pki.idevid import DeviceRef

from . import audit, device_states
from .clients import Client, Member
from .csr_rules import check_pop, is_what_was_asked
from .enrollment_gate import Gate, check_gate, check_renewal_gate
from .interfaces import AlongWith, Transaction
from .manufacturer_directory import Pledge
from .records import (
    DeviceState,
    EnrollRequest,
    Instant,
    Issued,
    JournalEntry,
    Pending,
    Rejected,
)
from .site import Site


@dataclass(frozen=True, slots=True)
class CsrCall:
    """A request with a CSR, as it came in.

    Attributes:
        operation: which resource was called.
        body: the CSR, DER as sent (E-39, E-51).
        channel_binding: ``tls-unique`` of the session, None where there is none.
    """

    operation: Operation
    body: bytes
    channel_binding: bytes | None


async def simpleenroll(site: Site, client: Client, call: CsrCall) -> x509.Certificate:
    """Give a device with an IDevID its LDevID.

    Raises:
        Malformed, Refused: the client may not enrol, or its CSR is not acceptable.
        Unavailable: history not judged yet, or the CA needs time (5.03).
    """
    pledge = await open_gate(site, client)
    csr = check_csr(call.body)
    pop = check_pop(csr, call.channel_binding)
    check_enrol_identity(csr, pledge.certificate, pledge.manufacturer.serial_attribute)
    request = EnrollRequest(
        call.operation,
        csr,
        pledge.device,
        pledge.certificate,
        pop,
        request_id(call.operation, pledge.certificate, csr.spki),
    )
    return await _issue(site, request, pledge.manufacturer.name)


async def simplereenroll(site: Site, client: Client, call: CsrCall) -> x509.Certificate:
    """Give a member a new LDevID for the same identity: renewal, or rekey with another key.

    The proof that it is the same device: the session runs on the certificate being renewed
    (E-27), which our CA issued to this device and did not revoke.

    Raises: as `simpleenroll`.
    """
    if not isinstance(client, Member):
        raise Refused(Refusal.NOT_ENROLLABLE, "re-enrolment needs the LDevID")
    await _check_member(site, client)
    csr = check_csr(call.body)
    pop = check_pop(csr, call.channel_binding)
    check_renewal_identity(csr, client.certificate)
    request = EnrollRequest(
        call.operation,
        csr,
        client.device,
        client.certificate,
        pop,
        request_id(call.operation, client.certificate, csr.spki),
    )
    return await _issue(site, request)


async def open_gate(site: Site, client: Client) -> Pledge:
    """Return the pledge when EST is open to it; judges its history first if that is due (R-32).

    Raises:
        Refused: NOT_ENROLLABLE.
        Unavailable: the history cannot be had now.
    """
    if not isinstance(client, Pledge):
        raise Refused(Refusal.NOT_ENROLLABLE, "enrolment needs the IDevID")
    if not client.manufacturer.enabled:
        raise Refused(Refusal.NOT_ENROLLABLE, f"{client.manufacturer.name} is disabled")
    if await _gate(site, client) is Gate.AUDIT_FIRST:
        await audit.settle(site, client.device, site.rules.answer_within)
        if await _gate(site, client) is Gate.AUDIT_FIRST:
            raise Unavailable("history not judged yet")
    return client


def request_id(operation: Operation, client: x509.Certificate, spki: bytes) -> bytes:
    """Return by what a repeated request is known, 32 bytes (est-D18)."""
    parts = (operation.value.short_name.encode(), certificates.fingerprint(client), spki)
    return hashlib.sha256(b"\0".join(parts)).digest()


def enrolled(device: DeviceRef, now: Instant, manufacturer: str | None = None) -> AlongWith:
    """Return the change that is stored together with the certificate.

    Args:
        device: who enrolled.
        now: when.
        manufacturer: its name, for a device that may only be listed so far.
    """

    def unit(tables: Transaction, certificate: x509.Certificate) -> None:
        # again, with the row locked: an operator may have barred it since the gate was open
        record = check_renewal_gate(tables.devices.get(device, manufacturer))
        moved = device_states.moved(record, DeviceState.ENROLLED, now)
        fingerprint = certificates.fingerprint(certificate)
        tables.devices.save(replace(moved, updated=now, ldevid_sha256=fingerprint))
        tables.journal.append(journal_entry(device, certificate, now))

    return unit


def journal_entry(device: DeviceRef, certificate: x509.Certificate, now: Instant) -> JournalEntry:
    """Return what the journal says about an issued certificate."""
    detail = f"certificate {certificate.serial_number:x}"
    return JournalEntry(now, "certificate-issued", device, "done", "R-34", detail)


async def _gate(site: Site, pledge: Pledge) -> Gate:
    device, manufacturer = pledge.device, pledge.manufacturer.name  # it may only be listed so far
    record = await site.store.read(lambda tables: tables.devices.get(device, manufacturer))
    return check_gate(record, site.rules.est)


async def _check_member(site: Site, member: Member) -> None:
    """Look at the certificate and the device as they are now, not as remembered."""
    status = await site.ca.lookup(member.certificate)
    if status is None or status.revoked:
        raise Refused(Refusal.CERTIFICATE_REVOKED, f"LDevID of {member.device}")
    record = await site.store.read(lambda tables: tables.devices.get(member.device))
    check_renewal_gate(record)


async def _issue(
    site: Site, request: EnrollRequest, manufacturer: str | None = None
) -> x509.Certificate:
    now = site.now()
    outcome = await site.ca.enroll(request, now, enrolled(request.device, now, manufacturer))
    match outcome:
        case Issued():
            await _check_issued(site, request, outcome.certificate)
            site.log(journal_entry(request.device, outcome.certificate, now))
            return outcome.certificate
        case Pending():
            raise Unavailable("the CA needs time", outcome.retry_after)
        case Rejected():
            raise Refused(outcome.refusal, outcome.detail)


async def _check_issued(site: Site, request: EnrollRequest, issued: x509.Certificate) -> None:
    """E-51: a CA back end may be somebody else's program; what it got wrong is not sent on."""
    issuer = (await site.ca.ca_certs()).chain[0]
    if is_what_was_asked(issued, request.csr, issuer):
        return
    detail = f"certificate {issued.serial_number:x} is not what was asked for"
    event = "certificate-not-sent"
    entry = JournalEntry(site.now(), event, request.device, "failed", "E-51", detail, alert=True)
    await site.write(lambda _: None, entry)
    raise Unavailable("the CA issued something else")
