"""The bricks of the certificates issued here: issuer, dates, common extensions (RFC 5280)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sztb.pki.keys import PublicKey, Signer, certificate_hash

Instant = datetime

NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # 99991231235959Z, IEEE 802.1AR 8.7
MAX_CERTIFICATE_NUMBER = (1 << 159) - 1  # 20 octets and positive


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is valid, both ends included, whole seconds.

    Attributes:
        not_before: first valid second.
        not_after: last valid second; `NO_EXPIRY` for a device's whole life.
    """

    not_before: Instant
    not_after: Instant

    @classmethod
    def lasting(cls, now: Instant, lifetime: timedelta) -> "Validity":
        """Return the validity from `now` for `lifetime`."""
        start = now.replace(microsecond=0)
        return cls(start, start + lifetime)

    @classmethod
    def unlimited(cls, now: Instant) -> "Validity":
        """Return the validity from `now` without end (RFC 5280 4.1.2.5)."""
        return cls(now.replace(microsecond=0), NO_EXPIRY)


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA: its certificate and its key."""

    certificate: x509.Certificate
    signer: Signer


def common_name(text: str) -> x509.Name:
    """Return a name of one commonName."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def start(
    subject: x509.Name,
    public_key: PublicKey | rsa.RSAPublicKey,
    validity: Validity,
    certificate_number: int,
) -> x509.CertificateBuilder:
    """Begin a certificate; its issuer and extensions follow."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(certificate_number)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def as_ca(
    builder: x509.CertificateBuilder, public_key: PublicKey, path_length: int | None
) -> x509.CertificateBuilder:
    """Add what makes a CA, its SubjectKeyIdentifier included (RFC 5280 4.2.1.2)."""
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return (
        builder.add_extension(constraints, critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def under(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    """Name the issuer and its key."""
    return builder.issuer_name(issuer.certificate.subject).add_extension(
        authority_key_identifier(issuer.certificate), critical=False
    )


def end_entity(
    subject: x509.Name,
    public_key: PublicKey | rsa.RSAPublicKey,
    issuer: Issuer,
    validity: Validity,
    certificate_number: int,
    *,
    usages: Sequence[str] = (),
    names: Sequence[str] = (),
    alternative_names: x509.SubjectAlternativeName | None = None,
    crl_url: str | None = None,
) -> x509.Certificate:
    """Build a certificate for digital signatures under `issuer`.

    Args:
        subject: at least one attribute.
        public_key: to be certified.
        issuer: who signs.
        validity: dates.
        certificate_number: positive, at most 20 octets.
        usages: extended key usages, dotted; none leaves the extension out.
        names: DNS names and IP addresses for the SubjectAltName.
        alternative_names: the whole SubjectAltName, instead of `names`.
        crl_url: where the issuer's CRL is.
    """
    builder = under(start(subject, public_key, validity, certificate_number), issuer)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False
    ).add_extension(_key_usage(ca=False), critical=True)
    if usages:
        listed = x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage) for usage in usages])
        builder = builder.add_extension(listed, critical=False)
    if names:
        alternative_names = x509.SubjectAlternativeName([_general_name(name) for name in names])
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    if crl_url is not None:
        builder = builder.add_extension(_crl_distribution_point(crl_url), critical=False)
    return sign(builder, issuer.signer)


def _crl_distribution_point(url: str) -> x509.CRLDistributionPoints:
    """RFC 5280 4.2.1.13."""
    names = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the issuer's own SubjectKeyIdentifier as reference (RFC 5280 4.2.1.1)."""
    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        found = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def sign(builder: x509.CertificateBuilder, signer: Signer) -> x509.Certificate:
    """Sign with the one hash of the signer's algorithm."""
    return builder.sign(signer.certificate_key(), certificate_hash(signer.algorithm))
