"""The operations of BRSKI and EST: long name, short path, abbreviation, formats (cbrski.md 5.1)."""

from dataclasses import dataclass
from enum import Enum

from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.media import Media


@dataclass(frozen=True, slots=True)
class Row:
    """How one operation looks on the wire.

    Attributes:
        method: CoAP method; HTTP uses the method of the same name.
        root: ``brski`` or ``est``: the segment under ``/.well-known/``.
        long_name: the path segment over HTTPS.
        short_name: the path segment over CoAP.
        abbreviation: Uri-Path-Abbrev value (draft-ietf-core-uri-path-abbrev).
        rt: resource type of the link (constrained-voucher 15.1, RFC 9148 8.2).
        takes: request formats; empty for a request without payload.
        gives: response formats, the default first; empty for an empty answer.
    """

    method: Code
    root: str
    long_name: str
    short_name: str
    abbreviation: int
    rt: str
    takes: tuple[Media, ...] = ()
    gives: tuple[Media, ...] = ()


class Operation(Enum):
    """Every operation a pledge may ask of a registrar."""

    REQUEST_VOUCHER = Row(
        Code.POST, "brski", "requestvoucher", "rv", 402, "brski.rv",
        (media.VOUCHER_COSE,), (media.VOUCHER_COSE,),
    )  # fmt: skip
    VOUCHER_STATUS = Row(
        Code.POST, "brski", "voucher_status", "vs", 403, "brski.vs", (media.CBOR, media.JSON)
    )
    ENROLL_STATUS = Row(
        Code.POST, "brski", "enrollstatus", "es", 401, "brski.es", (media.CBOR, media.JSON)
    )
    # cbrski D8: without Accept the answer is 281
    CACERTS = Row(
        Code.GET, "est", "cacerts", "crts", 301, "ace.est.crts",
        (), (media.CERTS_ONLY, media.PKIX_CERT, media.MULTIPART_CORE),
    )  # fmt: skip
    SIMPLEENROLL = Row(
        Code.POST, "est", "simpleenroll", "sen", 302, "ace.est.sen",
        (media.PKCS10,), (media.CERTS_ONLY, media.PKIX_CERT),
    )  # fmt: skip
    SIMPLEREENROLL = Row(
        Code.POST, "est", "simplereenroll", "sren", 303, "ace.est.sren",
        (media.PKCS10,), (media.CERTS_ONLY, media.PKIX_CERT),
    )  # fmt: skip
    CSRATTRS = Row(Code.GET, "est", "csrattrs", "att", 306, "ace.est.att", (), (media.CSRATTRS,))
    SERVERKEYGEN = Row(
        Code.POST, "est", "serverkeygen", "skg", 304, "ace.est.skg",
        (media.PKCS10,), (media.MULTIPART_CORE,),
    )  # fmt: skip
    SERVERKEYGEN_CERT = Row(
        Code.POST, "est", "serverkeygen", "skc", 305, "ace.est.skc",
        (media.PKCS10,), (media.MULTIPART_CORE,),
    )  # fmt: skip

    @property
    def coap_path(self) -> tuple[str, str, str]:
        """The well-known CoAP path, for example ``(".well-known", "brski", "rv")``."""
        return (".well-known", self.value.root, self.value.short_name)

    @property
    def coap_long_path(self) -> tuple[str, str, str]:
        """The long name under the well-known root, which works over CoAP too (cbrski.md 12.3)."""
        return (".well-known", self.value.root, self.value.long_name)


# After discovery the same resources answer under one letter (cbrski.md 3.3).
SHORT_ROOTS = {"brski": "b", "est": "e"}

# draft-ietf-core-uri-path-abbrev, table of values
ABBREVIATED_PATHS: dict[int, tuple[str, ...]] = {0: (".well-known", "core")} | {
    operation.value.abbreviation: operation.coap_path for operation in Operation
}
