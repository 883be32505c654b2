"""GET /crts (cbrski.md 5.3; est.md 9; R-07, R-10, R-11, R-12)."""

import functools
import hashlib

from cryptography import x509

from sztb.codepoints.media import MULTIPART_CORE, PKIX_CERT, Media
from sztb.errors import Refusal, Refused
from sztb.est import messages
from sztb.pki import certificates

from .records import CaCertificates
from .site import Site

ETAG_LENGTH = 8  # bytes, the most RFC 7252 5.10.6 allows


async def cacerts(site: Site, media: Media) -> tuple[bytes, bytes]:
    """Return the CA certificates of the domain in the wanted format, and their ETag (R-12).

    Raises:
        Refused: ACCEPT when one bare certificate is wanted and would not be enough (R-10).
        Unavailable: the CA does not answer.
    """
    ours = await site.ca.ca_certs()
    return render(media, ours, site.rules.est.extra_anchors, site.credentials.chain)


@functools.lru_cache(maxsize=32)
def render(
    media: Media,
    ours: CaCertificates,
    extra: tuple[x509.Certificate, ...],
    registrar: tuple[x509.Certificate, ...],
) -> tuple[bytes, bytes]:
    """Return body and ETag; see `cacerts`.

    Args:
        media: MULTIPART_CORE, CERTS_ONLY or PKIX_CERT.
        ours: the domain CA.
        extra: further anchors for the device.
        registrar: our own chain, which the device must be able to validate too.
    """
    if media is PKIX_CERT:
        body = _single(ours, registrar)
    else:
        # the issuer of the LDevID first, up to the top, then what else helps
        together = list(dict.fromkeys([*ours.chain, *ours.rollover, *extra]))
        encode = (
            messages.encode_cacerts_multipart
            if media is MULTIPART_CORE
            else messages.encode_certs_only
        )
        body = encode(together)
    return body, hashlib.sha256(body).digest()[:ETAG_LENGTH]


def _single(ours: CaCertificates, registrar: tuple[x509.Certificate, ...]) -> bytes:
    """R-10: exactly the client's CA, if that one also vouches for this registrar."""
    if ours.chain[0] not in registrar:
        raise Refused(Refusal.ACCEPT, "this domain needs several anchors")
    return certificates.der(ours.chain[0])
