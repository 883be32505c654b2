"""A stand-in for private keys that cannot be exported, for the builders of `cryptography.x509`.

The builders ask a key for its public half and call its `sign`; the classes here pass the call to a
`Signer` (a TPM, an HSM, a remote signer) and refuse every other use of a private key.
"""

from typing import Never, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.utils import Buffer
from typing_extensions import override

from sztb.errors import Misuse
from sztb.pki.keys import PrivateKey, Signer, certificate_hash


def delegated_key(signer: Signer) -> PrivateKey:
    """Return a key object that signs through `signer` and can do nothing else."""
    public_key = signer.public_key
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return _DelegatedEd25519Key(signer, public_key)
    return _DelegatedEcKey(signer, public_key)


def _hidden() -> Never:
    raise Misuse("the private key cannot be exported")


class _DelegatedEcKey(ec.EllipticCurvePrivateKey):
    def __init__(self, signer: Signer, public_key: ec.EllipticCurvePublicKey) -> None:
        self._signer = signer
        self._public_key = public_key

    @override
    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    @override
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    @override
    def key_size(self) -> int:
        return self._public_key.key_size

    @override
    def sign(self, data: Buffer, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        wanted = certificate_hash(self._signer.algorithm)
        given = signature_algorithm.algorithm
        if (
            not isinstance(given, hashes.HashAlgorithm)
            or wanted is None
            or given.name != wanted.name
        ):
            raise Misuse("the signer has one hash only")
        return self._signer.sign(bytes(data))

    @override
    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        _hidden()

    @override
    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        _hidden()

    @override
    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        _hidden()

    @override
    def __copy__(self) -> Self:
        return self

    @override
    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class _DelegatedEd25519Key(ed25519.Ed25519PrivateKey):
    def __init__(self, signer: Signer, public_key: ed25519.Ed25519PublicKey) -> None:
        self._signer = signer
        self._public_key = public_key

    @override
    def public_key(self) -> ed25519.Ed25519PublicKey:
        return self._public_key

    @override
    def sign(self, data: Buffer) -> bytes:
        return self._signer.sign(bytes(data))

    @override
    def private_bytes_raw(self) -> bytes:
        _hidden()

    @override
    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        _hidden()

    @override
    def __copy__(self) -> Self:
        return self

    @override
    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self
