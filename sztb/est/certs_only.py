"""PKCS#7 certs-only: certificates in a SignedData that nobody signed (RFC 5272 4.1, est.md 8).

The library's writer gives exactly the bytes wanted. Its reader is not used: it takes bytes after
the message and really signed ones, and loses strictness on the first set that is not sorted.
"""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from sztb.encoding import der
from sztb.encoding.der import Element
from sztb.errors import Malformed
from sztb.pki import certificates

MAX_CERTIFICATES = 32

_DATA = "1.2.840.113549.1.7.1"  # RFC 5652 4
_SIGNED_DATA = "1.2.840.113549.1.7.2"  # RFC 5652 5.1
_CERTIFICATES = der.context(0)
_CRLS = der.context(1)


def encode_certs_only(certs: Sequence[x509.Certificate]) -> bytes:
    """Write certificates, at least one, in DER; the set is sorted and its order means nothing."""
    return pkcs7.serialize_certificates(list(certs), serialization.Encoding.DER)


def decode_certs_only(data: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a certs-only message, in the order they stand there.

    Unsorted sets and BER lengths are taken (est D11), CRLs are skipped. The certificates
    themselves must be DER.

    Args:
        data: ContentInfo, at most 65536 bytes.

    Raises:
        Malformed: anything else, as there are: bytes after it, a signer, content, no certificate,
            a bare certificate, more than 32 certificates (E-20).
    """
    content_info = der.children(der.read(data, ber=True).expect(der.SEQUENCE), ber=True)
    if len(content_info) != 2 or der.oid(content_info[0]) != _SIGNED_DATA:
        raise Malformed("not a PKCS#7 SignedData")
    [signed_data] = _children(content_info[1], der.context(0), count=1)
    members = _children(signed_data, der.SEQUENCE)
    if len(members) not in {5, 6}:
        raise Malformed("certs-only: members missing or too many")
    version, digests, encapsulated, certs, *crls, signers = members
    if not 1 <= der.integer(version) <= 5:  # RFC 5652 5.1
        raise Malformed("SignedData version")
    digests.expect(der.SET)
    for optional in crls:
        optional.expect(_CRLS)
    _check_empty(encapsulated, signers)
    return _load(_children(certs, _CERTIFICATES))


def _children(element: Element, tag: int, count: int | None = None) -> tuple[Element, ...]:
    found = der.children(element.expect(tag), ber=True)
    if count is not None and len(found) != count:
        raise Malformed(f"certs-only: {len(found)} elements where {count} belong")
    return found


def _check_empty(encapsulated: Element, signers: Element) -> None:
    """Refuse a message that carries something or is signed: that is another kind of message."""
    [content_type] = _children(encapsulated, der.SEQUENCE, count=1)
    if der.oid(content_type) != _DATA:
        raise Malformed("certs-only: content type is not data")
    _children(signers, der.SET, count=0)


def _load(found: Sequence[Element]) -> tuple[x509.Certificate, ...]:
    if not 1 <= len(found) <= MAX_CERTIFICATES:
        raise Malformed(f"certs-only with {len(found)} certificates")
    return tuple(certificates.load(one.expect(der.SEQUENCE).raw) for one in found)
