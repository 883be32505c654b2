"""The error families of the whole suite and the one table that turns refusals into replies.

Four families: `Malformed` (not decodable), `Refused` (a rule is broken; one `Refusal` per rule),
`Unavailable` (try later), `Misuse` (our own bug). Replies have a CoAP and an HTTP column, so that
the transports do not drift apart (cbrski.md 5.4 and 10, est.md 4.2).
"""

from dataclasses import dataclass
from enum import Enum, auto

from sztb.codepoints.coap import Code


class Refusal(Enum):
    """Why something was refused: one member per rule."""

    # the envelope and the data in it
    MALFORMED = auto()
    SIGNATURE = auto()  # a signature that does not verify, seen where no role rule names it
    ALGORITHM = auto()
    CONTAINER = auto()  # a request where a voucher belongs, or the reverse
    NOT_A_KEY_WE_TAKE = auto()
    # certificates
    CERTIFICATE_PATH = auto()
    CERTIFICATE_DATES = auto()
    CERTIFICATE_PURPOSE = auto()
    CERTIFICATE_REVOKED = auto()
    NO_CLIENT_CERTIFICATE = auto()
    # pledge voucher-request at the registrar
    CONTENT_FORMAT = auto()
    ACCEPT = auto()
    PVR_SIGNATURE = auto()
    PVR_STALE = auto()
    OUTSTANDING = auto()
    NOT_PROXIMATE = auto()
    SERIAL_NUMBER = auto()
    NONCE = auto()
    IDEVID = auto()
    DEVICE_UNKNOWN = auto()
    VENDOR_NOT_ALLOWED = auto()
    REFUSED_BY_POLICY = auto()
    AUDIT_LOG = auto()
    FORMAT_UNAVAILABLE = auto()
    # what the MASA said, told on by the registrar (cbrski D26)
    MASA_FORBIDDEN = auto()
    MASA_NOT_FOUND = auto()
    MASA_NOT_ACCEPTABLE = auto()
    MASA_UNSUPPORTED = auto()
    MASA_FAILED = auto()  # it cannot be trusted or understood: an operator has to look
    # registrar voucher-request at the MASA
    RVR_SIGNATURE = auto()
    RVR_SIGNER = auto()
    IDEVID_ISSUER = auto()
    PRIOR_REQUEST = auto()
    NONCELESS = auto()
    DEVICE_BLOCKED = auto()
    NOT_AN_OWNER = auto()
    OWNED_BY_ANOTHER = auto()
    PIN_IS_MANUFACTURER = auto()
    REGISTRAR_CHAIN = auto()
    # voucher at the pledge
    VOUCHER_SIGNATURE = auto()
    EXPIRED = auto()
    NOT_YET_VALID = auto()
    ASSERTION = auto()
    NO_PIN = auto()
    PIN_MISMATCH = auto()
    NONCE_AND_EXPIRY = auto()
    REVOCATION_UNKNOWN = auto()
    # EST
    CLIENT_CERTIFICATE = auto()  # presented, and not acceptable for EST
    CSR = auto()
    CSR_SIGNATURE = auto()
    CSR_KEY = auto()
    CSR_SUBJECT = auto()
    OTHER_IDENTITY = auto()
    NOT_ENROLLABLE = auto()
    KEY_MISMATCH = auto()  # an answer that is not for our key
    # CoAP and HTTP
    BAD_OPTION = auto()
    NOT_FOUND = auto()
    METHOD = auto()
    TOO_LARGE = auto()
    BLOCK_MISSING = auto()
    PROXYING = auto()


class SztbError(Exception):
    """Base of everything this suite raises on purpose."""


class Malformed(SztbError):
    """Bytes that cannot be decoded as what they claim to be."""


class Refused(SztbError):
    """A rule of the standards or of local policy is broken.

    Attributes:
        refusal: the rule; replies are chosen by it, never by the text.
        detail: what was seen, for the log; short, no secrets.
    """

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        self.refusal = refusal
        self.detail = detail
        super().__init__(f"{refusal.name.lower().replace('_', ' ')}: {detail}" if detail
                         else refusal.name.lower().replace("_", " "))  # fmt: skip


