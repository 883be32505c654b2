"""Who gets which certificate: one builder per profile (cbrski.md 4.3, RFC 5280, IEEE 802.1AR).

Numbers and dates are arguments; the caller draws `certificate_number` at random (RFC 5280 4.1.2.2).
"""

import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sztb.codepoints import oid
from sztb.encoding import der as asn1
from sztb.errors import Refusal, Refused
from sztb.pki.crl import Revoked, make_crl
from sztb.pki.issuing import (
    MAX_CERTIFICATE_NUMBER,
    NO_EXPIRY,
    Instant,
    Issuer,
    Validity,
    as_ca,
    common_name,
    end_entity,
    sign,
    start,
    under,
)
from sztb.pki.keys import PublicKey, Signer

_SERIAL_NUMBER = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]{1,64}")  # RFC 5280 A.1, X520SerialNumber

__all__ = [
    "MAX_CERTIFICATE_NUMBER",
    "NO_EXPIRY",
    "Issuer",
    "Revoked",
    "Validity",
    "common_name",
    "make_crl",
    "make_idevid",
    "make_intermediate_ca",
    "make_ldevid",
    "make_registrar",
    "make_root_ca",
    "make_tls_server",
    "make_voucher_signer",
    "masa_url_extension",
]


def make_root_ca(
    subject_cn: str, signer: Signer, validity: Validity, certificate_number: int
) -> x509.Certificate:
    """Build a self-signed CA certificate; `Issuer(certificate, signer)` then issues with it."""
    subject = common_name(subject_cn)
    builder = start(subject, signer.public_key, validity, certificate_number)
    builder = as_ca(builder.issuer_name(subject), signer.public_key, path_length=None)
    return sign(builder, signer)


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
    builder = start(common_name(subject_cn), public_key, validity, certificate_number)
    builder = as_ca(under(builder, issuer), public_key, path_length)
    return sign(builder, issuer.signer)


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

    Raises:
        Refused: IDEVID: `serial_number` cannot be a PrintableString of 1 to 64 characters.
    """
    if not _SERIAL_NUMBER.fullmatch(serial_number):
        raise Refused(
            Refusal.IDEVID,
            f"serial number {serial_number!r}: letters, digits and "
            "space ' ( ) + , - . / : = ? only, 1 to 64 of them",
        )
    attributes = [x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number)]
    if common_name is not None:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    subject = x509.Name(attributes)
    builder = start(subject, public_key, Validity.unlimited(now), certificate_number)
    builder = under(builder, issuer)
    if masa_url is not None:
        builder = builder.add_extension(masa_url_extension(masa_url), critical=False)
    return sign(builder, issuer.signer)


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
    return end_entity(
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
    return end_entity(
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
    return end_entity(common_name(subject_cn), public_key, issuer, validity, certificate_number)


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
    return end_entity(
        common_name(names[0]), public_key, issuer, validity, certificate_number,
        usages=(oid.SERVER_AUTH,), names=names,
    )  # fmt: skip
