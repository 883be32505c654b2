"""Signing keys behind one interface, and the public keys this project takes.

Three algorithms are written and verified: ECDSA on P-256 with SHA-256, ECDSA on P-384 with
SHA-384, and Ed25519 (cbrski.md 7). A `Signer` may keep its key in a file, a token or elsewhere:
nothing above this module asks for the private key itself.
"""

from enum import Enum
from typing import Protocol, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from typing_extensions import override

from sztb.errors import Malformed, Refusal, Refused

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

MAX_SPKI_BYTES = 512  # P-384 needs 120


class SignatureAlgorithm(Enum):
    """What a key signs with; the value is the JOSE name (RFC 7518 3.1, RFC 8037 3.1)."""

    ES256 = "ES256"
    ES384 = "ES384"
    EDDSA = "EdDSA"


_CURVES: dict[SignatureAlgorithm, ec.EllipticCurve] = {
    SignatureAlgorithm.ES256: ec.SECP256R1(),
    SignatureAlgorithm.ES384: ec.SECP384R1(),
}
_BY_CURVE = {curve.name: algorithm for algorithm, curve in _CURVES.items()}
_HASHES: dict[SignatureAlgorithm, hashes.SHA256 | hashes.SHA384] = {
    SignatureAlgorithm.ES256: hashes.SHA256(),
    SignatureAlgorithm.ES384: hashes.SHA384(),
}
_ECDSA = {algorithm: ec.ECDSA(digest) for algorithm, digest in _HASHES.items()}


class Signer(Protocol):
    """A private key that can sign, wherever it is kept."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The one algorithm this key signs with."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data`: DER for ECDSA (RFC 3279), 64 bytes for Ed25519."""
        ...

    def certificate_key(self) -> PrivateKey:
        """Return a key for the builders of `cryptography.x509`.

        Where the private key cannot leave its place, `delegated_key.delegated_key(self)` is
        the answer: such an object signs through `sign` and can do nothing else.
        """
        ...


class FileKey(Signer):
    """A private key in memory, read from or written to PKCS#8."""

    def __init__(self, private_key: PrivateKey) -> None:
        """Wrap a private key of a type we take.

        Args:
            private_key: P-256, P-384 or Ed25519.

        Raises:
            Refused: NOT_A_KEY_WE_TAKE.
        """
        self._private_key = private_key
        self._public_key = check_key_type(private_key.public_key())
        self._algorithm = algorithm_of(self._public_key)

    @classmethod
    def generate(cls, algorithm: SignatureAlgorithm = SignatureAlgorithm.ES256) -> Self:
        """Make a new key for `algorithm`."""
        if algorithm is SignatureAlgorithm.EDDSA:
            return cls(ed25519.Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(_CURVES[algorithm]))

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Read a PEM private key, encrypted or not.

        Args:
            pem: PKCS#8, encrypted PKCS#8 or SEC 1 text.
            password: needed exactly when the key is encrypted.

        Raises:
            Malformed: not a private key, or the password is missing, wrong or not needed.
            Refused: NOT_A_KEY_WE_TAKE.
        """
        try:
            key = serialization.load_pem_private_key(pem, password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Malformed(f"private key: {error}") from None
        return cls(_check_private_key(key))

    @classmethod
    def from_pkcs8_der(cls, der: bytes) -> Self:
        """Read an unencrypted DER private key (RFC 5958).

        Raises:
            Malformed: not a private key.
            Refused: NOT_A_KEY_WE_TAKE.
        """
        try:
            key = serialization.load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Malformed("private key: not a PKCS#8 key") from None
        return cls(_check_private_key(key))

    @property
    @override
    def public_key(self) -> PublicKey:
        return self._public_key

    @property
    @override
    def algorithm(self) -> SignatureAlgorithm:
        return self._algorithm

    @override
    def sign(self, data: bytes) -> bytes:
        if isinstance(self._private_key, ed25519.Ed25519PrivateKey):
            return self._private_key.sign(data)
        return self._private_key.sign(data, _ECDSA[self._algorithm])

    @override
    def certificate_key(self) -> PrivateKey:
        return self._private_key

    def to_pem(self, password: bytes | None = None) -> bytes:
        """Return the key as PKCS#8 PEM, encrypted when a password is given."""
        return self._private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _encryption(password)
        )

    def pkcs8_der(self) -> bytes:
        """Return the key as unencrypted PKCS#8 DER."""
        return self._private_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, _encryption(None)
        )

    @override
    def __repr__(self) -> str:
        return f"FileKey({self._algorithm.value})"  # never the key


