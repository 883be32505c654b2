"""The engines on GnuTLS: credentials and priorities once, sessions from them.

Suites (cbrski.md 4.1): a DTLS client offers what the profile demands and nothing else; a DTLS
server also takes other ECDHE-ECDSA AEAD suites, for normal clients; streams take the AEAD suites
with forward secrecy of TLS 1.2 and 1.3.
"""

from sztb.errors import Misuse
from sztb.transport.tls import gnutls
from sztb.transport.tls.client_hello import record_limit
from sztb.transport.tls.config import ClientTls, ServerTls
from sztb.transport.tls.cookies import Cookies
from sztb.transport.tls.credentials import Credentials
from sztb.transport.tls.engine import Challenge
from sztb.transport.tls.gnutls import CData, ffi, lib
from sztb.transport.tls.session import MAX_RECORD, GnutlsSession
from sztb.transport.tls.wire import free

# P-07: what GnuTLS's own levels leave out, AES-128-CCM-8 above all, has to be named one by one.
_DTLS_CLIENT = (
    "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-CCM-8:+AEAD:+GROUP-SECP256R1"
    ":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-EDDSA-ED25519"
)
_DTLS_SERVER = (
    "NONE:+VERS-DTLS1.2:+ECDHE-ECDSA:+AES-128-CCM-8:+AES-128-CCM:+AES-256-CCM-8:+AES-256-CCM"
    ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AEAD"
    ":+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-X25519"
    ":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-EDDSA-ED25519"
)
_STREAM = (
    "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+ECDHE-RSA"
    ":+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-CCM:+AES-128-CCM-8:+AEAD"
    ":+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-X25519"
    ":+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384:+SIGN-ECDSA-SECP256R1-SHA256"
    ":+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-EDDSA-ED25519"
    ":+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384"
)
_X509 = ":+CTYPE-X509"
_SERVER_BOTH = ":+CTYPE-SRV-X509:+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509"
_SERVER_RAWPK = ":+CTYPE-SRV-RAWPK:+CTYPE-CLI-X509"

MAX_HANDSHAKE_MESSAGE = 32 * 1024  # bytes: eight certificates, with room to spare

_NO_LIMIT_MS = 7 * 24 * 3600 * 1000  # our own deadlines end handshakes


class _Engine:
    """What client and server have in common; holds what sessions refer to."""

    def __init__(self, priorities: str, credentials: Credentials, flags: int) -> None:
        self._priorities = _priorities(priorities)
        self._credentials = credentials
        self._flags = flags | gnutls.NONBLOCK | gnutls.NO_TICKETS | gnutls.NO_STATUS_REQUEST
        self._buffer = ffi.new("char[]", MAX_RECORD)

    @property
    def _datagram(self) -> bool:
        return bool(self._flags & gnutls.DATAGRAM)

    def _allocate(self, max_datagram: int, alpn: tuple[str, ...]) -> CData:
        allocated = ffi.new("gnutls_session_t *")
        error = lib.gnutls_init(allocated, self._flags)
        if error < 0:
            raise MemoryError(gnutls.message(error))
        c = ffi.gc(allocated[0], free)
        lib.gnutls_priority_set(c, self._priorities)
        lib.gnutls_credentials_set(c, gnutls.CERTIFICATE_CREDENTIALS, self._credentials.pointer)
        lib.gnutls_handshake_set_max_packet_length(c, MAX_HANDSHAKE_MESSAGE)
        if self._datagram:
            lib.gnutls_dtls_set_mtu(c, max_datagram)
            lib.gnutls_dtls_set_timeouts(c, 0, _NO_LIMIT_MS)
        elif alpn:
            protocols = [gnutls.datum(name.encode("ascii")) for name in alpn]
            array = ffi.new("gnutls_datum_t[]", [item[0] for item, _copy in protocols])
            lib.gnutls_alpn_set_protocols(c, array, len(protocols), 0)
        return c

    def _session(self, c: CData, max_datagram: int, record_limit: int | None) -> GnutlsSession:
        most = max_datagram if self._datagram else None
        return GnutlsSession(c, self, self._buffer, most, record_limit)


