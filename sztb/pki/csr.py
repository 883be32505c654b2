"""PKCS#10 certification requests: writing the pledge's, checking anybody's (RFC 2986, est.md 7).

`check_csr` covers what a request must satisfy by itself. Whether it fits the client that sent it
(its identity, the certificate it renews) is asked in `sztb.est.identity`.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from sztb.codepoints import oid
from sztb.encoding import der as asn1
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import PublicKey, SignatureAlgorithm, Signer, spki_der

MAX_CSR_BYTES = 8192  # est D20
MAX_CHALLENGE = 255  # characters; RFC 7030 3.5

RequestKey = PublicKey | rsa.RSAPublicKey

_ALGORITHM_IDENTIFIERS = {  # RFC 5758 3.2, RFC 8410 3: without parameters
    SignatureAlgorithm.ES256: "1.2.840.10045.4.3.2",
    SignatureAlgorithm.ES384: "1.2.840.10045.4.3.3",
    SignatureAlgorithm.EDDSA: "1.3.101.112",
}
_CHALLENGE_TAGS = frozenset({asn1.PRINTABLE_STRING, asn1.UTF8_STRING, asn1.IA5_STRING})  # est D2
_PASSED_ON = (x509.SubjectAlternativeName, x509.KeyUsage, x509.ExtendedKeyUsage)  # est.md 7
_NEVER_GRANTED = frozenset({oid.CMC_RA, "2.5.29.37.0"})  # a registrar's right, or all of them
_CACHED_KEYS = 32  # a key is needed twice: to check the request and to certify it
_REFUSED_HASHES = frozenset({"md5", "sha1", "sha224"})  # est D20


@dataclass(frozen=True, slots=True)
class CsrPolicy:
    """What `check_csr` asks for (est D20).

    Attributes:
        possession: check key and signature; off only where the server makes the key itself,
            which must then ignore both (RFC 7030 4.4.1).
        rsa_bits: accepted modulus lengths, in bits.
    """

    possession: bool = True
    rsa_bits: range = range(2048, 8193)


DEFAULT_POLICY = CsrPolicy()
SERVER_KEY_POLICY = CsrPolicy(possession=False)


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """A checked request.

    Attributes:
        raw: the request as received; this is what a back-end gets (E-51).
        subject: at least one attribute.
        spki: SubjectPublicKeyInfo in DER.
        extensions_asked: those an issuer may pass on: alternative name, key usage, extended key
            usage; all others were dropped.
        challenge_password: base64 text, None when absent.
        attributes: every other attribute, by OID, each value in DER.
    """

    raw: bytes
    subject: x509.Name
    spki: bytes
    extensions_asked: tuple[x509.Extension[x509.ExtensionType], ...]
    challenge_password: str | None
    attributes: tuple[tuple[str, bytes], ...]

    @property
    def public_key(self) -> RequestKey:
        """The key to be certified.

        Raises:
            Refused: CSR_KEY, only possible when possession was not checked.
        """
        return _check_key(_load_key(self.spki), DEFAULT_POLICY)

    @property
    def alternative_names(self) -> x509.SubjectAlternativeName | None:
        """The SubjectAltName asked for, None when there is none."""
        values = (extension.value for extension in self.extensions_asked)
        return next((one for one in values if isinstance(one, x509.SubjectAlternativeName)), None)


def make_csr(
    signer: Signer,
    subject: x509.Name,
    challenge_password: str | None = None,
    extensions: Sequence[x509.Extension[x509.ExtensionType]] = (),
) -> bytes:
    """Write a request in DER, without help of the private key beyond `signer.sign`.

    Args:
        signer: the new key.
        subject: must not be empty to be accepted (est D20).
        challenge_password: base64 of the channel binding, written as PrintableString (est D2).
        extensions: for one extensionRequest attribute.
    """
    attributes: list[bytes] = []
    if challenge_password is not None:
        text = asn1.encode(asn1.PRINTABLE_STRING, challenge_password.encode("ascii"))
        attributes.append(_attribute(oid.CHALLENGE_PASSWORD, text))
    if extensions:
        listed = asn1.encode(asn1.SEQUENCE, *map(_extension_der, extensions))
        attributes.append(_attribute(oid.EXTENSION_REQUEST, listed))
    info = asn1.encode(
        asn1.SEQUENCE,
        asn1.encode_integer(0),
        subject.public_bytes(),
        spki_der(signer.public_key),
        asn1.encode_set_of(attributes, asn1.context(0)),
    )
    algorithm = asn1.encode_oid(_ALGORITHM_IDENTIFIERS[signer.algorithm])
    signature = asn1.encode(asn1.BIT_STRING, b"\0", signer.sign(info))
    return asn1.encode(asn1.SEQUENCE, info, asn1.encode(asn1.SEQUENCE, algorithm), signature)


def _attribute(attribute_oid: str, value: bytes) -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.encode_oid(attribute_oid), asn1.encode_set_of((value,)))


def _extension_der(extension: x509.Extension[x509.ExtensionType]) -> bytes:
    critical = asn1.encode(asn1.BOOLEAN, b"\xff") if extension.critical else b""
    value = asn1.encode(asn1.OCTET_STRING, extension.value.public_bytes())
    return asn1.encode(asn1.SEQUENCE, asn1.encode_oid(extension.oid.dotted_string), critical, value)


def check_csr(der: bytes, *, policy: CsrPolicy = DEFAULT_POLICY) -> CertificationRequest:
    """Read a request and check everything that does not depend on who sent it (est.md 7).

    (1) size, strict DER, nothing after it  (2) key type and size, hash  (3) signature
    (4) subject not empty  (5) attributes: none twice, one value each, challengePassword well
    formed  (6) extensions: no CA, no keyCertSign, no cmcRA

    Args:
        der: the request.
        policy: see `CsrPolicy`.

    Raises:
        Malformed: (1).
        Refused: CSR_KEY or ALGORITHM (2), CSR_SIGNATURE (3), CSR_SUBJECT (4), CSR (5, 6).
    """
    request, subject = _load(der)  # (1)
    info = asn1.children(asn1.read(request.tbs_certrequest_bytes))
    if policy.possession:
        _check_key(_load_key(info[2].raw), policy)  # (2)
        _check_signature(request)  # (3)
    if not subject.rdns:  # (4) est D20
        raise Refused(Refusal.CSR_SUBJECT, "empty")
    attributes = _attributes(info[3:])  # (5)
    challenge = attributes.pop(oid.CHALLENGE_PASSWORD, None)
    attributes.pop(oid.EXTENSION_REQUEST, None)
    return CertificationRequest(
        raw=der,
        subject=subject,
        spki=info[2].raw,
        extensions_asked=_check_extensions(request),  # (6)
        challenge_password=None if challenge is None else _check_challenge(challenge),
        attributes=tuple((name, value.raw) for name, value in attributes.items()),
    )


def check_pop_linking(
    request: CertificationRequest, channel_binding: bytes | None, *, required: bool = False
) -> bool:
    """Check that the request was made on this very connection (RFC 7030 3.5, E-22).

    Args:
        request: a checked request.
        channel_binding: tls-unique (12 bytes) or tls-exporter (32 bytes) of the connection by est
            D1, None where there is none.
        required: refuse a request without challengePassword.

    Returns:
        True when linked, False when there was no challengePassword.

    Raises:
        Refused: CSR: missing though required, or another value.
    """
    if request.challenge_password is None:
        if required:
            raise Refused(Refusal.CSR, "challengePassword missing")
        return False
    value = base64.b64decode(request.challenge_password)
    if channel_binding is None or not hmac.compare_digest(value, channel_binding):
        raise Refused(Refusal.CSR, "challengePassword is not of this connection")
    return True


def _load(der: bytes) -> tuple[x509.CertificateSigningRequest, x509.Name]:
    """Return the request and its subject, which the library would read again at each access."""
    if len(der) > MAX_CSR_BYTES:
        raise Malformed(f"certification request of {len(der)} bytes")
    try:
        request = x509.load_der_x509_csr(der)
        subject, _ = request.subject, request.extensions
    except (ValueError, TypeError, UnsupportedAlgorithm, Warning, x509.InvalidVersion):
        raise Malformed("not a certification request") from None
    except x509.DuplicateExtension:
        raise Malformed("certification request with an extension twice") from None
    return request, subject


@lru_cache(_CACHED_KEYS)
def _load_key(spki: bytes) -> object:
    try:
        return serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise Refused(Refusal.CSR_KEY, "unknown type") from None


def _check_key(key: object, policy: CsrPolicy) -> RequestKey:
    match key:
        case ed25519.Ed25519PublicKey():
            return key
        case ec.EllipticCurvePublicKey() if key.curve.name in {"secp256r1", "secp384r1"}:
            return key
        case rsa.RSAPublicKey() if key.key_size in policy.rsa_bits:
            return key
        case _:
            raise Refused(Refusal.CSR_KEY, type(key).__name__)


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    try:
        digest = request.signature_hash_algorithm
        good = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(Refusal.CSR_SIGNATURE, "unknown algorithm") from None
    if digest is not None and digest.name in _REFUSED_HASHES:
        raise Refused(Refusal.ALGORITHM, digest.name)
    if not good:
        raise Refused(Refusal.CSR_SIGNATURE)


def _attributes(fields: Sequence[asn1.Element]) -> dict[str, asn1.Element]:
    """Return the one value of every attribute (est D3)."""
    found: dict[str, asn1.Element] = {}
    for field in fields:
        for attribute in asn1.children(field):
            name, values = asn1.children(attribute)
            value = asn1.children(values)
            dotted = asn1.oid(name)
            if dotted in found or len(value) != 1:
                raise Refused(Refusal.CSR, f"attribute {dotted}: not exactly one value")
            found[dotted] = value[0]
    return found


def _check_challenge(value: asn1.Element) -> str:
    """Return the challengePassword if it can be a channel binding (est D2, D3)."""
    if value.tag not in _CHALLENGE_TAGS or len(value.content) > MAX_CHALLENGE:
        raise Refused(Refusal.CSR, "challengePassword: type or length")
    try:
        base64.b64decode(value.content, validate=True)
        return value.content.decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(Refusal.CSR, "challengePassword is not base64") from None


def _check_extensions(
    request: x509.CertificateSigningRequest,
) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    for extension in request.extensions:
        for kind, forbidden in _FORBIDDEN.items():
            if isinstance(extension.value, kind) and forbidden(extension.value):
                raise Refused(Refusal.CSR, f"asks for {kind.__name__} that is not granted")
    return tuple(one for one in request.extensions if isinstance(one.value, _PASSED_ON))


def _asks_for_ca(value: x509.BasicConstraints) -> bool:
    return value.ca


def _asks_for_cert_sign(value: x509.KeyUsage) -> bool:
    return value.key_cert_sign


def _asks_for_registrar(value: x509.ExtendedKeyUsage) -> bool:
    return any(usage.dotted_string in _NEVER_GRANTED for usage in value)


_FORBIDDEN: dict[type[x509.ExtensionType], Callable[..., bool]] = {
    x509.BasicConstraints: _asks_for_ca,
    x509.KeyUsage: _asks_for_cert_sign,
    x509.ExtendedKeyUsage: _asks_for_registrar,
}
