"""One TLS or DTLS session on GnuTLS.

The library's clock is not used. Its retransmission window is zero, and it sends a flight again
whenever it asks whether input will come and hears that time is up; *when* it hears that is decided
here, by the caller's `now` (RFC 6347 4.2.4.1).
"""

import errno
import logging
from collections import deque
from types import TracebackType
from typing import Any

from sztb.codepoints.tls import CONTENT_CHANGE_CIPHER_SPEC, CONTENT_HANDSHAKE, Alert
from sztb.errors import Misuse
from sztb.transport.tls import gnutls
from sztb.transport.tls.engine import Closed, Established, Event, Received
from sztb.transport.tls.errors import LinkFailed
from sztb.transport.tls.gnutls import ffi, lib

FIRST_RETRANSMISSION = 1.0  # seconds; doubles each time (RFC 6347 4.2.4.1)
LAST_RETRANSMISSION = 60.0
MAX_RECORD = 1 << 14

_MAX_STEPS = 64  # calls into the library per input that bring neither data nor an end
_FLIGHT = (CONTENT_CHANGE_CIPHER_SPEC, CONTENT_HANDSHAKE)
_WAITING = (gnutls.E_AGAIN, gnutls.E_INTERRUPTED)

_log = logging.getLogger(__name__)


class GnutlsSession:
    """A `TlsSession`; made by an engine, which has configured the library's object."""

    __slots__ = (
        "_buffer", "_c", "_datagram", "_deadline", "_discarded", "_ended", "_engine", "_established",
        "_events", "_handle", "_input", "_interval", "_max_datagram", "_max_payload", "_outgoing", "_peer_chain",
        "_time_is_up",
    )  # fmt: skip

    def __init__(self, c: Any, engine: object, buffer: Any, max_datagram: int | None) -> None:
        """Take over a configured session.

        Args:
            c: a `gnutls_session_t`, owned by this object from now on.
            engine: whoever holds what the session refers to; kept alive.
            buffer: scratch space of `MAX_RECORD` bytes, shared by one thread's sessions.
            max_datagram: most bytes in a datagram; None for a stream.
        """
        self._c = c
        self._engine = engine
        self._buffer = buffer
        self._datagram = max_datagram is not None
        self._max_datagram = max_datagram or 0
        self._input: deque[bytes] = deque()
        self._ended = False
        self._outgoing: list[bytes] = []
        self._events: deque[Event] = deque()
        self._established = False
        self._peer_chain: tuple[bytes, ...] = ()
        self._max_payload = 0
        self._discarded = 0
        self._interval = FIRST_RETRANSMISSION
        self._deadline: float | None = None
        self._time_is_up = False
        self._handle: Any = ffi.new_handle(self)
        lib.gnutls_transport_set_ptr(c, self._handle)
        lib.gnutls_transport_set_push_function(c, _push)
        lib.gnutls_transport_set_pull_function(c, _pull)
        lib.gnutls_transport_set_pull_timeout_function(c, _pull_timeout)

    @property
    def established(self) -> bool:
        """Whether the handshake is complete."""
        return self._established

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The chain the peer presented, unverified."""
        return self._peer_chain

    @property
    def max_payload(self) -> int:
        """Most bytes that one `send` takes."""
        return self._max_payload

    @property
    def channel_binding(self) -> bytes | None:
        """The tls-unique value while the session is open; None under TLS 1.3."""
        found = ffi.new("gnutls_datum_t *")
        if self._c is None or not self._established:
            return None
        kind = gnutls.CHANNEL_BINDING_TLS_UNIQUE
        if lib.gnutls_session_channel_binding(self._c, kind, found) < 0:
            return None
        value = gnutls.datum_bytes(found)
        lib.gnutls_free(found.data)
        return value

    @property
    def application_protocol(self) -> str | None:
        """The protocol chosen by ALPN."""
        found = ffi.new("gnutls_datum_t *")
        if self._c is None or lib.gnutls_alpn_get_selected_protocol(self._c, found) < 0:
            return None
        return gnutls.datum_bytes(found).decode("ascii", "replace")

    @property
    def failed_records(self) -> int:
        """Records dropped since the handshake: not authentic, replayed, or of another epoch."""
        if self._c is None or not self._established:
            return 0
        return int(lib.gnutls_record_get_discarded(self._c)) - self._discarded

    def start(self, now: float) -> None:
        """Begin the handshake: a client's first flight goes out."""
        self._handshake(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take one datagram, or a piece of the stream."""
        if self._c is None:
            return
        if data:
            self._input.append(data)
        else:
            self._ended = not self._datagram
        if not self._established:
            self._handshake(now)
        if self._established:
            self._read()
        if self._datagram:
            self._input.clear()  # what the library did not even look at

    def send(self, data: bytes) -> None:
        """Protect application data; see `TlsSession.send`."""
        if self._c is None or not self._established:
            raise Misuse("the link is not open")
        if self._datagram and len(data) > self._max_payload:
            raise Misuse(f"{len(data)} bytes where a record takes {self._max_payload}")
        view = memoryview(data)
        while view:
            sent = lib.gnutls_record_send(self._c, ffi.from_buffer(view), len(view))
            if sent < 0:
                self._fail(sent)
                return
            view = view[sent:]

    def take_outgoing(self) -> list[bytes]:
        """Return and forget what must go out."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_event(self) -> Event | None:
        """Return and forget the oldest event."""
        return self._events.popleft() if self._events else None

    def next_deadline(self) -> float | None:
        """When the last flight has to go out again."""
        return self._deadline

    def handle_timeout(self, now: float) -> None:
        """Send the last flight again if it is time."""
        if self._deadline is None or now < self._deadline:
            return
        interval = min(self._interval * 2, LAST_RETRANSMISSION)
        self._time_is_up = True
        self._handshake(now)
        self._time_is_up = False
        if self._deadline is not None:
            self._interval = interval
            self._deadline = now + interval

    def export(self, label: str, length: int) -> bytes:
        """Return keying material (RFC 5705 4, no context)."""
        if self._c is None or not self._established:
            raise Misuse("the link is not open")
        out = ffi.new("char[]", length)
        name = label.encode("ascii")
        error = lib.gnutls_prf_rfc5705(self._c, len(name), name, 0, ffi.NULL, length, out)
        if error < 0:
            raise Misuse(f"keying material: {gnutls.message(error)}")
        return bytes(ffi.buffer(out))

    def close(self) -> None:
        """Send close_notify if there is a link to close, and free the session."""
        if self._c is not None and self._established:
            lib.gnutls_bye(self._c, gnutls.SHUT_WR)
        self._free()

    def _handshake(self, now: float) -> None:
        for _ in range(_MAX_STEPS):
            result = lib.gnutls_handshake(self._c)
            if result == 0:
                self._finish()
                return
            if result in _WAITING:
                if not self._input:
                    break
            elif self._is_end(result):
                return
        if self._datagram and (self._outgoing or self._deadline is None):
            self._interval = FIRST_RETRANSMISSION
            self._deadline = now + self._interval

    def _finish(self) -> None:
        self._established = True
        self._deadline = None
        self._peer_chain = self._read_peer_chain()
        self._discarded = lib.gnutls_record_get_discarded(self._c)
        self._max_payload = lib.gnutls_record_get_max_size(self._c)
        if self._datagram:
            self._max_payload = min(self._max_payload, lib.gnutls_dtls_get_data_mtu(self._c))
        self._events.append(Established())

    def _read_peer_chain(self) -> tuple[bytes, ...]:
        count = ffi.new("unsigned int *")
        certificates = lib.gnutls_certificate_get_peers(self._c, count)
        return tuple(gnutls.datum_bytes(certificates[index]) for index in range(count[0]))

    def _read(self) -> None:
        steps = 0
        while steps < _MAX_STEPS:
            size = lib.gnutls_record_recv(self._c, self._buffer, MAX_RECORD)
            if size > 0:
                self._events.append(Received(bytes(ffi.buffer(self._buffer, size))))
                continue
            if size == 0:
                self._end(None)
                return
            if size in _WAITING and not self._input:
                return
            if size == gnutls.E_REHANDSHAKE:  # RFC 5746 is not enough: no renegotiation at all
                lib.gnutls_alert_send(self._c, gnutls.ALERT_WARNING, Alert.NO_RENEGOTIATION)
            elif size not in _WAITING and self._is_end(size):
                return
            steps += 1

    def _is_end(self, error: int) -> bool:
        """Act on a result other than "wait"; return whether the session is over."""
        if error == gnutls.E_WARNING_ALERT_RECEIVED:
            if lib.gnutls_alert_get(self._c) != Alert.CLOSE_NOTIFY:
                return False
            self._end(
                LinkFailed("closed by the peer in the handshake", Alert.CLOSE_NOTIFY, by_peer=True)
            )
            return True
        if not lib.gnutls_error_is_fatal(error):
            return False
        self._fail(error)
        return True

    def _fail(self, error: int) -> None:
        if error == gnutls.E_FATAL_ALERT_RECEIVED:
            alert = _alert(lib.gnutls_alert_get(self._c))
            name = "unknown" if alert is None else alert.name.lower()
            self._end(LinkFailed(f"alert from the peer: {name}", alert, by_peer=True))
            return
        level = ffi.new("int *")
        alert = _alert(lib.gnutls_error_to_alert(error, level))
        lib.gnutls_alert_send_appropriate(self._c, error)
        self._end(LinkFailed(gnutls.message(error).rstrip("."), alert))

    def _end(self, error: LinkFailed | None) -> None:
        self._events.append(Closed(error))
        self._free()

    def _free(self) -> None:
        if self._c is not None:
            ffi.release(self._c)
            self._c = self._handle = None
            self._deadline = None
            self._established = False
            self._input.clear()

    def _push(self, data: bytes) -> None:
        # A flight in few datagrams survives loss better than one datagram per record.
        last = self._outgoing[-1] if self._outgoing else b""
        if self._datagram and last and last[0] in _FLIGHT and data[0] in _FLIGHT:
            if len(last) + len(data) <= self._max_datagram:
                self._outgoing[-1] = last + data
                return
        self._outgoing.append(data)

    def _pull(self, size: int) -> bytes | None:
        if not self._input:
            return b"" if self._ended else None
        data = self._input.popleft()
        if len(data) > size:
            if not self._datagram:
                self._input.appendleft(data[size:])
            return data[:size]
        return data


def _alert(number: int) -> Alert | None:
    return Alert(number) if number in Alert else None


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
    _log.error("exception in a TLS callback", exc_info=(kind, error, trace))


@ffi.callback("gnutls_push_func", error=-1, onerror=_report)
def _push(session: Any, data: Any, size: int) -> int:
    ffi.from_handle(session)._push(bytes(ffi.buffer(data, size)))
    return size


@ffi.callback("gnutls_pull_func", error=-1, onerror=_report)
def _pull(session: Any, buffer: Any, size: int) -> int:
    data = ffi.from_handle(session)._pull(size)
    if data is None:
        ffi.errno = errno.EAGAIN
        return -1
    ffi.memmove(buffer, data, len(data))
    return len(data)


@ffi.callback("gnutls_pull_timeout_func", error=-1, onerror=_report)
def _pull_timeout(session: Any, _milliseconds: int) -> int:
    return int(not ffi.from_handle(session)._time_is_up)
