"""Media types and CoAP Content-Formats, one row per format (cbrski.md 2, est.md 2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Media:
    """One representation format under its HTTP and its CoAP name.

    Attributes:
        media_type: type/subtype in lower case, without parameters.
        content_format: CoAP Content-Format number (16 bit), None where none is assigned.
        parameters: what we write after the media type, for example ``smime-type=certs-only``.
        older_names: media types accepted on input only.
    """

    media_type: str
    content_format: int | None
    parameters: str = ""
    older_names: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """The whole value of an HTTP Content-Type field."""
        return f"{self.media_type}; {self.parameters}" if self.parameters else self.media_type


LINK_FORMAT = Media("application/link-format", 40)  # RFC 6690 7.3
JSON = Media("application/json", 50)  # RFC 7252 12.3
CBOR = Media("application/cbor", 60)  # RFC 7252 12.3
MULTIPART_CORE = Media("application/multipart-core", 62)  # RFC 8710 4
SERVER_GENERATED_KEY = Media("application/pkcs7-mime", 280, "smime-type=server-generated-key")
CERTS_ONLY = Media("application/pkcs7-mime", 281, "smime-type=certs-only")  # RFC 9148 8.1
PKCS8 = Media("application/pkcs8", 284)  # RFC 9148 8.1
CSRATTRS = Media("application/csrattrs", 285)  # RFC 9148 8.1
PKCS10 = Media("application/pkcs10", 286)  # RFC 9148 8.1
PKIX_CERT = Media("application/pkix-cert", 287)  # RFC 9148 8.1
VOUCHER_COSE = Media(  # constrained-voucher 15.2, 15.3; cbrski D30
    "application/voucher+cose", 836, older_names=("application/voucher-cose+cbor",)
)
VOUCHER_CMS = Media("application/voucher-cms+json", None)  # RFC 8366 8.3
VOUCHER_JWS = Media("application/voucher-jws+json", None)  # draft-ietf-anima-jws-voucher

ALL = (
    LINK_FORMAT,
    JSON,
    CBOR,
    MULTIPART_CORE,
    SERVER_GENERATED_KEY,
    CERTS_ONLY,
    PKCS8,
    CSRATTRS,
    PKCS10,
    PKIX_CERT,
    VOUCHER_COSE,
    VOUCHER_CMS,
    VOUCHER_JWS,
)
_BY_CONTENT_FORMAT = {row.content_format: row for row in ALL if row.content_format is not None}


def by_content_format(number: int | None) -> Media | None:
    """Return the row of a Content-Format number, None when it is absent or unknown."""
    return None if number is None else _BY_CONTENT_FORMAT.get(number)


def by_media_type(value: str) -> Media | None:
    """Return the row of an HTTP Content-Type value, None when unknown.

    Compared on type/subtype, case-insensitive; parameters only tell the two
    ``application/pkcs7-mime`` rows apart (est.md 4.1).
    """
    name, _, parameters = value.partition(";")
    name = name.strip().lower()
    rows = [row for row in ALL if name == row.media_type or name in row.older_names]
    named = [row for row in rows if row.parameters and row.parameters in parameters.lower()]
    return next(iter(named or rows[-1:]), None)
