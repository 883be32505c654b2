"""Enrolment over a proven link: first, again, and what is reported of it (cbrski.md 5.7)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.brski import telemetry
from sztb.brski.telemetry import EnrollStatus
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.est import messages
from sztb.pki import certificates
from sztb.pki.csr import make_csr
from sztb.pki.keys import FileKey
from sztb.transport.exchange import Answer
from sztb.voucher.pins import Pin, PinnedCert

from .anchors import ExplicitTrustAnchors, choose_anchors
from .device import Device
from .identity import Credential, check_same_device
from .link import ProvenLink, Rejected
from .progress import Progress
from .timeline import Timeline
from .waiting import until_answered


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new credential, checked but not yet stored.

    Attributes:
        credential: key, certificate, anchors.
        cacerts_etag: of the /crts answer it rests on; None when none was needed or given.
        asked_cacerts: True when /crts was asked.
    """

    credential: Credential
    cacerts_etag: bytes | None = None
    asked_cacerts: bool = False


@dataclass(frozen=True, slots=True)
class CaCerts:
    """An answer to /crts: the database made of it and its ETag."""

    anchors: ExplicitTrustAnchors
    etag: bytes | None


async def enroll(
    link: ProvenLink, device: Device, pin: Pin, timeline: Timeline, progress: Progress
) -> Enrolled:
    """Get the first LDevID (P-31 to P-33, P-47).

    (a) no /att, subject of the IDevID; (b) a pinned CA is the anchor for now; (c) /sen; (d) it is
    self-signed root and signer: accept both; (e) else /crts, and the LDevID must chain to it.

    Raises:
        Rejected, Unavailable, Malformed: the registrar did not give what is needed.
        Refused: what it gave is not acceptable.
    """
    key = FileKey.generate(device.key_algorithm)
    subject = device.factory.certificate.subject  # (a) P-32
    with timeline.step("sen", link):
        certificate = await _ask_certificate(  # (c)
            link, device, Operation.SIMPLEENROLL, _csr(link, device, key, subject), key, progress
        )
    check_same_device(certificate, device.factory.serial_number)
    pinned = _pinned_ca(pin)  # (b)
    if pinned is not None and certificates.is_self_signed(pinned):
        anchors = ExplicitTrustAnchors((pinned,))
        if certificates.is_signed_by(certificate, pinned):  # (d)
            return Enrolled(_credential(device, key, certificate, anchors))
    with timeline.step("crts", link):  # (e)
        fetched = await ask_cacerts(link, device, previous=None)
    link.check_registrar(fetched.anchors, device.environment)  # P-54
    credential = _credential(device, key, certificate, fetched.anchors)
    return Enrolled(credential, fetched.etag, asked_cacerts=True)


async def reenroll(
    link: ProvenLink, device: Device, current: Credential, operation: Operation, progress: Progress
) -> Enrolled:
    """Get a new LDevID for a new key (P-36); nothing is changed unless all of it is good.

    Args:
        link: opened with the LDevID for /sren, with the IDevID for /sen (est D22).
        device: whose.
        current: the credential to replace.
        operation: SIMPLEREENROLL or SIMPLEENROLL.
        progress: told when the registrar lets us wait.

    Raises:
        Rejected, Unavailable, Malformed, Refused: as `enroll`; the old credential stays.
    """
    key = FileKey.generate(device.key_algorithm)
    renewed = operation is Operation.SIMPLEREENROLL
    model = current.certificate if renewed else device.factory.certificate
    csr = _csr(link, device, key, model.subject, _alternative_names(model) if renewed else ())
    certificate = await _ask_certificate(link, device, operation, csr, key, progress)
    check_same_device(certificate, device.factory.serial_number)
    try:
        return Enrolled(_credential(device, key, certificate, current.anchors))
    except Refused:
        fetched = await ask_cacerts(link, device, current.anchors)
    credential = _credential(device, key, certificate, fetched.anchors)
    return Enrolled(credential, fetched.etag, asked_cacerts=True)


async def ask_cacerts(
    link: ProvenLink, device: Device, previous: ExplicitTrustAnchors | None
) -> CaCerts:
    """GET /crts in multipart-core (P-33).

    Args:
        link: to a registrar of the domain.
        device: for the clock.
        previous: the database it replaces.

    Raises:
        Rejected, Unavailable, Malformed, Refused: no usable answer (E-17).
    """
    return _cacerts(await link.get(Operation.CACERTS, media.MULTIPART_CORE), device, previous)


