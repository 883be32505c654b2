"""The bridge to the COSE library `cwt`: its COSE processing, our keys.

`cwt` would copy key material into its own key objects and convert numbers octet by octet (about 25
microseconds for each signature); the two adapters here hand it our keys instead, which also lets a
token sign. This module is imported with the first signature and not at start: `cwt` brings JSON,
HPKE and more along, 15 ms of a small device's start.
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cwt.cose import COSE
from cwt.cose_key_interface import COSEKeyInterface
from cwt.exceptions import CWTError
from typing_extensions import override

from sztb.codepoints import cose
from sztb.encoding import cbor
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import keys
from sztb.pki.keys import PublicKey, Signer

Headers = dict[int | str, object]

_COSE = COSE()
_AS_TAG = "cbor2/CBORTag"
_KTY, _KID, _ALG, _KEY_OPS = 1, 2, 3, 4  # RFC 9052 7.1
_OKP, _EC2 = 1, 2  # RFC 9053 7
_SIGN, _VERIFY = 1, 2  # RFC 9052 7.1


def verify(
    public_key: PublicKey, protected_raw: bytes, payload: bytes, signature: bytes, kid: bytes | None
) -> None:
    """Check a COSE_Sign1 signature.

    Args:
        public_key: of the kind that the protected alg asks for.
        protected_raw: the protected bucket as received.
        payload: the content.
        signature: r||s, or 64 bytes of Ed25519.
        kid: the protected key identifier, if there is one.

    Raises:
        Refused: SIGNATURE.
    """
    # Without the unprotected headers: nothing unsigned may steer the verification.
    message = cbor.Tag(cose.SIGN1_TAG, [protected_raw, {}, payload, signature])
    try:
        _COSE.decode(message, _VerifyingKey(public_key, kid))
    except (Malformed, CWTError) as error:
        raise Refused(Refusal.SIGNATURE, str(error)) from None


def sign(payload: bytes, signer: Signer, protected: Headers, unprotected: Headers) -> bytes:
    """Return the tagged COSE_Sign1 over `payload`; `protected` holds alg."""
    key = _SigningKey(signer, protected[cose.ALG])
    return cbor.encode(_COSE.encode_and_sign(payload, key, protected, unprotected, out=_AS_TAG))


class _VerifyingKey(COSEKeyInterface):
    """A public key as `cwt` wants to see it."""

    def __init__(self, public_key: PublicKey, kid: bytes | None) -> None:
        parameters: dict[int, object] = {_KTY: _kty(public_key), _KEY_OPS: [_VERIFY]}
        super().__init__(parameters if kid is None else parameters | {_KID: kid})
        self._public_key = public_key

    @override
    def verify(self, msg: bytes, sig: bytes) -> None:
        is_ecdsa = isinstance(self._public_key, ec.EllipticCurvePublicKey)
        keys.verify(self._public_key, keys.ecdsa_der_from_raw(sig) if is_ecdsa else sig, msg)


class _SigningKey(COSEKeyInterface):
    """A `Signer` as `cwt` wants to see it."""

    def __init__(self, signer: Signer, alg: object) -> None:
        super().__init__({_KTY: _kty(signer.public_key), _ALG: alg, _KEY_OPS: [_SIGN]})
        self._signer = signer

    @override
    def sign(self, msg: bytes) -> bytes:
        signature = self._signer.sign(msg)
        public_key = self._signer.public_key
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            return keys.ecdsa_raw_from_der(signature, public_key)
        return signature


def _kty(public_key: PublicKey) -> int:
    return _EC2 if isinstance(public_key, ec.EllipticCurvePublicKey) else _OKP
