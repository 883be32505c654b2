"""COSE_Sign1 with the received bytes kept (RFC 9052 4.2, constrained-voucher 9.2, cbrski.md 7).

Decoding is strict and ours; `cwt` does the COSE processing of signatures (`cose_engine`). External
aad is always empty and the payload always embedded. alg counts only in the protected header.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sztb.codepoints import cose
from sztb.codepoints.cose import Algorithm
from sztb.encoding import cbor
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import PublicKey, SignatureAlgorithm, Signer, algorithm_of

MAX_CERTIFICATES = 16  # in all certificate headers together

Headers = Mapping[object, object]

_SIGNATURE_BYTES = {
    SignatureAlgorithm.ES256: 64,
    SignatureAlgorithm.ES384: 96,
    SignatureAlgorithm.EDDSA: 64,
}
_READ = {  # D7: the fully specified numbers of RFC 9864 are synonyms on input
    Algorithm.ES256: SignatureAlgorithm.ES256,
    Algorithm.ESP256: SignatureAlgorithm.ES256,
    Algorithm.ES384: SignatureAlgorithm.ES384,
    Algorithm.ESP384: SignatureAlgorithm.ES384,
    Algorithm.EDDSA: SignatureAlgorithm.EDDSA,
    Algorithm.ED25519: SignatureAlgorithm.EDDSA,
}
_WRITTEN = {
    SignatureAlgorithm.ES256: Algorithm.ES256,
    SignatureAlgorithm.ES384: Algorithm.ES384,
    SignatureAlgorithm.EDDSA: Algorithm.EDDSA,
}
_UNDERSTOOD = frozenset({cose.ALG, cose.CRIT, cose.KID, cose.CWT_CLAIMS, cose.X5BAG, cose.X5CHAIN})
_CERTIFICATE_LABELS = (cose.X5BAG, cose.X5CHAIN)


@dataclass(frozen=True, slots=True)
class CoseSign1:
    """A decoded message; its signature is not yet verified.

    Attributes:
        raw: the whole message as received.
        protected: protected header parameters.
        protected_raw: the bytes of the protected bucket, as signed.
        unprotected: unprotected header parameters; anyone on the way may have changed them.
        payload: the signed content.
        signature: r||s, or 64 bytes of Ed25519.
        algorithm: what alg says.
    """

    raw: bytes
    protected: Headers
    protected_raw: bytes
    unprotected: Headers
    payload: bytes
    signature: bytes
    algorithm: SignatureAlgorithm

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The DER certificates of x5bag and x5chain, of both buckets (X-09, D1).

        Raises:
            Malformed: not a bstr or a non-empty array of bstr, or more than MAX_CERTIFICATES.
        """
        found = tuple(_certificates(self.unprotected)) + tuple(_certificates(self.protected))
        if len(found) > MAX_CERTIFICATES:
            raise Malformed(f"COSE: {len(found)} certificates")
        return found

    @property
    def kid(self) -> bytes | None:
        """The key identifier, a hint only; None when absent or not a bstr."""
        kid = self.protected.get(cose.KID, self.unprotected.get(cose.KID))
        return kid if isinstance(kid, bytes) else None

    @property
    def claims(self) -> Headers:
        """The CWT claims of the protected header (RFC 9597); empty when there are none."""
        claims = self.protected.get(cose.CWT_CLAIMS)
        return claims if isinstance(claims, dict) else {}

    def verify(self, public_key: PublicKey) -> None:
        """Check the signature with `public_key`.

        Raises:
            Refused: SIGNATURE, also when the key is of another kind than alg says.
        """
        from sztb.envelope import cose_engine  # noqa: PLC0415 - cwt is loaded late, see there

        if algorithm_of(public_key) is not self.algorithm:
            raise Refused(Refusal.SIGNATURE, f"not a key for {self.algorithm.value}")
        kid = self.protected.get(cose.KID)
        cose_engine.verify(
            public_key,
            self.protected_raw,
            self.payload,
            self.signature,
            kid if isinstance(kid, bytes) else None,
        )


def decode(raw: bytes, *, untagged_ok: bool = False) -> CoseSign1:
    """Decode a COSE_Sign1.

    Args:
        raw: the whole message.
        untagged_ok: accept it without tag 18, where the media type already says what it is (D13).

    Raises:
        Malformed: another structure, no payload, a label in both buckets, a signature of a
            length that the algorithm does not have, or an unknown critical header.
        Refused: ALGORITHM: alg is missing in the protected header or not one we take.
    """
    protected_raw, unprotected, payload, signature = _four(raw, untagged_ok=untagged_ok)
    protected = cbor.decode(protected_raw) if protected_raw else {}
    if not isinstance(protected, dict):
        raise Malformed("COSE: protected header is not a map")
    _check_headers(protected, unprotected)
    algorithm = _algorithm(protected)
    if len(signature) != _SIGNATURE_BYTES[algorithm]:
        raise Malformed(f"COSE: {algorithm.value} signature of {len(signature)} bytes")
    return CoseSign1(raw, protected, protected_raw, unprotected, payload, signature, algorithm)


