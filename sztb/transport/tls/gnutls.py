"""The GnuTLS functions we call and their numbers, and nothing else (GnuTLS 3.7 or later).

The declarations are in `gnutls_h`. cffi in ABI mode: needs `libgnutls.so.30` from the distribution,
no headers and no compiler. The numbers below belong to the library's stable ABI (its `gnutls.h`,
`abstract.h`, `dtls.h`).
"""

from typing import Any

from . import _gnutls_abi

LIBRARY = "libgnutls.so.30"
OLDEST_VERSION = b"3.7.0"

SERVER = 1  # gnutls_init_flags_t
CLIENT = 1 << 1
DATAGRAM = 1 << 2
NONBLOCK = 1 << 3
FORCE_CLIENT_CERT = 1 << 9  # show our certificate whatever CAs the server names
NO_TICKETS = 1 << 10
ENABLE_RAWPK = 1 << 18
NO_STATUS_REQUEST = 1 << 24  # since 3.8; without meaning before

CERTIFICATE_CREDENTIALS = 1  # gnutls_credentials_type_t
CERT_REQUESTS = {"none": 0, "requested": 1, "required": 2}  # gnutls_certificate_request_t
FORMAT_DER = 0
KEY_DIGITAL_SIGNATURE = 128
SHUT_WR = 1
NAME_DNS = 1
CHANNEL_BINDING_TLS_UNIQUE = 0
RANDOM_KEY = 2
COOKIE_KEY_BYTES = 16
ALERT_WARNING = 1
ALERT_FATAL = 2

PK_ECDSA = 4  # gnutls_pk_algorithm_t
PK_ED25519 = 7
SIGN_ECDSA_SHA256 = 14  # gnutls_sign_algorithm_t
SIGN_ECDSA_SHA384 = 15
SIGN_EDDSA_ED25519 = 35
SIGN_ECDSA_SECP256R1_SHA256 = 37  # the TLS 1.3 names of the two above
SIGN_ECDSA_SECP384R1_SHA384 = 38
INFO_PK_ALGORITHM = 1  # flags of gnutls_privkey_info_func
INFO_SIGN_ALGORITHM = 1 << 1
INFO_HAVE_SIGN_ALGORITHM = 1 << 2
INFO_PK_ALGORITHM_BITS = 1 << 3

E_LARGE_PACKET = -7
E_FATAL_ALERT_RECEIVED = -12
E_AGAIN = -28
E_REHANDSHAKE = -37
E_PK_SIGN_FAILED = -46
E_NO_CERTIFICATE_FOUND = -49
E_INTERRUPTED = -52
E_SESSION_EOF = -328

CData = Any  # cffi objects have no static type

ffi: CData = _gnutls_abi.ffi
lib: CData = ffi.dlopen(LIBRARY)


def datum(data: bytes) -> tuple[CData, CData]:
    """Return a `gnutls_datum_t *` over a copy of `data`, and the copy that must outlive it."""
    copy = ffi.from_buffer(data)
    return ffi.new("gnutls_datum_t *", (ffi.cast("unsigned char *", copy), len(data))), copy


def datum_bytes(value: CData) -> bytes:
    """Return the bytes of a `gnutls_datum_t`."""
    return bytes(ffi.buffer(value.data, value.size))


def message(error: int) -> str:
    """Return the library's text for an error code."""
    text = ffi.string(lib.gnutls_strerror(error))
    return text.decode() if isinstance(text, bytes) else text
