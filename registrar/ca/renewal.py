"""Whether a certificate may be renewed: a decision (est.md 7 step 6; E-26, E-27)."""

from datetime import timedelta

from sztb.errors import Refusal, Refused
from sztb.est.identity import check_renewal_identity
from sztb.pki import certificates

from ..records import EnrollRequest, Instant
from .interfaces import StoredCertificate
from .profile import Content, alternative_names


def check_renewal(
    request: EnrollRequest, stored: StoredCertificate | None, now: Instant, grace: timedelta
) -> Content:
    """Return what the new certificate says: the same as the one it replaces.

    Whether the key stays (renewal) or changes (rekey) makes no difference.

    Args:
        request: a SIMPLEREENROLL.
        stored: our row of the number of the client's certificate.
        now: UTC.
        grace: how long after its end a certificate may still be renewed (est-D22).

    Raises:
        Refused: CLIENT_CERTIFICATE when we did not issue it, to this device; CERTIFICATE_REVOKED;
            CERTIFICATE_DATES; OTHER_IDENTITY when subject or alternative names differ.
    """
    client = request.client
    if stored is None or stored.certificate != certificates.der(client):
        raise Refused(Refusal.CLIENT_CERTIFICATE, "not a certificate of this CA")
    if stored.device != request.device:
        raise Refused(Refusal.OTHER_IDENTITY, f"the certificate of {stored.device}")
    if stored.revoked is not None:
        raise Refused(Refusal.CERTIFICATE_REVOKED, f"since {stored.revoked:%Y-%m-%d}")
    if now > stored.not_after + grace:  # est-D22
        raise Refused(Refusal.CERTIFICATE_DATES, f"expired on {stored.not_after:%Y-%m-%d}")
    check_renewal_identity(request.csr, client)  # est-D19
    return Content(client.subject, alternative_names(client))