def sign(
    payload: bytes,
    signer: Signer,
    *,
    x5bag: Sequence[bytes] = (),
    protected_x5bag: Sequence[bytes] = (),
    kid: bytes | None = None,
    claims: Headers | None = None,
) -> bytes:
    """Sign `payload` and return the tagged message.

    Args:
        payload: embedded as it is.
        signer: its key decides alg.
        x5bag: DER certificates for the unprotected header; none: no header.
        protected_x5bag: DER certificates for the protected header.
        kid: unprotected key identifier.
        claims: CWT claims for the protected header.
    """
    from sztb.envelope import cose_engine  # noqa: PLC0415 - cwt is loaded late, see there

    protected: dict[int | str, object] = {cose.ALG: int(_WRITTEN[signer.algorithm])}
    if claims:
        protected[cose.CWT_CLAIMS] = dict(claims)
    if protected_x5bag:
        protected[cose.X5BAG] = _bag(protected_x5bag)
    unprotected: dict[int | str, object] = {}
    if kid is not None:
        unprotected[cose.KID] = kid
    if x5bag:
        unprotected[cose.X5BAG] = _bag(x5bag)
    return cose_engine.sign(payload, signer, protected, unprotected)


def without_unprotected_certs(raw: bytes) -> bytes:
    """Remove unprotected x5bag and x5chain, leaving what is signed byte for byte (R-28).

    The message is put together again from the received protected, payload and signature bytes. A
    message without these headers comes back unchanged.

    Raises:
        Malformed: not a COSE_Sign1.
    """
    protected_raw, unprotected, payload, signature = _four(raw, untagged_ok=True)
    kept = {
        label: value for label, value in unprotected.items() if label not in _CERTIFICATE_LABELS
    }
    if len(kept) == len(unprotected):
        return raw
    return cbor.encode(cbor.Tag(cose.SIGN1_TAG, [protected_raw, kept, payload, signature]))


def _four(raw: bytes, *, untagged_ok: bool) -> tuple[bytes, dict[object, object], bytes, bytes]:
    """Return protected bytes, unprotected map, payload and signature."""
    item = cbor.decode(raw)
    if isinstance(item, cbor.Tag) and item.tag == cose.SIGN1_TAG:
        item = item.value
    elif not untagged_ok:
        raise Malformed("COSE: tag 18 expected")
    match item:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            return protected, unprotected, payload, signature
        case [_, _, None, _]:
            raise Malformed("COSE: no payload")
        case _:
            raise Malformed("COSE: not a COSE_Sign1")


def _check_headers(protected: Headers, unprotected: Headers) -> None:
    if not all(isinstance(label, int | str) for label in (*protected, *unprotected)):
        raise Malformed("COSE: a label is neither integer nor text")
    if not protected.keys().isdisjoint(unprotected.keys()):
        raise Malformed("COSE: a label in both headers")  # RFC 9052 3
    if not isinstance(protected.get(cose.KID, b""), bytes):
        raise Malformed("COSE: kid is not a bstr")
    critical = protected.get(cose.CRIT, [])
    if cose.CRIT in unprotected or not isinstance(critical, list):
        raise Malformed("COSE: crit must be a protected array")  # RFC 9052 3.1
    for label in critical:
        if type(label) is not int or label not in _UNDERSTOOD or label not in protected:
            raise Malformed(f"COSE: critical header {label!r:.20}")


def _algorithm(protected: Headers) -> SignatureAlgorithm:
    alg = protected.get(cose.ALG)
    for number, algorithm in _READ.items():
        if type(alg) is int and alg == number:
            return algorithm
    raise Refused(Refusal.ALGORITHM, f"alg {alg!r:.20} in the protected header")


def _certificates(headers: Headers) -> Iterator[bytes]:
    for label in _CERTIFICATE_LABELS:
        if label not in headers:
            continue
        value = headers[label]
        entries = value if isinstance(value, list) else [value]
        certificates = [entry for entry in entries if isinstance(entry, bytes)]
        if not certificates or len(certificates) != len(entries):  # D1
            raise Malformed("COSE: x5bag is neither bstr nor array of bstr")
        yield from certificates


def _bag(certificates: Sequence[bytes]) -> bytes | list[bytes]:
    """RFC 9360 2: one certificate is a bare bstr, more are an array."""
    return certificates[0] if len(certificates) == 1 else list(certificates)
