"""Certificate revocation lists of our own CAs (RFC 5280 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.pki.issuing import Instant, Issuer, authority_key_identifier
from sztb.pki.keys import certificate_hash


@dataclass(frozen=True, slots=True)
class Revoked:
    """One entry of a CRL (RFC 5280 5.3).

    Attributes:
        certificate_number: of the revoked certificate.
        since: revocation date.
        reason: why.
    """

    certificate_number: int
    since: Instant
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


def make_crl(
    issuer: Issuer,
    revoked: Sequence[Revoked],
    now: Instant,
    next_update: Instant,
    crl_number: int,
) -> x509.CertificateRevocationList:
    """Build a complete CRL (RFC 5280 5).

    Args:
        issuer: the CA.
        revoked: the entries.
        now: thisUpdate.
        next_update: when the next one is out at the latest.
        crl_number: grows with every CRL of this CA.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now)
        .next_update(next_update)
        .add_extension(authority_key_identifier(issuer.certificate), critical=False)
        .add_extension(x509.CRLNumber(crl_number), critical=False)
    )
    for entry in revoked:
        builder = builder.add_revoked_certificate(_crl_entry(entry))
    signer = issuer.signer
    return builder.sign(signer.certificate_key(), certificate_hash(signer.algorithm))


def _crl_entry(revoked: Revoked) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(revoked.certificate_number)
        .revocation_date(revoked.since)
    )
    if revoked.reason is not x509.ReasonFlags.unspecified:  # RFC 5280 5.3.1: then left out
        builder = builder.add_extension(x509.CRLReason(revoked.reason), critical=False)
    return builder.build()
