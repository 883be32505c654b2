"""Who gets which certificate: one builder per profile (cbrski.md 4.3, RFC 5280, IEEE 802.1AR).

Numbers and dates are arguments; the caller draws `certificate_number` at random (RFC 5280 4.1.2.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sztb.codepoints import oid
from sztb.encoding import der as asn1
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


def common_name(text: str) -> x509.Name:
    """Return a name of one commonName."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make_root_ca(
    subject_cn: str, signer: Signer, validity: Validity, certificate_number: int
) -> x509.Certificate:
    """Build a self-signed CA certificate; `Issuer(certificate, signer)` then issues with it."""
    subject = common_name(subject_cn)
    builder = _start(subject, signer.public_key, validity, certificate_number)
    builder = _as_ca(builder.issuer_name(subject), signer.public_key, path_length=None)
    return _sign(builder, signer)


def make_intermediate_ca(
    subject_cn: str,
    public_key: PublicKey,
    issuer: Issuer,
    validity: Validity,
    certificate_number: int,
    path_length: int | None = 0,
) -> x509.Certificate:
    """Build a CA certificate under `issuer`.

    Args:
        subject_cn: the new CA's commonName.
        public_key: the new CA's key.
        issuer: who signs.
        validity: dates.
        certificate_number: positive, at most 20 octets.
        path_length: how many further CAs may follow below, None for no limit.
    """
    builder = _start(common_name(subject_cn), public_key, validity, certificate_number)
    builder = _as_ca(_under(builder, issuer), public_key, path_length)
    return _sign(builder, issuer.signer)


def make_idevid(
    public_key: PublicKey,
    serial_number: str,
    masa_url: str | None,
    issuer: Issuer,
    now: Instant,
    certificate_number: int,
    common_name: str | None = None,
) -> x509.Certificate:
    """Build a device's factory certificate (RFC 8995 2.3, IEEE 802.1AR 8).

    No key usage restrictions (cbrski.md 4.3), no SubjectKeyIdentifier, valid without end.

    Args:
        public_key: the device's key.
        serial_number: for the subject attribute serialNumber, 1 to 64 characters.
        masa_url: content of the MASA URL extension, normally an authority; None leaves it out.
        issuer: the manufacturer's IDevID CA.
        now: start of validity.
        certificate_number: positive, at most 20 octets.
        common_name: an additional commonName, for example the product's name.
    """
    attributes = [x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number)]
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    subject = x509.Name(attributes)
    builder = _start(subject, public_key, Validity.unlimited(now), certificate_number)
    builder = _under(builder, issuer)
    if masa_url is not None:
        builder = builder.add_extension(masa_url_extension(masa_url), critical=False)
    return _sign(builder, issuer.signer)


def masa_url_extension(url: str) -> x509.UnrecognizedExtension:
    """Return the MASA URL extension, an IA5String (RFC 8995 2.3.2)."""
    value = asn1.encode(asn1.IA5_STRING, url.encode("ascii"))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid.MASA_URL), value)


def make_registrar(
    subject_cn: str,
    public_key: PublicKey,
    issuer: Issuer,
    validity: Validity,
    certificate_number: int,
    names: Sequence[str] = (),
) -> x509.Certificate:
    """Build a registrar's certificate: RA, TLS server and TLS client in one (R-02).

    It carries a SubjectKeyIdentifier, which is the domainID when this certificate is pinned.
    """
    return _end_entity(
        common_name(subject_cn), public_key, issuer, validity, certificate_number,
        usages=(oid.CMC_RA, oid.SERVER_AUTH, oid.CLIENT_AUTH), names=names,
    )  # fmt: skip


def make_ldevid(
    subject: x509.Name,
    public_key: PublicKey | rsa.RSAPublicKey,
    issuer: Issuer,
    validity: Validity,
    certificate_number: int,
    alternative_names: x509.SubjectAlternativeName | None = None,
    usages: Sequence[str] = (oid.CLIENT_AUTH,),
    crl_url: str | None = None,
) -> x509.Certificate:
    """Build a device's operational certificate with the subject it asked for.

    It is good for signing and, by default, TLS client authentication; a caller never adds cmcRA
    to the usages, or every device would be a registrar (D28).

    Args:
        subject: at least one attribute.
        public_key: the device's new key.
        issuer: who signs.
        validity: dates.
        certificate_number: positive, at most 20 octets.
        alternative_names: the SubjectAltName, None for none.
        usages: extended key usages, dotted.
        crl_url: where the CRL of the issuer is, None leaves the distribution point out.
    """
    return _end_entity(
        subject, public_key, issuer, validity, certificate_number,
        usages=usages, alternative_names=alternative_names, crl_url=crl_url,
    )  # fmt: skip


def make_voucher_signer(
    subject_cn: str,
    public_key: PublicKey,
    issuer: Issuer,
    validity: Validity,
    certificate_number: int,
) -> x509.Certificate:
    """Build the certificate of a MASA's voucher key."""
    return _end_entity(common_name(subject_cn), public_key, issuer, validity, certificate_number)


def make_tls_server(
    names: Sequence[str],
    public_key: PublicKey,
    issuer: Issuer,
    validity: Validity,
    certificate_number: int,
) -> x509.Certificate:
    """Build a TLS server certificate.

    Args:
        names: DNS names or IP addresses; the first becomes the commonName too.
        public_key: the server's key.
        issuer: who signs.
        validity: dates.
        certificate_number: positive, at most 20 octets.
    """
    return _end_entity(
        common_name(names[0]), public_key, issuer, validity, certificate_number,
        usages=(oid.SERVER_AUTH,), names=names,
    )  # fmt: skip


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
        .add_extension(_authority_key_identifier(issuer.certificate), critical=False)
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


def _start(
    subject: x509.Name,
    public_key: PublicKey | rsa.RSAPublicKey,
    validity: Validity,
    certificate_number: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(certificate_number)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _as_ca(
    builder: x509.CertificateBuilder, public_key: PublicKey, path_length: int | None
) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    return (
        builder.add_extension(constraints, critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _under(builder: x509.CertificateBuilder, issuer: Issuer) -> x509.CertificateBuilder:
    return builder.issuer_name(issuer.certificate.subject).add_extension(
        _authority_key_identifier(issuer.certificate), critical=False
    )


def _end_entity(
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
    builder = _under(_start(subject, public_key, validity, certificate_number), issuer)
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
    return _sign(builder, issuer.signer)


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


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
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


def _sign(builder: x509.CertificateBuilder, signer: Signer) -> x509.Certificate:
    return builder.sign(signer.certificate_key(), certificate_hash(signer.algorithm))