class ClientEngine(_Engine):
    """A `TlsEngine` for clients."""

    def __init__(self, config: ClientTls, *, datagram: bool) -> None:
        """Prepare sessions.

        Raises:
            Misuse: the identity cannot be used, or GnuTLS is too old.
        """
        raw = config.server_certificate_type == "raw-public-key"
        super().__init__(
            (_DTLS_CLIENT if datagram else _STREAM) + (_SERVER_RAWPK if raw else _X509),
            Credentials(config.identity),
            gnutls.CLIENT
            | gnutls.FORCE_CLIENT_CERT
            | (gnutls.DATAGRAM if datagram else 0)
            | (gnutls.ENABLE_RAWPK if raw else 0),
        )
        self._config = config

    def session(self, now: float) -> GnutlsSession:
        """Start a handshake; its first flight is in `take_outgoing`."""
        config = self._config
        c = self._allocate(config.max_datagram, config.alpn)
        if config.max_fragment_length is not None and self._datagram:  # P-08
            lib.gnutls_record_set_max_size(c, config.max_fragment_length)
        if config.server_name is not None:
            name = config.server_name.encode("idna")
            lib.gnutls_server_name_set(c, gnutls.NAME_DNS, name, len(name))
        session = self._session(c, config.max_datagram, config.max_fragment_length)
        session.start(now)
        return session


class ServerEngine(_Engine):
    """A `TlsEngine` for servers."""

    def __init__(self, config: ServerTls, *, datagram: bool) -> None:
        """Prepare sessions.

        Raises:
            Misuse: the identity cannot be used, or GnuTLS is too old.
        """
        super().__init__(
            (_DTLS_SERVER if datagram else _STREAM)
            + (_SERVER_BOTH if config.raw_public_key else _X509),
            Credentials(config.identity, raw_public_key=config.raw_public_key),
            gnutls.SERVER
            | (gnutls.DATAGRAM if datagram else 0)
            | (gnutls.ENABLE_RAWPK if config.raw_public_key else 0),
        )
        self._config = config

    def session(self, now: float) -> GnutlsSession:  # noqa: ARG002  it waits for the client
        """Wait for a client."""
        return self._session(self._configured(), self._config.max_datagram, None)

    def _configured(self) -> CData:
        c = self._allocate(self._config.max_datagram, self._config.alpn)
        # No CA names are in the credentials, so the request names none: any chain may come.
        request = gnutls.CERT_REQUESTS[self._config.client_certificate]
        lib.gnutls_certificate_server_set_request(c, request)
        return c


class DatagramServerEngine(ServerEngine):
    """A `DatagramAcceptor`: no session before the cookie is back (RFC 6347 4.2.1)."""

    def __init__(self, config: ServerTls, now: float, cookies: Cookies | None = None) -> None:
        """Prepare sessions.

        Args:
            config: what the server shows and asks for.
            now: starts the life of the first cookie secret; monotonic seconds.
            cookies: go on with these instead, so that no exchange in flight is hurt.

        Raises:
            Misuse: the identity cannot be used, or GnuTLS is too old.
        """
        super().__init__(config, datagram=True)
        self._cookies = cookies or Cookies(now)

    def reconfigured(self, config: ServerTls, now: float) -> "DatagramServerEngine":
        """Return an engine with another configuration that knows our cookies."""
        return DatagramServerEngine(config, now, self._cookies)

    def accept(self, hello: bytes, address: bytes, now: float) -> GnutlsSession | Challenge | None:
        """Answer a ClientHello; see `DatagramAcceptor.accept`."""
        proven = self._cookies.check(hello, address, now)
        if proven is None:
            datagram = self._cookies.challenge(hello, address)
            return None if datagram is None else Challenge(datagram)
        c = self._configured()
        lib.gnutls_dtls_prestate_set(c, proven.prestate)
        session = self._session(c, self._config.max_datagram, record_limit(hello))
        session.receive(hello, now)
        return session


def _priorities(text: str) -> CData:
    if lib.gnutls_check_version(gnutls.OLDEST_VERSION) == ffi.NULL:
        raise Misuse(f"GnuTLS {gnutls.OLDEST_VERSION.decode()} or later is needed")
    allocated = ffi.new("gnutls_priority_t *")
    error = lib.gnutls_priority_init(allocated, text.encode("ascii"), ffi.NULL)
    if error < 0:
        raise Misuse(f"TLS priorities: {gnutls.message(error)}")
    return ffi.gc(allocated[0], lib.gnutls_priority_deinit)
