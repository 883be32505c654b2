"""Where the MASA of a device is (cbrski.md 9.2 step 5, 10; R-27, R-37)."""

import functools

from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki import idevid

from .manufacturer_directory import Pledge


def choose_masa_url(pledge: Pledge) -> str:
    """Return the MASA URL as configured or as in the IDevID: an authority or a whole URI.

    Order of RFC 8995 2.8: the operator's override, the IDevID's extension, the default.

    Raises:
        Refused: IDEVID when there is none at all.
        Malformed: the extension is not an IA5String.
    """
    maker = pledge.manufacturer
    found = maker.masa_url or _in_idevid(pledge.certificate) or maker.default_masa_url
    if found is None:
        raise Refused(Refusal.IDEVID, "no MASA URL in the IDevID, and none configured")
    return found


@functools.lru_cache(maxsize=256)
def _in_idevid(certificate: x509.Certificate) -> str | None:
    return idevid.masa_url(certificate)