async def refresh_cacerts(
    link: ProvenLink, device: Device, etag: bytes, previous: ExplicitTrustAnchors
) -> CaCerts | None:
    """GET /crts with the ETag of the answer we have (P-37); None: that one is still valid.

    Raises:
        Rejected, Unavailable, Malformed, Refused: no usable answer (E-17).
    """
    answer = await link.get(Operation.CACERTS, media.MULTIPART_CORE, etag)
    return None if answer.code == Code.VALID else _cacerts(answer, device, previous)


async def report_failure(link: ProvenLink, device: Device, reason: str) -> None:
    """POST /es with status false on the connection of the enrolment (P-34); best effort."""
    status = EnrollStatus(version=1, status=False, reason=reason)
    try:
        await link.report(Operation.ENROLL_STATUS, telemetry.encode_cbor(status))
    except (Unavailable, Malformed) as error:
        device.journal.event("enroll-status-sent", "failed", rule="P-34", detail=str(error))


async def report_success(
    device: Device, credential: Credential, endpoint: Endpoint, old: ProvenLink | None
) -> tuple[int, int]:
    """POST /es with status true over a new connection with the LDevID (P-34, P-35).

    When none can be opened within one try the old connection carries it (D10). Any answer will
    do: an EST-only server has no /es.

    Returns:
        Bytes sent and received on the new connection.

    Raises:
        Unavailable, Refused, Malformed: it could not be sent at all.
    """
    body = telemetry.encode_cbor(EnrollStatus(version=1, status=True))
    try:
        fresh = await ProvenLink.connect(
            endpoint, credential.tls, credential.anchors, device.environment
        )
    except (Unavailable, Refused, Malformed) as error:
        if old is None:
            raise
        device.journal.event("ldevid-session", "failed", rule="P-35", detail=str(error))
        await old.report(Operation.ENROLL_STATUS, body)
        return (0, 0)
    try:
        await fresh.report(Operation.ENROLL_STATUS, body)
        return (fresh.bytes_sent, fresh.bytes_received)
    finally:
        await fresh.close()


def _cacerts(answer: Answer, device: Device, previous: ExplicitTrustAnchors | None) -> CaCerts:
    kind = media.by_content_format(answer.content_format)
    if answer.code != Code.CONTENT or kind is None:
        raise Rejected(Operation.CACERTS, answer)
    received = messages.decode_cacerts(kind, answer.payload)
    now = device.environment.trusted_now()
    return CaCerts(choose_anchors(received, previous, now), answer.etag)


async def _ask_certificate(
    link: ProvenLink,
    device: Device,
    operation: Operation,
    csr: bytes,
    key: FileKey,
    progress: Progress,
) -> x509.Certificate:
    answer = await until_answered(
        lambda: link.post(operation, csr, media.PKCS10, media.PKIX_CERT),
        link,
        device.environment,
        progress.waiting,
    )
    kind = media.by_content_format(answer.content_format)
    if answer.code != Code.CHANGED or kind is None:
        raise Rejected(operation, answer)
    certificate = messages.decode_enrolled(kind, answer.payload, key.public_key)  # E-29
    if certificates.is_ca(certificate):
        raise Refused(Refusal.CERTIFICATE_PURPOSE, "the LDevID is a CA certificate")
    return certificate


def _credential(
    device: Device, key: FileKey, certificate: x509.Certificate, anchors: ExplicitTrustAnchors
) -> Credential:
    path = anchors.path(certificate, (), device.environment.trusted_now())
    return Credential(key, path[:-1], anchors)


def _pinned_ca(pin: Pin) -> x509.Certificate | None:
    if not isinstance(pin, PinnedCert):
        return None
    certificate = certificates.load(pin.der)
    return certificate if certificates.is_ca(certificate) else None


def _csr(
    link: ProvenLink,
    device: Device,
    key: FileKey,
    subject: x509.Name,
    extensions: Sequence[x509.Extension[x509.ExtensionType]] = (),
) -> bytes:
    binding = link.channel_binding if device.link_identity else None  # E-23
    challenge = None if binding is None else base64.b64encode(binding).decode()
    return make_csr(key, subject, challenge, extensions)


def _alternative_names(
    certificate: x509.Certificate,
) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    """A renewal asks for the very names of the certificate it replaces (E-26)."""
    return tuple(
        each for each in certificate.extensions if each.oid == x509.SubjectAlternativeName.oid
    )
