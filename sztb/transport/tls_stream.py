"""TLS over TCP on our engine: an asyncio protocol below, an asyncio transport above.

asyncio's own TLS verifies client certificates against known CAs or does not ask for them at all.
This one hands up the chain of whoever connects (cbrski.md 9.3: registrars of unknown CAs).
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from sztb.transport.tls.engine import Closed, Established, Received, TlsEngine, TlsSession
from sztb.transport.tls.errors import LinkFailed

_RECEIVE_BYTES = 64 * 1024

ApplicationProtocol = asyncio.Protocol
MakeProtocol = Callable[[], ApplicationProtocol]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much strangers may cost.

    Attributes:
        connections: at once; more are dropped before the handshake.
        handshake_seconds: from the TCP connection to the end of the handshake.
        closing_seconds: for a peer that does not read what is still to be sent.
    """

    connections: int = 1000
    handshake_seconds: float = 10.0
    closing_seconds: float = 10.0


class TlsStreams:
    """Makes the protocol of each TCP connection; knows the connections that are open."""

    def __init__(
        self, engine: TlsEngine, make_protocol: MakeProtocol, limits: StreamLimits
    ) -> None:
        """Serve from the running loop.

        Args:
            engine: starts a session for each connection.
            make_protocol: makes what speaks on an established session.
            limits: what strangers may cost.
        """
        self.engine = engine
        self.make_protocol = make_protocol
        self.limits = limits
        self.buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self.open: set[TlsStream] = set()

    def __call__(self) -> "TlsStream":
        """Return the protocol for a new TCP connection."""
        return TlsStream(self)

    def abort_handshakes(self) -> None:
        """Drop the connections on which nobody has spoken yet."""
        for stream in list(self.open):
            if not stream.established:
                stream.abort()


class TlsStream(asyncio.BufferedProtocol):
    """One TCP connection: feeds a session, and the application's protocol from it.

    All connections receive into one buffer, which is read before the next one is looked at.
    """

    def __init__(self, streams: TlsStreams) -> None:
        self._streams = streams
        self._loop = asyncio.get_running_loop()
        self._session: TlsSession | None = None
        self._tcp: asyncio.Transport | None = None
        self._transport: TlsTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._error: ConnectionError | None = None
        self.closing = False

    @property
    def established(self) -> bool:
        """Whether the application has the connection."""
        return self._transport is not None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake, unless there are too many connections."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream, for the types
        limits = self._streams.limits
        if len(self._streams.open) >= limits.connections:
            transport.abort()
            return
        self._streams.open.add(self)
        self._tcp = transport
        self._session = self._streams.engine.session(self._loop.time())
        self._deadline = self._loop.call_later(limits.handshake_seconds, self.abort)
        self._pump()

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to receive."""
        return self._streams.buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt what was received."""
        if self._session is not None:
            self._session.receive(bytes(self._streams.buffer[:nbytes]), self._loop.time())
            self._pump()

    @override
    def eof_received(self) -> bool:
        """End the session: a truncated stream is an error, after close_notify it is none."""
        if self._session is not None:
            self._session.receive(b"", self._loop.time())
            self._pump()
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application."""
        self._streams.open.discard(self)
        self.closing = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._session is not None:
            self._session.close()
            self._session = None
        if self._transport is not None:
            self._transport.get_protocol().connection_lost(exc or self._error)
            self._transport = None

    @override
    def pause_writing(self) -> None:
        """Pass on that the peer does not read."""
        if self._transport is not None:
            self._transport.get_protocol().pause_writing()

    @override
    def resume_writing(self) -> None:
        """Pass on that the peer reads again."""
        if self._transport is not None:
            self._transport.get_protocol().resume_writing()

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if self._session is not None and not self.closing:
            self._session.send(data)
            self._pump()

    def close(self) -> None:
        """Say close_notify and close once everything is out."""
        if self.closing or self._tcp is None or self._session is None:
            return
        self.closing = True
        self._session.close()
        self._flush()
        self._tcp.close()
        self._deadline = self._loop.call_later(self._streams.limits.closing_seconds, self.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        self.closing = True
        if self._tcp is not None:
            self._tcp.abort()

    def fact(self, name: str) -> object:
        """Return what `TlsTransport.get_extra_info` tells."""
        if self._session is not None and name == "peer_chain":
            return self._session.peer_chain
        if self._session is not None and name == "tls_unique":
            return self._session.channel_binding
        if name == "sslcontext":  # by this aiohttp knows that the scheme is https
            return self._streams.engine
        return None if self._tcp is None else self._tcp.get_extra_info(name)

    @property
    def tcp(self) -> asyncio.Transport:
        """The TCP connection; there is one as long as the application has ours."""
        assert self._tcp is not None  # noqa: S101 - set before there is an application
        return self._tcp

    def _pump(self) -> None:
        session = self._session
        if session is None:
            return
        self._flush()
        while not self.closing and (event := session.next_event()) is not None:
            match event:
                case Received(data):
                    self._receive(data)
                case Established():
                    self._establish()
                case Closed(error):
                    self._end(error)

    def _flush(self) -> None:
        if self._session is None or self._tcp is None:
            return
        outgoing = self._session.take_outgoing()
        if outgoing and not self._tcp.is_closing():
            self._tcp.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def _establish(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        protocol = self._streams.make_protocol()
        self._transport = TlsTransport(self, protocol)
        protocol.connection_made(self._transport)

    def _receive(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.get_protocol().data_received(data)

    def _end(self, error: LinkFailed | None) -> None:
        """Act on the end of the session: nothing more comes, and what we write is not read."""
        if error is not None:  # asyncio's word for it
            self._error = ConnectionResetError(str(error))
        if self._transport is not None and error is None:
            self._transport.get_protocol().eof_received()
        self.close()


class TlsTransport(asyncio.Transport):
    """What the application writes to.

    ``get_extra_info`` knows, besides what TCP knows: ``peer_chain`` (DER certificates, end entity
    first, unverified; empty without any) and ``tls_unique`` (None under TLS 1.3).
    """

    def __init__(self, stream: TlsStream, protocol: ApplicationProtocol) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = protocol

    @override
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known about the connection."""
        value = self._stream.fact(name)
        return default if value is None else value

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol speak."""
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101 - a stream, for the types
        self._protocol = protocol

    @override
    def get_protocol(self) -> ApplicationProtocol:
        """Return the protocol that speaks."""
        return self._protocol

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        self._stream.write(bytes(data))

    @override
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Encrypt and send as few records as possible."""
        self._stream.write(b"".join(list_of_data))

    @override
    def close(self) -> None:
        """Say close_notify and close once everything is out."""
        self._stream.close()

    @override
    def abort(self) -> None:
        """Drop the connection at once."""
        self._stream.abort()

    @override
    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._stream.closing

    @override
    def is_reading(self) -> bool:
        """Whether data may arrive."""
        return self._stream.tcp.is_reading()

    @override
    def pause_reading(self) -> None:
        """Let TCP hold the peer back."""
        self._stream.tcp.pause_reading()

    @override
    def resume_reading(self) -> None:
        """Take data again."""
        self._stream.tcp.resume_reading()

    @override
    def get_write_buffer_size(self) -> int:
        """Bytes that TCP has not taken yet."""
        return self._stream.tcp.get_write_buffer_size()

    @override
    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Low and high water of the write buffer."""
        return self._stream.tcp.get_write_buffer_limits()

    @override
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol is told to pause."""
        self._stream.tcp.set_write_buffer_limits(high, low)

    @override
    def can_write_eof(self) -> bool:
        """TLS has no half-closed streams here."""
        return False
