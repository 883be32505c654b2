"""Checks of the pledge's voucher-request: a decision, without I/O (cbrski.md 9.2 steps 2, 3)."""

from datetime import timedelta

from cryptography import x509

from sztb.brski.provisional import proximity_matches
from sztb.codepoints.media import Media
from sztb.envelope.sealed import Sealed
from sztb.errors import Refusal, Refused
from sztb.pki import certificates
from sztb.voucher.formats import open_voucher_request
from sztb.voucher.model import Assertion, VoucherRequest

from .manufacturer_directory import Pledge
from .records import Instant

MAX_AGE = timedelta(days=5)  # a pledge repeats the same PVR for up to 4 days (P-17)


def check_pvr(
    media: Media, body: bytes, pledge: Pledge, own: x509.Certificate, now: Instant
) -> Sealed[VoucherRequest]:
    """Open a PVR and return it when it may go on to the MASA.

    (1) COSE shape and container  (2) signed by the DTLS client  (3) nonce and serial number
    (4) proximity, to this registrar  (5) not stale

    Args:
        media: format of the body.
        body: as received.
        pledge: the DTLS client.
        own: the certificate this registrar presented on the same connection.
        now: UTC.

    Raises:
        Malformed: not decodable, or a mandatory leaf is missing (4.00, D12).
        Refused: CONTAINER, PVR_SIGNATURE, SERIAL_NUMBER, NONCE, NOT_PROXIMATE, PVR_STALE.
    """
    sealed = open_voucher_request(media, body)  # (1) X-10
    check_signature(sealed, pledge.certificate)  # (2)
    check_leaves(sealed.data, pledge)  # (3)
    check_proximity(sealed.data, own)  # (4)
    check_age(sealed.data, now)  # (5)
    return sealed


def check_signature(sealed: Sealed[VoucherRequest], client: x509.Certificate) -> None:
    """R-14: the key that proved itself in the handshake signed the PVR; R-15: nothing else counts.

    Certificates and kid inside the PVR are not even looked at.
    """
    key = certificates.public_key(client)
    try:
        sealed.envelope.verify(key)
    except Refused as error:
        raise Refused(Refusal.PVR_SIGNATURE, error.detail) from error


def check_leaves(pvr: VoucherRequest, pledge: Pledge) -> None:
    """R-17: the serial number is compared, never taken; R-20 needs a nonce to copy (D12)."""
    if pvr.serial_number != pledge.device.serial_number:
        raise Refused(Refusal.SERIAL_NUMBER, f"{pvr.serial_number!r} in the PVR")
    if pvr.nonce is None:
        raise Refused(Refusal.NONCE, "no nonce in the PVR")


def check_proximity(pvr: VoucherRequest, own: x509.Certificate) -> None:
    """R-16: the pledge means this registrar, on this connection (4.01 and close)."""
    if pvr.assertion is not Assertion.PROXIMITY:
        raise Refused(Refusal.NOT_PROXIMATE, f"assertion {pvr.assertion!r}")
    proximity_matches(pvr, own)  # D22: every proximity leaf that is there


def check_age(pvr: VoucherRequest, now: Instant) -> None:
    """RFC 8995 5.6: a stale request is refused; a pledge without a clock gives no date."""
    if pvr.created_on is not None and now - pvr.created_on > MAX_AGE:
        raise Refused(Refusal.PVR_STALE, f"created {pvr.created_on.isoformat()}")
