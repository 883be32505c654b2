"""The pledge voucher-request: what a device says to get a voucher (cbrski.md 6.3, 9.1)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.envelope.sealed import Sealed
from sztb.errors import Refusal, Refused
from sztb.pki import certificates, idevid
from sztb.pki.keys import spki_der
from sztb.transport.exchange import Answer
from sztb.transport.tls.errors import LinkFailed
from sztb.voucher.formats import FORMATS, open_voucher_request
from sztb.voucher.model import Assertion, VoucherRequest
from sztb.voucher.pins import Kind, ProximityLeaf

from .identity import FactoryIdentity
from .interfaces import Environment
from .link import ProvisionalLink, Rejected
from .progress import Progress
from .waiting import until_answered

NONCE_LENGTH = 16  # bytes; 8 to 32 are legal (cbrski.md 6.4)


@dataclass(frozen=True, slots=True)
class SentRequest:
    """What the pledge remembers of its request to judge the voucher by.

    Attributes:
        serial_number: own serial-number.
        nonce: of this attempt.
        idevid_issuer: own key identifier of the IDevID's issuer, normalised.
        proximity: the leaf that named the registrar.
    """

    serial_number: str
    nonce: bytes
    idevid_issuer: bytes
    proximity: ProximityLeaf


def proximity_leaf(peer_chain: tuple[bytes, ...], kind: Kind) -> ProximityLeaf:
    """Name the registrar at the other end by the first certificate it presented (P-13).

    Raises:
        Malformed: the certificate cannot be read.
        Refused: NOT_A_KEY_WE_TAKE.
    """
    if kind is Kind.CERT:
        return ProximityLeaf(kind, peer_chain[0])
    spki = spki_der(certificates.public_key(certificates.load(peer_chain[0])))
    return ProximityLeaf(kind, spki if kind is Kind.PUBK else hashlib.sha256(spki).digest())


def make_pvr(
    factory: FactoryIdentity,
    nonce: bytes,
    proximity: ProximityLeaf,
    created_on: datetime | None,
) -> Sealed[VoucherRequest]:
    """Build and sign the pledge voucher-request (P-12 to P-14).

    Args:
        factory: whose serial-number, and the IDevID key that signs.
        nonce: 8 to 32 fresh random bytes, never used before (P-04).
        proximity: see `proximity_leaf`.
        created_on: the wall clock where it is trusted, else None.

    Returns:
        The request; `raw` is what is sent, and sent again when asked to wait (P-16).
    """
    kind, value = proximity.kind, proximity.value
    request = VoucherRequest(
        serial_number=factory.serial_number,
        nonce=nonce,
        assertion=Assertion.PROXIMITY,
        created_on=created_on and created_on.replace(microsecond=0),
        proximity_registrar_pubk_sha256=value if kind is Kind.PUBK_SHA256 else None,
        proximity_registrar_pubk=value if kind is Kind.PUBK else None,
        proximity_registrar_cert=value if kind is Kind.CERT else None,
    )
    raw = FORMATS[media.VOUCHER_COSE].seal(request, factory.key)
    return open_voucher_request(media.VOUCHER_COSE, raw)


def sent_request(factory: FactoryIdentity, nonce: bytes, proximity: ProximityLeaf) -> SentRequest:
    """What to judge the answer by."""
    issuer = idevid.device_ref(factory.certificate).idevid_issuer
    return SentRequest(factory.serial_number, nonce, issuer, proximity)


async def obtain_voucher(
    link: ProvisionalLink, pvr: bytes, environment: Environment, progress: Progress
) -> bytes:
    """POST /rv until there is a voucher, with the same bytes each time (P-16, P-17).

    When the connection breaks on the way it is opened again, once per round (P-44).

    Returns:
        The voucher in format 836, not verified.

    Raises:
        Rejected: the registrar refused.
        Refused: CONTENT_FORMAT, or another registrar after reconnecting.
        Unavailable: the link cannot be kept, or the registrar was never ready.
        Malformed: the answer is too large.
    """
    persistent = _Persistent(link, pvr)
    answer = await until_answered(persistent.send, persistent, environment, progress.waiting)
    progress.moved()
    if answer.code != Code.CHANGED:
        raise Rejected(Operation.REQUEST_VOUCHER, answer)
    if answer.content_format != media.VOUCHER_COSE.content_format:
        raise Refused(Refusal.CONTENT_FORMAT, f"voucher in format {answer.content_format}")
    return answer.payload


class _Persistent:
    """A link that is opened again when it breaks between two requests."""

    def __init__(self, link: ProvisionalLink, pvr: bytes) -> None:
        self._link = link
        self._pvr = pvr

    async def send(self) -> Answer:
        try:
            return await self._link.request_voucher(self._pvr)
        except LinkFailed:
            await self._link.reopen()
            return await self._link.request_voucher(self._pvr)

    async def ping(self) -> None:
        try:
            await self._link.ping()
        except LinkFailed:
            await self._link.reopen()
