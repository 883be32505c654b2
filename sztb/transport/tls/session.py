"""One TLS or DTLS session on GnuTLS.

The library's clock is not used. Its retransmission window is zero, and it sends a flight again
whenever it asks whether input will come and hears that time is up; *when* it hears that is decided
here, by the caller's `now` (RFC 6347 4.2.4.1).
"""

from sztb.codepoints.tls import Alert
from sztb.errors import Misuse
from sztb.transport.tls import alerts, gnutls
from sztb.transport.tls.engine import Closed, Established, Event, Received
from sztb.transport.tls.errors import LinkFailed
from sztb.transport.tls.gnutls import CData, ffi, lib
from sztb.transport.tls.records import RECORD_OVERHEAD, is_one_record, share_datagrams
from sztb.transport.tls.wire import Wire

FIRST_RETRANSMISSION = 1.0  # seconds; doubles each time (RFC 6347 4.2.4.1)
LAST_RETRANSMISSION = 60.0
MAX_RECORD = 1 << 14

_MAX_STEPS = 64  # calls into the library for one input that bring neither data nor an end
_WAITING = (gnutls.E_AGAIN, gnutls.E_INTERRUPTED)


class GnutlsSession:
    """A `TlsSession`; made by an engine, which has configured the library's object."""

    __slots__ = (
        "_buffer", "_c", "_datagram", "_deadline", "_discarded", "_engine", "_established",
        "_events", "_interval", "_max_datagram", "_max_payload", "_peer_chain",
        "_record_limit", "_wire",
    )  # fmt: skip

    def __init__(
        self,
        c: CData,
        engine: object,
        buffer: CData,
        max_datagram: int | None,
        record_limit: int | None,
    ) -> None:
        """Take over a configured session.

        Args:
            c: a `gnutls_session_t` that frees itself, owned by this object from now on.
            engine: whoever holds what the session refers to; kept alive.
            buffer: scratch space of `MAX_RECORD` bytes, shared by the sessions of one thread.
            max_datagram: most bytes in a datagram; None for a stream.
            record_limit: most bytes of plaintext in a record to the peer, where it said so.
        """
        self._c = c
        self._engine = engine
        self._buffer = buffer
        self._datagram = max_datagram is not None
        self._max_datagram = max_datagram or 0
        self._record_limit = record_limit or MAX_RECORD
        self._wire = Wire(datagram=self._datagram)
        self._wire.attach(c)
        self._events: list[Event] = []
        self._established = False
        self._peer_chain: tuple[bytes, ...] = ()
        self._max_payload = 0
        self._discarded = 0
        self._interval = FIRST_RETRANSMISSION
        self._deadline: float | None = None

    @property
    def established(self) -> bool:
        """Whether the handshake is complete and the link open."""
        return self._established

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The chain the peer presented, unverified."""
        return self._peer_chain

    @property
    def max_payload(self) -> int:
        """Most bytes that one `send` takes on a datagram session."""
        return self._max_payload

    @property
    def channel_binding(self) -> bytes | None:
        """The tls-unique value while the link is open; None under TLS 1.3 (RFC 8446 C.5)."""
        if not self._established:
            return None
        found: CData = ffi.new("gnutls_datum_t *")
        kind = gnutls.CHANNEL_BINDING_TLS_UNIQUE
        if lib.gnutls_session_channel_binding(self._c, kind, found) < 0:
            return None
        value = gnutls.datum_bytes(found)
        lib.gnutls_free(found.data)
        return value

    @property
    def application_protocol(self) -> str | None:
        """The protocol chosen by ALPN, while the link is open."""
        found = ffi.new("gnutls_datum_t *")
        if not self._established or lib.gnutls_alpn_get_selected_protocol(self._c, found) < 0:
            return None
        return gnutls.datum_bytes(found).decode("ascii", "replace")

    @property
    def failed_records(self) -> int:
        """Records dropped since the handshake: not authentic, copies, or of another epoch."""
        if not self._established:
            return 0
        return int(lib.gnutls_record_get_discarded(self._c)) - self._discarded

    def start(self, now: float) -> None:
        """Begin the handshake: a client's first flight goes out."""
        self._handshake(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one datagram, or a piece of the stream (empty bytes: the stream ended)."""
        if self._c is None:
            return
        if data:
            self._wire.incoming.append(data)
        else:
            self._wire.ended = not self._datagram
        is_data = self._established and self._datagram
        if not self._established:
            self._handshake(now)
        if self._established:
            self._read(only_one=is_data and is_one_record(data))
        if self._datagram:
            self._wire.clear()  # what the library did not even look at

    def send(self, data: bytes) -> None:
        """Protect application data; see `TlsSession.send`."""
        if not self._established:
            raise Misuse("the link is not open")
        if self._datagram and len(data) > self._max_payload:
            raise Misuse(f"{len(data)} bytes where a record takes {self._max_payload}")
        rest = memoryview(data)
        while rest:
            sent = lib.gnutls_record_send(self._c, ffi.from_buffer(rest), len(rest))
            if sent == gnutls.E_LARGE_PACKET:
                raise Misuse(f"{len(data)} bytes are more than a record takes")
            if sent < 0:
                self._fail(sent)
                return
            rest = rest[sent:]

    def take_outgoing(self) -> list[bytes]:
        """Return and forget what must go out."""
        outgoing, self._wire.outgoing = self._wire.outgoing, []
        if len(outgoing) < 2 or not self._datagram or self._c is None:
            return outgoing
        # A peer that asked for small records has small buffers.
        size = self._record_size() + RECORD_OVERHEAD
        return share_datagrams(outgoing, min(size, self._max_datagram))

    def next_event(self) -> Event | None:
        """Return and forget the oldest event."""
        return self._events.pop(0) if self._events else None

    def next_deadline(self) -> float | None:
        """When the last flight has to go out again."""
        return self._deadline

    def handle_timeout(self, now: float) -> None:
        """Send the last flight again if it is time."""
        if self._deadline is None or now < self._deadline:
            return
        interval = min(self._interval * 2, LAST_RETRANSMISSION)
        self._wire.time_is_up = True
        self._handshake(now)
        if self._deadline is not None:
            self._interval = interval
            self._deadline = now + interval

    def export(self, label: str, length: int) -> bytes:
        """Return keying material (RFC 5705 4, no context)."""
        if not self._established:
            raise Misuse("the link is not open")
        out = ffi.new("char[]", length)
        name = label.encode("ascii")
        error = lib.gnutls_prf_rfc5705(self._c, len(name), name, 0, ffi.NULL, length, out)
        if error < 0:
            raise Misuse(f"keying material: {gnutls.message(error)}")
        return bytes(ffi.buffer(out))

    def close(self) -> None:
        """Send close_notify if there is a link to close, and free the session."""
        if self._established:
            lib.gnutls_bye(self._c, gnutls.SHUT_WR)
        self._free()

    def _handshake(self, now: float) -> None:
        already = len(self._wire.outgoing)
        for _ in range(_MAX_STEPS):
            self._wire.starved = False
            result = lib.gnutls_handshake(self._c)
            self._wire.time_is_up = False
            if result == 0:
                self._finish()
                return
            if self._is_end(result):
                return
            if result in _WAITING and self._wire.starved:
                break
        if self._datagram and (self._deadline is None or len(self._wire.outgoing) > already):
            self._interval = FIRST_RETRANSMISSION
            self._deadline = now + self._interval

    def _finish(self) -> None:
        self._established = True
        self._deadline = None
        self._peer_chain = self._read_peer_chain()
        self._discarded = lib.gnutls_record_get_discarded(self._c)
        self._max_payload = self._record_size()
        if self._datagram:
            self._max_payload = min(self._max_payload, lib.gnutls_dtls_get_data_mtu(self._c))
        self._events.append(Established())

    def _record_size(self) -> int:
        return min(int(lib.gnutls_record_get_max_size(self._c)), self._record_limit)

    def _read_peer_chain(self) -> tuple[bytes, ...]:
        count = ffi.new("unsigned int *")
        certificates = lib.gnutls_certificate_get_peers(self._c, count)
        return tuple(gnutls.datum_bytes(certificates[index]) for index in range(count[0]))

    def _read(self, *, only_one: bool = False) -> None:
        """Take in what has come; with `only_one` there is no second record worth asking for."""
        steps = 0
        while steps < _MAX_STEPS:
            self._wire.starved = False
            result = lib.gnutls_record_recv(self._c, self._buffer, MAX_RECORD)
            if result > 0:
                self._events.append(Received(bytes(ffi.buffer(self._buffer, result))))
                if only_one:
                    return
                continue
            if result == 0:
                self._end(None)
            elif result == gnutls.E_REHANDSHAKE:  # refused, as RFC 5246 7.2.2 allows
                lib.gnutls_alert_send(self._c, gnutls.ALERT_WARNING, Alert.NO_RENEGOTIATION)
            if self._is_end(result) or (result in _WAITING and self._wire.starved):
                return
            steps += 1

    def _is_end(self, result: int) -> bool:
        """Act on what the library returned; say whether the session is over."""
        if self._c is None:
            return True
        if lib.gnutls_error_is_fatal(result):
            self._fail(result)
        return self._c is None

    def _fail(self, error: int) -> None:
        self._end(alerts.exchange(self._c, error))

    def _end(self, error: LinkFailed | None) -> None:
        self._events.append(Closed(error))
        self._free()

    def _free(self) -> None:
        if self._c is None:
            return
        ffi.release(self._c)
        self._c = None
        self._deadline = None
        self._established = False
        self._wire.clear()
