"""What a CSR says about its session, and what came of it: decisions (est.md 6, 13; E-22, E-51).

Whether it fits the client is asked in `sztb.est.identity` (E-26, E-28).
"""

from cryptography import x509

from sztb.est.identity import prepared_name
from sztb.pki import certificates
from sztb.pki.csr import CertificationRequest, check_pop_linking

from .records import ProofOfPossession


def check_pop(csr: CertificationRequest, channel_binding: bytes | None) -> ProofOfPossession:
    """E-22: a challengePassword, if there, is the base64 of this session's tls-unique.

    Args:
        csr: the request.
        channel_binding: ``tls-unique`` of the session; None where there is none (est-D1).

    Raises:
        Refused: CSR.
    """
    linked = check_pop_linking(csr, channel_binding)
    return ProofOfPossession.VERIFIED if linked else ProofOfPossession.ABSENT


def is_what_was_asked(
    issued: x509.Certificate, csr: CertificationRequest, issuer: x509.Certificate
) -> bool:
    """E-51: the certificate is for the CSR's key and subject, and from the CA we announce."""
    return (
        certificates.spki(issued) == csr.spki
        and issued.issuer == issuer.subject
        and prepared_name(issued.subject) == prepared_name(csr.subject)
    )
