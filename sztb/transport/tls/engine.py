"""What a TLS or DTLS engine offers, whatever library or version stands behind it.

Sans-I/O: bytes and the time go in; bytes, events and the next deadline come out. The shells in
`sztb.transport` own sockets and timers. `now` is a monotonic time in seconds.
"""

from dataclasses import dataclass
from typing import Protocol

from sztb.transport.tls.errors import LinkFailed


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is complete: the peer holds the key of the chain it presented."""


@dataclass(frozen=True, slots=True)
class Received:
    """Application data: one record of a datagram session, any piece of a stream."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """Nothing follows. `error` is None after the peer's close_notify."""

    error: LinkFailed | None


Event = Established | Received | Closed


class TlsSession(Protocol):
    """One side of one link. Not shared between tasks; never raises on what a peer sends."""

    @property
    def established(self) -> bool:
        """Whether the handshake is complete."""
        ...

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The chain the peer presented, DER, end entity first, unverified.

        Empty when it presented none; one SubjectPublicKeyInfo for a raw public key.
        """
        ...

    @property
    def channel_binding(self) -> bytes | None:
        """The tls-unique value (RFC 5929 3), where the version has one."""
        ...

    @property
    def application_protocol(self) -> str | None:
        """The protocol chosen by ALPN."""
        ...

    @property
    def max_payload(self) -> int:
        """Most bytes that one `send` takes on a datagram session."""
        ...

    @property
    def failed_records(self) -> int:
        """Records dropped because they were not authentic (R-41 limits them)."""
        ...

    def receive(self, data: bytes, now: float) -> None:
        """Take one datagram, or a piece of the stream (empty bytes: the stream ended)."""
        ...

    def send(self, data: bytes) -> None:
        """Protect application data.

        Raises:
            Misuse: not established, closed, or longer than `max_payload`.
        """
        ...

    def take_outgoing(self) -> list[bytes]:
        """Return and forget what must go out: datagrams, or pieces of the stream."""
        ...

    def next_event(self) -> Event | None:
        """Return and forget the oldest event."""
        ...

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        ...

    def handle_timeout(self, now: float) -> None:
        """Retransmit what is due."""
        ...

    def export(self, label: str, length: int) -> bytes:
        """Return keying material for `label` (RFC 5705 4, no context), `length` bytes."""
        ...

    def close(self) -> None:
        """Send close_notify (RFC 5246 7.2.1) and free what the session holds."""
        ...


class TlsEngine(Protocol):
    """Makes sessions of one configuration; holds its credentials once for all of them."""

    def session(self, now: float) -> TlsSession:
        """Start a handshake: a client's first flight is in `take_outgoing` at once."""
        ...


@dataclass(frozen=True, slots=True)
class Challenge:
    """What to send back to a ClientHello without a valid cookie; nothing is remembered."""

    datagram: bytes


class DatagramAcceptor(Protocol):
    """The server side of DTLS: keeps no state until an address has proved itself."""

    def accept(self, hello: bytes, address: bytes, now: float) -> TlsSession | Challenge | None:
        """Answer a datagram that opens a handshake.

        Args:
            hello: the datagram, a ClientHello.
            address: what the cookie is bound to: the peer's address and port, our port, and the
                JPY header where there is one (join-proxy.md 5).
            now: monotonic seconds.

        Returns:
            A session that has taken the hello when its cookie is good, a challenge when it has
            none, None when it is no acceptable ClientHello.
        """
        ...
