"""Reading X.509 certificates strictly, and the few facts the rest asks about them (RFC 5280).

A certificate taken in by `load` has been read completely: later access to its names, dates and
extensions raises nothing.
"""

import hashlib
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sztb.encoding import der as asn1
from sztb.errors import Malformed
from sztb.pki.keys import PublicKey, check_key_type

MAX_CERTIFICATE_BYTES = 8192
MAX_PEM_BYTES = 262144

# Positive results only: what a failed signature costs is bounded by who asks (path.py).
_CACHED_CERTIFICATES = 512
_CACHED_SIGNATURES = 512

_EXTENSIONS = asn1.context(3)

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_ISSUER_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_ISSUER_RSA_BITS = range(2048, 8193)


def load(der: bytes) -> x509.Certificate:
    """Read one DER certificate.

    Args:
        der: at most 8192 bytes, nothing after the certificate.

    Raises:
        Malformed: not exactly one certificate, or one the library reads only with a warning, such
            as a number that is not positive.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Malformed(f"certificate of {len(der)} bytes")
    return _load(bytes(der))


@lru_cache(_CACHED_CERTIFICATES)
def _load(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        _read_all(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm, Warning, x509.InvalidVersion):
        raise Malformed("not a certificate") from None
    except x509.DuplicateExtension:
        raise Malformed("certificate with an extension twice") from None
    return certificate


def _read_all(certificate: x509.Certificate) -> None:
    """Touch what the library reads late, so that errors come from `load`."""
    _ = certificate.extensions, certificate.subject, certificate.issuer
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    _ = certificate.serial_number, certificate.signature


@lru_cache(_CACHED_CERTIFICATES)
def der(certificate: x509.Certificate) -> bytes:
    """Return the certificate as DER, byte for byte as it was read."""
    return certificate.public_bytes(serialization.Encoding.DER)


def load_pem_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read one or more PEM certificates, in the order of the text.

    Raises:
        Malformed: too long, no certificate, or one that `load` refuses.
    """
    if len(pem) > MAX_PEM_BYTES:
        raise Malformed(f"PEM of {len(pem)} bytes")
    try:
        read = x509.load_pem_x509_certificates(pem)
    except (ValueError, Warning):
        raise Malformed("not PEM certificates") from None
    return tuple(load(der(certificate)) for certificate in read)


def pem(certificate: x509.Certificate) -> bytes:
    """Return the certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> bytes:
    """Return the SHA-256 of the DER certificate, 32 bytes."""
    return hashlib.sha256(der(certificate)).digest()


def public_key(certificate: x509.Certificate) -> PublicKey:
    """Return the certificate's public key.

    Raises:
        Malformed: no readable key in it.
        Refused: NOT_A_KEY_WE_TAKE.
    """
    try:
        return check_key_type(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("certificate without a readable public key") from None


@lru_cache(_CACHED_CERTIFICATES)
def spki(certificate: x509.Certificate) -> bytes:
    """Return the SubjectPublicKeyInfo as it stands in the certificate, whatever the key type."""
    fields = asn1.children(asn1.read(certificate.tbs_certificate_bytes))
    has_version = fields[0].tag == asn1.context(0)
    return fields[5 + has_version].raw  # RFC 5280 4.1


def subject_key_id(certificate: x509.Certificate) -> bytes | None:
    """Return the SubjectKeyIdentifier, None when the extension is absent (RFC 5280 4.2.1.2)."""
    found = _extension(certificate, x509.SubjectKeyIdentifier)
    return None if found is None else found.digest


def authority_key_id(certificate: x509.Certificate) -> bytes | None:
    """Return the AuthorityKeyIdentifier's keyIdentifier, None when absent (RFC 5280 4.2.1.1)."""
    found = _extension(certificate, x509.AuthorityKeyIdentifier)
    return None if found is None else found.key_identifier


def is_ca(certificate: x509.Certificate) -> bool:
    """True when the certificate may sign certificates: cA set and, with a keyUsage, keyCertSign."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return (
        constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)
    )  # RFC 5280 6.1.4 (k), (n)


def path_length(certificate: x509.Certificate) -> int | None:
    """Return pathLenConstraint, None when there is no limit (RFC 5280 4.2.1.9)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return None if constraints is None else constraints.path_length


def has_eku(certificate: x509.Certificate, oid: str) -> bool:
    """True when the extended key usage lists exactly `oid`; anyExtendedKeyUsage does not count."""
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return usages is not None and x509.ObjectIdentifier(oid) in usages


def is_self_signed(certificate: x509.Certificate) -> bool:
    """True when the certificate's own key made its signature.

    Never decided by names: the rollover certificates of one CA all have equal names (est D12).
    """
    return is_signed_by(certificate, certificate)


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """True when `issuer` has the name and made the signature that `certificate` claims.

    Issuers sign with P-256, P-384, P-521, Ed25519 or RSA of 2048 to 8192 bits and never with
    SHA-1. Whether the issuer *may* sign certificates is not asked here.
    """
    try:
        _check_signature(certificate, issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


@lru_cache(_CACHED_SIGNATURES)
def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raise unless `issuer` signed; only successes stay in the cache."""
    if not _is_issuer_key(issuer.public_key()):
        raise ValueError
    certificate.verify_directly_issued_by(issuer)


def _is_issuer_key(key: object) -> bool:
    match key:
        case ec.EllipticCurvePublicKey():
            return key.curve.name in _ISSUER_CURVES
        case rsa.RSAPublicKey():
            return key.key_size in _ISSUER_RSA_BITS
        case _:
            return isinstance(key, ed25519.Ed25519PublicKey)


def raw_extension(certificate: x509.Certificate, oid: str) -> bytes | None:
    """Return the extnValue of an extension as received, without its OCTET STRING header.

    Raises:
        Malformed: the certificate is not in DER.
    """
    fields = asn1.children(asn1.read(certificate.tbs_certificate_bytes))
    if fields[-1].tag != _EXTENSIONS:
        return None
    wanted = _encoded_oid(oid)
    for extension in asn1.children(asn1.read(fields[-1].content)):
        name, *_, value = asn1.children(extension)
        if name.raw == wanted:
            return value.expect(asn1.OCTET_STRING).content
    return None


_encoded_oid = lru_cache(64)(asn1.encode_oid)


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