class Unavailable(SztbError):
    """Cannot be done now; the same request may work later.

    Attributes:
        retry_after: seconds until trying again makes sense.
    """

    def __init__(self, detail: str, retry_after: int = 20) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class Misuse(SztbError):
    """The program called its own parts wrongly; never caused by a peer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a refusal is told to the peer.

    Attributes:
        coap: CoAP response code.
        http: HTTP status.
        text: short diagnostic text for the peer, nothing secret.
        close: the secured connection is closed once the reply is out (cbrski.md 5.4, D11).
    """

    coap: Code
    http: int
    text: str
    close: bool = False


_BAD = (Code.BAD_REQUEST, 400)
_UNAUTHORIZED = (Code.UNAUTHORIZED, 401)
_FORBIDDEN = (Code.FORBIDDEN, 403)
_NOT_FOUND = (Code.NOT_FOUND, 404)
_NOT_ACCEPTABLE = (Code.NOT_ACCEPTABLE, 406)

REPLY: dict[Refusal, Reply] = {  # cbrski.md 5.4 and 10, est.md 4.2
    Refusal.MALFORMED: Reply(*_BAD, "malformed"),
    Refusal.SIGNATURE: Reply(*_FORBIDDEN, "signature does not verify"),
    Refusal.ALGORITHM: Reply(*_BAD, "signature algorithm not accepted"),
    Refusal.CONTAINER: Reply(*_BAD, "not a voucher-request"),
    Refusal.NOT_A_KEY_WE_TAKE: Reply(*_BAD, "key type not accepted"),
    Refusal.CERTIFICATE_PATH: Reply(*_NOT_FOUND, "certificate not accepted"),
    Refusal.CERTIFICATE_DATES: Reply(*_NOT_FOUND, "certificate not valid at this time"),
    Refusal.CERTIFICATE_PURPOSE: Reply(*_FORBIDDEN, "certificate lacks a required purpose"),
    Refusal.CERTIFICATE_REVOKED: Reply(*_FORBIDDEN, "certificate revoked"),
    Refusal.NO_CLIENT_CERTIFICATE: Reply(*_UNAUTHORIZED, "client certificate required"),
    Refusal.CONTENT_FORMAT: Reply(  # cbrski D6
        Code.UNSUPPORTED_CONTENT_FORMAT, 415, "content format not understood"
    ),
    Refusal.ACCEPT: Reply(*_NOT_ACCEPTABLE, "no acceptable format"),
    Refusal.PVR_SIGNATURE: Reply(*_FORBIDDEN, "voucher-request signature does not verify"),
    Refusal.PVR_STALE: Reply(*_FORBIDDEN, "voucher-request is stale"),
    Refusal.OUTSTANDING: Reply(*_FORBIDDEN, "another voucher is outstanding"),
    Refusal.NOT_PROXIMATE: Reply(*_UNAUTHORIZED, "not this registrar", close=True),
    Refusal.SERIAL_NUMBER: Reply(*_BAD, "serial-number does not match"),
    Refusal.NONCE: Reply(*_BAD, "nonce missing or wrong"),
    Refusal.IDEVID: Reply(*_NOT_FOUND, "device identity not accepted"),
    Refusal.DEVICE_UNKNOWN: Reply(*_NOT_FOUND, "device not known"),
    Refusal.VENDOR_NOT_ALLOWED: Reply(*_FORBIDDEN, "manufacturer not allowed"),
    Refusal.REFUSED_BY_POLICY: Reply(*_NOT_ACCEPTABLE, "device refused"),
    Refusal.AUDIT_LOG: Reply(*_NOT_ACCEPTABLE, "device history not accepted"),
    Refusal.FORMAT_UNAVAILABLE: Reply(*_NOT_ACCEPTABLE, "voucher format not available"),
    Refusal.MASA_FORBIDDEN: Reply(*_FORBIDDEN, "refused by the MASA"),
    Refusal.MASA_NOT_FOUND: Reply(*_NOT_FOUND, "device not known to the MASA"),
    Refusal.MASA_NOT_ACCEPTABLE: Reply(*_NOT_ACCEPTABLE, "MASA has no acceptable voucher"),
    Refusal.MASA_UNSUPPORTED: Reply(
        Code.UNSUPPORTED_CONTENT_FORMAT, 415, "MASA does not understand the request"
    ),
    Refusal.MASA_FAILED: Reply(Code.BAD_GATEWAY, 502, "MASA cannot be used"),
    Refusal.RVR_SIGNATURE: Reply(*_FORBIDDEN, "voucher-request signature does not verify"),
    Refusal.RVR_SIGNER: Reply(*_FORBIDDEN, "signer is not a registrar (cmcRA)"),
    Refusal.IDEVID_ISSUER: Reply(*_NOT_FOUND, "idevid-issuer missing or not ours"),
    Refusal.PRIOR_REQUEST: Reply(*_FORBIDDEN, "prior-signed-voucher-request not accepted"),
    Refusal.NONCELESS: Reply(*_FORBIDDEN, "nonceless voucher not allowed"),
    Refusal.DEVICE_BLOCKED: Reply(*_FORBIDDEN, "device blocked"),
    Refusal.NOT_AN_OWNER: Reply(*_NOT_FOUND, "no voucher was issued to this domain"),
    Refusal.OWNED_BY_ANOTHER: Reply(*_FORBIDDEN, "device belongs to another domain"),
    Refusal.PIN_IS_MANUFACTURER: Reply(*_FORBIDDEN, "registrar is under the manufacturer's CA"),
    Refusal.REGISTRAR_CHAIN: Reply(*_FORBIDDEN, "registrar certificate chain not accepted"),
    Refusal.VOUCHER_SIGNATURE: Reply(*_FORBIDDEN, "voucher signature does not verify"),
    Refusal.EXPIRED: Reply(*_FORBIDDEN, "expired"),
    Refusal.NOT_YET_VALID: Reply(*_FORBIDDEN, "not yet valid"),
    Refusal.ASSERTION: Reply(*_FORBIDDEN, "assertion not accepted"),
    Refusal.NO_PIN: Reply(*_FORBIDDEN, "no pin"),
    Refusal.PIN_MISMATCH: Reply(*_FORBIDDEN, "pin does not match"),
    Refusal.NONCE_AND_EXPIRY: Reply(*_BAD, "nonce and expires-on together"),
    Refusal.REVOCATION_UNKNOWN: Reply(*_FORBIDDEN, "revocation cannot be checked"),
    Refusal.CLIENT_CERTIFICATE: Reply(*_UNAUTHORIZED, "client certificate not accepted"),
    Refusal.CSR: Reply(*_BAD, "certification request not accepted"),
    Refusal.CSR_SIGNATURE: Reply(*_BAD, "certification request signature does not verify"),
    Refusal.CSR_KEY: Reply(*_BAD, "key type or size not accepted"),
    Refusal.CSR_SUBJECT: Reply(*_BAD, "subject not accepted"),
    Refusal.OTHER_IDENTITY: Reply(*_FORBIDDEN, "identity of another device"),
    Refusal.NOT_ENROLLABLE: Reply(*_FORBIDDEN, "client may not enrol"),
    Refusal.KEY_MISMATCH: Reply(*_BAD, "certificate is for another key"),
    Refusal.BAD_OPTION: Reply(Code.BAD_OPTION, 400, "option not understood"),
    Refusal.NOT_FOUND: Reply(*_NOT_FOUND, "no such resource"),
    Refusal.METHOD: Reply(Code.METHOD_NOT_ALLOWED, 405, "method not allowed"),
    Refusal.TOO_LARGE: Reply(Code.REQUEST_ENTITY_TOO_LARGE, 413, "too large"),
    Refusal.BLOCK_MISSING: Reply(  # RFC 7959 2.9.2
        Code.REQUEST_ENTITY_INCOMPLETE, 400, "blocks missing or out of order"
    ),
    Refusal.PROXYING: Reply(Code.PROXYING_NOT_SUPPORTED, 404, "not a proxy"),  # RFC 7252 5.10.2
}