def _encryption(password: bytes | None) -> serialization.KeySerializationEncryption:
    if password is None:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(password)


def _check_private_key(key: object) -> PrivateKey:
    if isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise Refused(Refusal.NOT_A_KEY_WE_TAKE, type(key).__name__)


def check_key_type(key: object) -> PublicKey:
    """Return `key` if it is a public key of P-256, P-384 or Ed25519.

    Raises:
        Refused: NOT_A_KEY_WE_TAKE.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _BY_CURVE:
        return key
    raise Refused(Refusal.NOT_A_KEY_WE_TAKE, type(key).__name__)


def algorithm_of(key: PublicKey) -> SignatureAlgorithm:
    """Return the one algorithm that `key` verifies.

    Raises:
        Refused: NOT_A_KEY_WE_TAKE.
    """
    if isinstance(key, ed25519.Ed25519PublicKey):
        return SignatureAlgorithm.EDDSA
    if key.curve.name not in _BY_CURVE:
        raise Refused(Refusal.NOT_A_KEY_WE_TAKE, key.curve.name)
    return _BY_CURVE[key.curve.name]


def certificate_hash(algorithm: SignatureAlgorithm) -> hashes.SHA256 | hashes.SHA384 | None:
    """Return the hash argument that the builders of `cryptography.x509` want for `algorithm`."""
    return _HASHES.get(algorithm)


def verify(public_key: PublicKey, signature: bytes, data: bytes) -> None:
    """Check a signature over `data`.

    Args:
        public_key: decides the algorithm and the hash.
        signature: DER for ECDSA, 64 bytes for Ed25519.
        data: what was signed.

    Raises:
        Refused: SIGNATURE, or NOT_A_KEY_WE_TAKE.
    """
    algorithm = algorithm_of(public_key)
    try:
        if isinstance(public_key, ed25519.Ed25519PublicKey):
            public_key.verify(signature, data)
        else:
            public_key.verify(signature, data, _ECDSA[algorithm])
    except InvalidSignature:
        raise Refused(Refusal.SIGNATURE) from None


def spki_der(public_key: PublicKey) -> bytes:
    """Return the SubjectPublicKeyInfo in DER: 91 bytes for P-256, 120 for P-384, 44 for Ed25519."""
    return public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def load_spki(der: bytes) -> PublicKey:
    """Read a SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 7250 3).

    Only the one DER form that `spki_der` writes is taken, because pins compare these bytes.

    Raises:
        Malformed: not one SubjectPublicKeyInfo in that form.
        Refused: NOT_A_KEY_WE_TAKE.
    """
    if len(der) > MAX_SPKI_BYTES:
        raise Malformed(f"public key of {len(der)} bytes")
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("not a SubjectPublicKeyInfo") from None
    checked = check_key_type(key)
    if spki_der(checked) != der:
        raise Malformed("public key: not DER, or the point is compressed")
    return checked


def ecdsa_raw_from_der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """Turn an ECDSA signature from DER into r||s, each as long as the curve's field (RFC 9053 2.1).

    Raises:
        Malformed: not a DER signature, or a number too large for the curve.
    """
    length = (key.key_size + 7) // 8
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    except (ValueError, OverflowError):
        raise Malformed("not an ECDSA signature") from None


def ecdsa_der_from_raw(signature: bytes) -> bytes:
    """Turn r||s into the DER form that X.509 and our `verify` use.

    Raises:
        Malformed: empty or of odd length.
    """
    half, odd = divmod(len(signature), 2)
    if odd or not half:
        raise Malformed(f"ECDSA signature of {len(signature)} bytes")
    return encode_dss_signature(
        int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    )
