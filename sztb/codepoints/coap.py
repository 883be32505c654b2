"""CoAP codes, options, ports and time parameters (RFC 7252 12, RFC 7959, draft uri-path-abbrev)."""

from enum import IntEnum

COAP_PORT = 5683  # RFC 7252 6.1
COAPS_PORT = 5684  # RFC 7252 6.2


class Code(IntEnum):
    """Method and response codes, class in the upper three bits (RFC 7252 12.1)."""

    EMPTY = 0x00
    GET = 0x01
    POST = 0x02
    PUT = 0x03
    DELETE = 0x04
    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88
    CONFLICT = 0x89
    PRECONDITION_FAILED = 0x8C
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    INTERNAL_SERVER_ERROR = 0xA0
    NOT_IMPLEMENTED = 0xA1
    BAD_GATEWAY = 0xA2
    SERVICE_UNAVAILABLE = 0xA3
    GATEWAY_TIMEOUT = 0xA4
    PROXYING_NOT_SUPPORTED = 0xA5

    @property
    def dotted(self) -> str:
        """The usual spelling, for example ``2.04``."""
        return f"{self >> 5}.{self & 0x1F:02}"

    @property
    def is_success(self) -> bool:
        """True for the 2.xx codes."""
        return self >> 5 == 2


class Option(IntEnum):
    """Option numbers this project reads or writes (RFC 7252 5.10, RFC 7959 6)."""

    URI_HOST = 3
    ETAG = 4
    URI_PORT = 7
    URI_PATH = 11
    CONTENT_FORMAT = 12
    URI_PATH_ABBREV = 13  # draft-ietf-core-uri-path-abbrev, proposed number
    MAX_AGE = 14
    URI_QUERY = 15
    ACCEPT = 17
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60


DEFAULT_MAX_AGE = 60  # seconds, RFC 7252 5.10.5
ACK_TIMEOUT = 2.0  # seconds, RFC 7252 4.8
ACK_RANDOM_FACTOR = 1.5  # RFC 7252 4.8
MAX_RETRANSMIT = 4  # RFC 7252 4.8
DEFAULT_LEISURE = 5.0  # seconds, RFC 7252 4.8
NON_LIFETIME = 145.0  # seconds, RFC 7252 4.8.2
EXCHANGE_LIFETIME = 247.0  # seconds, RFC 7252 4.8.2
