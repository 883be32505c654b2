"""CMS vouchers: SignedData around YANG-JSON (rfc8366bis 7.1, RFC 5652 5, cbrski.md 8.2).

Structures by `asn1crypto`, signatures by `cryptography`. One signer, signed attributes always
(X-12). This module is imported only where a CMS voucher arrives.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import cms
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from sztb.codepoints import oid
from sztb.encoding.rfc3339 import Instant
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki.keys import PublicKey

Asn1 = Any  # the library has no types

MAX_BYTES: Final = 65536
MAX_CERTIFICATES: Final = 16
MIN_RSA_BITS: Final = 2048

ID_DATA: Final = "1.2.840.113549.1.7.1"  # RFC 5652 4

_SET_OF = b"\x31"
_ECDSA, _RSA = "ecdsa", "rsassa_pkcs1v15"  # the library's names
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class CmsSignedData:
    """A decoded SignedData; its signature is not yet verified.

    Attributes:
        raw: the whole ContentInfo as received.
        payload: the encapsulated content.
        certificates: DER, in the order of the message.
        signed_attributes: their DER as SET OF: what the signature covers.
        signing_time: the signed attribute, UTC; None when absent (P-42).
        signature: DER for ECDSA, as long as the modulus for RSA.
        signature_kind: ``ecdsa`` or ``rsassa_pkcs1v15``.
        hash_name: of the signature algorithm.
    """

    raw: bytes
    payload: bytes
    certificates: tuple[bytes, ...]
    signed_attributes: bytes
    signing_time: Instant | None
    signature: bytes
    signature_kind: str
    hash_name: str

    def verify(self, public_key: PublicKey | rsa.RSAPublicKey) -> None:
        """Check the signature with `public_key`.

        Raises:
            Refused: SIGNATURE, also when the key is of another kind than the algorithm.
        """
        digest = _HASHES[self.hash_name]
        try:
            match public_key, self.signature_kind:
                case ec.EllipticCurvePublicKey(), "ecdsa":
                    public_key.verify(self.signature, self.signed_attributes, ec.ECDSA(digest))
                case rsa.RSAPublicKey(), "rsassa_pkcs1v15" if public_key.key_size >= MIN_RSA_BITS:
                    public_key.verify(
                        self.signature, self.signed_attributes, padding.PKCS1v15(), digest
                    )
                case _:
                    raise Refused(Refusal.SIGNATURE, f"not a key for {self.signature_kind}")
        except InvalidSignature:
            raise Refused(Refusal.SIGNATURE) from None


def decode(raw: bytes, *, older_ok: bool = True) -> CmsSignedData:
    """Decode a SignedData with one signer.

    Args:
        raw: DER ContentInfo.
        older_ok: accept SignedData version 1 and eContentType id-data too, as the published
            examples and RFC 8366 implementations have them (D16).

    Raises:
        Malformed: another structure, no content, no signed attributes, or attributes that do not
            belong to this content.
        Refused: ALGORITHM.
    """
    if len(raw) > MAX_BYTES:
        raise Malformed(f"CMS: {len(raw)} bytes")
    with _asn1_errors():
        return _signed_data(raw, older_ok=older_ok)


@contextmanager
def _asn1_errors() -> Iterator[None]:
    """The library parses late and complains in several types; all of them mean one thing here."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise Malformed(f"CMS: {error}"[:120]) from None


def _signed_data(raw: bytes, *, older_ok: bool) -> CmsSignedData:
    content_info = cms.ContentInfo.load(raw, strict=True)
    if content_info["content_type"].native != "signed_data":
        raise Malformed("CMS: not SignedData")
    signed_data = content_info["content"]
    payload, content_type = _content(signed_data, older_ok=older_ok)
    if len(signed_data["signer_infos"]) != 1:
        raise Malformed("CMS: one signer expected")
    signer = signed_data["signer_infos"][0]
    hash_name, kind = _algorithms(signer)
    attributes = _attributes(signer)
    if attributes.get("content_type") != content_type:  # RFC 5652 11.1
        raise Malformed("CMS: attribute content-type differs from the content")
    if attributes.get("message_digest") != hashlib.new(hash_name, payload).digest():  # 11.2
        raise Refused(Refusal.SIGNATURE, "CMS: message digest differs")
    return CmsSignedData(
        raw,
        payload,
        _certificates(signed_data),
        _SET_OF + signer["signed_attrs"].dump()[1:],  # RFC 5652 5.4
        attributes.get("signing_time"),
        signer["signature"].native,
        kind,
        hash_name,
    )


def _content(signed_data: Asn1, *, older_ok: bool) -> tuple[bytes, str]:
    """Return the content and its type."""
    encapsulated = signed_data["encap_content_info"]
    content_type = encapsulated["content_type"]
    types, versions = {oid.ANIMA_JSON_VOUCHER}, {"v3"}
    if older_ok:  # D16
        types, versions = types | {ID_DATA}, versions | {"v1"}
    if content_type.dotted not in types:
        raise Malformed(f"CMS: content type {content_type.dotted}")
    if signed_data["version"].native not in versions:
        raise Malformed(f"CMS: SignedData {signed_data['version'].native}")
    payload = encapsulated["content"].native
    if not isinstance(payload, bytes):
        raise Malformed("CMS: no content")
    return payload, content_type.native


def _algorithms(signer: Asn1) -> tuple[str, str]:
    """Return hash and signature kind; digest and signature algorithm must agree."""
    digest = signer["digest_algorithm"]["algorithm"].native
    signature = signer["signature_algorithm"]
    kind = signature.signature_algo
    hash_name = (
        signature.hash_algo if signature["algorithm"].native != "rsassa_pkcs1v15" else digest
    )
    if digest not in _HASHES or hash_name != digest or kind not in {"ecdsa", "rsassa_pkcs1v15"}:
        raise Refused(Refusal.ALGORITHM, f"{kind} with {digest}")
    return digest, kind


def _attributes(signer: Asn1) -> dict[str, Any]:
    """Return the signed attributes, each of which has exactly one value."""
    attributes: dict[str, Any] = {}
    for attribute in signer["signed_attrs"]:
        name = attribute["type"].native
        if name in attributes:
            raise Malformed(f"CMS: attribute {name} twice")
        values = attribute["values"]
        attributes[name] = values[0].native if len(values) == 1 else None
    if not attributes:
        raise Malformed("CMS: no signed attributes")
    return attributes


def _certificates(signed_data: Asn1) -> tuple[bytes, ...]:
    chosen = [
        choice.chosen for choice in signed_data["certificates"] if choice.name == "certificate"
    ]
    if len(chosen) > MAX_CERTIFICATES:
        raise Malformed(f"CMS: {len(chosen)} certificates")
    return tuple(certificate.dump() for certificate in chosen)
