"""JWS vouchers: general JSON serialization, one signature (draft-ietf-anima-jws-voucher, X-13).

Everything that counts is in the protected header; an unprotected one is ignored. `joserfc` does
the signature; this module is imported only where a JWS arrives.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey

from sztb.encoding import strict_json
from sztb.encoding.base64text import decode_base64, decode_base64url
from sztb.encoding.strict_json import as_object, as_text
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import PublicKey, SignatureAlgorithm, algorithm_of

TYP: Final = "voucher-jws+json"
MAX_CERTIFICATES: Final = 16

_ALGORITHMS = {algorithm.value: algorithm for algorithm in SignatureAlgorithm} | {
    "Ed25519": SignatureAlgorithm.EDDSA  # RFC 9864, as D7 for COSE
}


class _Registry(jws.JWSRegistry):
    """The library's algorithms, with room for certificate chains in the header."""

    max_header_length = strict_json.MAX_BYTES


# RFC 7515 4: parameters nobody here knows are ignored
_REGISTRY = _Registry(algorithms=tuple(_ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Jws:
    """A decoded JWS; its signature is not yet verified.

    Attributes:
        raw: the JSON text as received.
        protected: protected header parameters.
        protected_text: the protected header as signed, base64url.
        payload_text: the payload as signed, base64url.
        payload: the signed content.
        signature_text: base64url.
        algorithm: what alg says.
    """

    raw: bytes
    protected: Mapping[str, object]
    protected_text: str
    payload_text: str
    payload: bytes
    signature_text: str
    algorithm: SignatureAlgorithm

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The DER certificates of x5c, the signer's first (RFC 7515 4.1.6).

        Raises:
            Malformed: not an array of base64 texts.
        """
        x5c = self.protected.get("x5c", [])
        if not isinstance(x5c, list) or len(x5c) > MAX_CERTIFICATES:
            raise Malformed("JWS: x5c is not a short array")
        return tuple(decode_base64(as_text(entry, "JWS x5c")) for entry in x5c)

    def verify(self, public_key: PublicKey) -> None:
        """Check the signature with `public_key`.

        Raises:
            Refused: SIGNATURE, also when the key is of another kind than alg says.
        """
        if algorithm_of(public_key) is not self.algorithm:
            raise Refused(Refusal.SIGNATURE, f"not a key for {self.algorithm.value}")
        kind = OKPKey if self.algorithm is SignatureAlgorithm.EDDSA else ECKey
        pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        message: jws.GeneralJSONSerialization = {
            "payload": self.payload_text,
            "signatures": [{"protected": self.protected_text, "signature": self.signature_text}],
        }
        with warnings.catch_warnings():
            # RFC 9864 deprecates the name EdDSA, which is what devices write (D7)
            warnings.simplefilter("ignore", SecurityWarning)
            try:
                jws.deserialize_json(message, kind.import_key(pem), registry=_REGISTRY)
            except (JoseError, ValueError) as error:
                raise Refused(Refusal.SIGNATURE, str(error)) from None


def decode(raw: bytes) -> Jws:
    """Decode a JWS in general JSON serialization.

    Args:
        raw: the whole JSON text.

    Raises:
        Malformed: another serialization, other than one signature, a critical header, or a typ
            that is not ours.
        Refused: ALGORITHM: alg is missing in the protected header or not one we take.
    """
    document = as_object(strict_json.decode(raw), "JWS")
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise Malformed("JWS: general serialization with one signature expected")
    signature = as_object(signatures[0], "JWS signature")
    payload_text = as_text(document.get("payload"), "JWS payload")
    protected_text = as_text(signature.get("protected"), "JWS protected")
    signature_text = as_text(signature.get("signature"), "JWS signature")
    decode_base64url(signature_text)
    header = strict_json.decode(decode_base64url(protected_text))
    protected = as_object(header, "JWS protected header")
    return Jws(
        raw,
        protected,
        protected_text,
        payload_text,
        decode_base64url(payload_text),
        signature_text,
        _algorithm(protected),
    )


def _algorithm(protected: Mapping[str, object]) -> SignatureAlgorithm:
    if "crit" in protected:
        raise Malformed("JWS: critical header")  # none is understood
    if protected.get("typ", TYP) != TYP:
        raise Malformed("JWS: typ is not voucher-jws+json")
    alg = protected.get("alg")
    if not isinstance(alg, str) or alg not in _ALGORITHMS:
        raise Refused(Refusal.ALGORITHM, f"alg {alg!r:.20} in the protected header")
    return _ALGORITHMS[alg]
