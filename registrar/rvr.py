"""Building the registrar's voucher-request (cbrski.md 9.2 step 6, 6.3; R-17 to R-23)."""

from collections.abc import Iterable

from sztb.codepoints.media import Media
from sztb.envelope.sealed import Sealed
from sztb.voucher.formats import FORMATS
from sztb.voucher.model import VoucherRequest

from .credentials import Credentials
from .manufacturer_directory import Pledge
from .records import Instant


def make_rvr(pvr: Sealed[VoucherRequest], pledge: Pledge, now: Instant) -> VoucherRequest:
    """Return the data of the RVR for this PVR.

    R-21: no proximity leaf is taken over; the PVR inside carries it.
    """
    return VoucherRequest(
        serial_number=pledge.device.serial_number,
        idevid_issuer=pledge.idevid_issuer,
        assertion=pvr.data.assertion,  # R-19, D19
        nonce=pvr.data.nonce,
        created_on=now.replace(microsecond=0),
        prior_signed_voucher_request=pvr.raw,  # the bytes as received
    )


def certificate_bag(
    credentials: Credentials, presented: Iterable[bytes], pledge: Pledge
) -> tuple[bytes, ...]:
    """Return the x5bag of the RVR, DER, without duplicates (R-23, D21).

    Our chain to the top, the certificate presented on the pledge's connection if that is another
    one, every certificate of the pledge's handshake, and its chain completed to the anchor.

    Args:
        credentials: who signs the RVR.
        presented: what we presented to the pledge, DER.
        pledge: the DTLS client.
    """
    return tuple(dict.fromkeys([*credentials.chain_der, *presented, *pledge.chain]))


def seal_rvr(
    media: Media, rvr: VoucherRequest, credentials: Credentials, bag: tuple[bytes, ...]
) -> bytes:
    """Sign the RVR in the format of the PVR (R-24)."""
    return FORMATS[media].seal(rvr, credentials.signer, bag)
