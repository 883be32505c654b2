"""EST answers over CoAP, where bodies are raw DER (RFC 9148 4.3, cbrski.md 5.1; X-14).

Each function takes or gives the body for one Content-Format; base64 and multipart/mixed of HTTP
are another layer's work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.codepoints import media, oid
from sztb.codepoints.media import Media
from sztb.encoding import multipart
from sztb.errors import Malformed, Refusal, Refused
from sztb.est.certs_only import decode_certs_only, encode_certs_only
from sztb.pki import certificates
from sztb.pki.csr import CertificationRequest
from sztb.pki.keys import FileKey, PublicKey, spki_der

__all__ = [
    "GeneratedKey",
    "asked_key_format",
    "decode_cacerts",
    "decode_certificates",
    "decode_certs_only",
    "decode_enrolled",
    "decode_serverkeygen",
    "encode_cacerts_multipart",
    "encode_certificate",
    "encode_certs_only",
    "encode_serverkeygen",
]


def encode_certificate(wanted: Media, certificate: x509.Certificate) -> bytes:
    """Write one certificate as PKIX_CERT or CERTS_ONLY: an enrol answer, or /crts with 287 (E-07).

    Raises:
        Refused: ACCEPT: another format is wanted.
    """
    if wanted == media.PKIX_CERT:
        return certificates.der(certificate)
    if wanted == media.CERTS_ONLY:
        return encode_certs_only((certificate,))
    raise Refused(Refusal.ACCEPT, wanted.media_type)


def decode_certificates(received: Media, body: bytes) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a PKIX_CERT or CERTS_ONLY body; none of them is trusted yet.

    Raises:
        Malformed: the body is not of that format.
        Refused: CONTENT_FORMAT: another format.
    """
    if received == media.PKIX_CERT:
        return (certificates.load(body),)
    if received == media.CERTS_ONLY:
        return decode_certs_only(body)
    raise Refused(Refusal.CONTENT_FORMAT, received.media_type)


def encode_cacerts_multipart(certs: Sequence[x509.Certificate]) -> bytes:
    """Write CA certificates as multipart-core, as ordered by `rollover.order_cacerts`."""
    return multipart.encode(
        [(_number(media.PKIX_CERT), certificates.der(certificate)) for certificate in certs]
    )


def decode_cacerts(received: Media, body: bytes) -> tuple[x509.Certificate, ...]:
    """Read the answer to /crts in any of its three formats (cbrski.md 5.3).

    Returns:
        At least one certificate, in the order of the body; the order carries meaning only in
        MULTIPART_CORE. What becomes an anchor is decided in `sztb.est.rollover`.

    Raises:
        Malformed: the body is not of that format.
        Refused: CONTENT_FORMAT: another format.
    """
    if received != media.MULTIPART_CORE:
        return decode_certificates(received, body)
    parts = multipart.decode(body)
    if not parts or any(number != media.PKIX_CERT.content_format for number, _ in parts):
        raise Malformed("cacerts: a part that is not a certificate, or none")
    return tuple(certificates.load(part) for _, part in parts)


def decode_enrolled(received: Media, body: bytes, public_key: PublicKey) -> x509.Certificate:
    """Pick the issued certificate out of an enrol answer by its public key, never by position.

    Args:
        received: PKIX_CERT or CERTS_ONLY.
        body: the answer.
        public_key: the key of our CSR.

    Returns:
        The certificate for that key (E-29), the one that starts latest if there are several. It
        is not validated yet.

    Raises:
        Malformed: the body is not of that format.
        Refused: CONTENT_FORMAT, or KEY_MISMATCH when no certificate is for our key.
    """
    wanted = spki_der(public_key)
    found = decode_certificates(received, body)
    ours = [one for one in found if certificates.spki(one) == wanted]
    if not ours:
        raise Refused(Refusal.KEY_MISMATCH, "no certificate for our key")
    return max(ours, key=lambda one: one.not_valid_before_utc)


@dataclass(frozen=True, slots=True)
class GeneratedKey:
    """What a server sends after it made the key itself (RFC 9148 4.8).

    Attributes:
        key_format: PKCS8 (in the clear), or SERVER_GENERATED_KEY (encrypted CMS).
        key: the private key in that format.
        certificates: one for that key, perhaps helpers beside it.
    """

    key_format: Media
    key: bytes
    certificates: tuple[x509.Certificate, ...]

    def open_plain(self) -> tuple[FileKey, x509.Certificate]:
        """Return the key and the certificate that belongs to it (E-35).

        Raises:
            Malformed: not a PKCS#8 key.
            Refused: FORMAT_UNAVAILABLE: it is encrypted; KEY_MISMATCH; NOT_A_KEY_WE_TAKE.
        """
        if self.key_format != media.PKCS8:
            raise Refused(Refusal.FORMAT_UNAVAILABLE, "the key is encrypted")
        key = FileKey.from_pkcs8_der(self.key)
        wanted = spki_der(key.public_key)
        for certificate in self.certificates:
            if certificates.spki(certificate) == wanted:
                return key, certificate
        raise Refused(Refusal.KEY_MISMATCH, "key and certificate do not belong together")


_KEY_FORMATS = (media.PKCS8, media.SERVER_GENERATED_KEY)
_CERTIFICATE_FORMATS = (media.CERTS_ONLY, media.PKIX_CERT)


def encode_serverkeygen(
    key_format: Media, key: bytes, certificate_format: Media, certificate: x509.Certificate
) -> bytes:
    """Write key and certificate as multipart-core: all four pairs of formats exist (est D16).

    Args:
        key_format: PKCS8 or SERVER_GENERATED_KEY.
        key: the private key in that format.
        certificate_format: CERTS_ONLY at /skg, PKIX_CERT at /skc.
        certificate: for that key.
    """
    body = encode_certificate(certificate_format, certificate)
    return multipart.encode([(_number(key_format), key), (_number(certificate_format), body)])


def decode_serverkeygen(body: bytes) -> GeneratedKey:
    """Read the two parts of a /skg or /skc answer, in any order (E-32).

    Raises:
        Malformed: not exactly one key and one certificate part.
    """
    parts = {media.by_content_format(number): part for number, part in multipart.decode(body)}
    keys = [one for one in _KEY_FORMATS if one in parts]
    certs = [one for one in _CERTIFICATE_FORMATS if one in parts]
    if len(parts) != 2 or len(keys) != 1 or len(certs) != 1:
        raise Malformed("serverkeygen: not one key and one certificate")
    return GeneratedKey(keys[0], parts[keys[0]], decode_certificates(certs[0], parts[certs[0]]))


def asked_key_format(request: CertificationRequest) -> Media:
    """Return how a client of /skg or /skc wants its key: PKCS8, or SERVER_GENERATED_KEY (E-32).

    Raises:
        Refused: CSR: SMIMECapabilities or one key identifier without the other, or both key
            identifiers (est D17).
    """
    names = {name for name, _ in request.attributes}
    identifiers = len(names & {oid.DECRYPT_KEY_ID, oid.ASYMMETRIC_DECRYPT_KEY_ID})
    capabilities = oid.SMIME_CAPABILITIES in names
    if identifiers == 0 and not capabilities:
        return media.PKCS8
    if identifiers == 1 and capabilities:
        return media.SERVER_GENERATED_KEY
    raise Refused(Refusal.CSR, "how to encrypt the key is not said completely")


def _number(row: Media) -> int:
    if row.content_format is None:
        raise Refused(Refusal.ACCEPT, row.media_type)
    return row.content_format
