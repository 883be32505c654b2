"""One DTLS association, as its users see it. Sans-I/O: its owner carries the datagrams."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sztb.transport.tls.engine import Closed, Established, Received, TlsSession
from sztb.transport.tls.errors import LinkFailed
from sztb.transport.tls.records import SeenRecords, is_protected_traffic, record_number

Address = tuple[Any, ...]  # (host, port) or (host, port, flow, scope), as sockets have it
Key = tuple[Address, int, bytes | None]


class Path(NamedTuple):
    """Where a datagram came from and where its answer goes.

    Attributes:
        peer: the source address; for JPY that of the join proxy.
        local: the address it came to, which the answer leaves from.
        header: the JPY header, returned unchanged; None on plain UDP (join-proxy.md 5).
    """

    peer: Address
    local: Address
    header: bytes | None = None

    @property
    def key(self) -> Key:
        """What an association is found by (join-proxy.md 5)."""
        return (self.peer, self.local[1], self.header)

    @property
    def proof(self) -> bytes:
        """What a cookie is bound to: the key, as bytes."""
        return repr(self.key).encode()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much strangers may cost.

    Attributes:
        half_open_per_source: handshakes in progress per source address (JD8).
        half_open: handshakes in progress in all; beyond it the oldest goes (JD8).
        associations: established ones; beyond it the one that was silent longest goes.
        handshake_seconds: from a good cookie to the end of the handshake.
        idle_seconds: silence of the peer that ends an association.
        failed_records: records that are not authentic, per association (R-41).
    """

    half_open_per_source: int = 64
    half_open: int = 1024
    associations: int = 20_000
    handshake_seconds: float = 60.0
    idle_seconds: float = 600.0
    failed_records: int = 128


class AssociationHandler(Protocol):
    """Told what happens to associations, each call at once and in order."""

    def established(self, association: "Association") -> None:
        """The handshake is complete; the peer's chain is known and unverified."""
        ...

    def received(self, association: "Association", data: bytes) -> None:
        """One record of application data arrived."""
        ...

    def closed(self, association: "Association", error: Exception | None) -> None:
        """An established association ended, whoever ended it; said once.

        Args:
            association: takes no more data.
            error: None after close_notify or silence; a LinkFailed otherwise.
        """
        ...


class Owner(Protocol):
    """What an association needs from the table or client that holds it."""

    def transmit(self, datagram: bytes, path: Path) -> None:
        """Send a datagram."""
        ...

    def established(self, association: "Association") -> None:
        """The handshake is complete."""
        ...

    def received(self, association: "Association", data: bytes) -> None:
        """Application data arrived."""
        ...

    def ended(self, association: "Association", error: LinkFailed | None) -> None:
        """Nothing follows; said once."""
        ...


class Association:
    """A DTLS link to one peer; hashed and compared by identity.

    Attributes:
        path: where the peer is; replaceable by an engine with connection IDs.
        closed: nothing can be sent or will arrive any more.
        bytes_sent: UDP payload bytes, handshake included.
        bytes_received: UDP payload bytes, handshake included.
        created_at: when the peer had proved its address; monotonic seconds.
        received_at: when something authentic last came; monotonic seconds.
        random: of the ClientHello that made it, to know a copy of that by.
        was_established: the owner was told that the handshake is complete.
    """

    __slots__ = (
        "__weakref__", "_failed_records", "_forgeries", "_limit", "_owner", "_seen", "_session",
        "bytes_received", "bytes_sent", "closed", "created_at", "path", "random", "received_at",
        "was_established",
    )  # fmt: skip

    def __init__(
        self, session: TlsSession, path: Path, owner: Owner, failed_records: int, now: float
    ) -> None:
        """Adopt a session; `failed_records` is the limit, `now` monotonic seconds."""
        self._session = session
        self._owner = owner
        self._limit = failed_records
        self._seen = SeenRecords()
        self._failed_records = 0
        self._forgeries = 0
        self.path = path
        self.closed = False
        self.bytes_sent = 0
        self.bytes_received = 0
        self.created_at = now
        self.received_at = now
        self.was_established = False
        self.random = b""

    @property
    def peer_address(self) -> Address:
        """The peer's socket address; the join proxy's behind a stateless one."""
        return self.path.peer

    @property
    def local_address(self) -> Address:
        """Our socket address on this association."""
        return self.path.local

    @property
    def established(self) -> bool:
        """Whether data can be sent."""
        return self._session.established and not self.closed

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The chain the peer presented, DER, end entity first, unverified."""
        return self._session.peer_chain

    @property
    def max_payload(self) -> int:
        """Most bytes that one `send` takes: the record size agreed, and what a datagram holds."""
        return self._session.max_payload

    @property
    def channel_binding(self) -> bytes | None:
        """The tls-unique value (RFC 5929 3), where the version has one."""
        return self._session.channel_binding

    def export(self, label: str, length: int) -> bytes:
        """Return keying material for `label` (RFC 5705 4)."""
        return self._session.export(label, length)

    def send(self, data: bytes) -> None:
        """Send one record.

        Raises:
            LinkFailed: the association is closed.
            Misuse: before the handshake is complete, or more than `max_payload` bytes.
        """
        if self.closed:
            raise LinkFailed("the association is closed")
        self._session.send(data)
        self.pump()

    def close(self) -> None:
        """Send close_notify and forget the peer."""
        self.end(None)

    def end(self, error: LinkFailed | None) -> None:
        """Close, and tell the owner why."""
        if self.closed:
            return
        self.closed = True
        self._session.close()
        self._flush()
        self._owner.ended(self, error)

    def receive(self, datagram: bytes, now: float) -> None:
        """Take a datagram of this association."""
        self.bytes_received += len(datagram)
        self._session.receive(datagram, now)
        if self._is_authentic(datagram):
            self.received_at = now
        elif self._forgeries > self._limit:
            self.end(LinkFailed(f"more than {self._limit} records were not authentic"))
            return
        self.pump()

    def handle_timeout(self, now: float) -> None:
        """Retransmit what is due."""
        self._session.handle_timeout(now)
        self.pump()

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._session.next_deadline()

    def pump(self) -> None:
        """Hand on what the session has to send and to say."""
        self._flush()
        while not self.closed and (event := self._session.next_event()) is not None:
            match event:
                case Received(data):
                    self._owner.received(self, data)
                case Established():
                    self.was_established = True
                    self._owner.established(self)
                case Closed(error):
                    self.closed = True
                    self._owner.ended(self, error)

    def _flush(self) -> None:
        for datagram in self._session.take_outgoing():
            self.bytes_sent += len(datagram)
            self._owner.transmit(datagram, self.path)

    def _is_authentic(self, datagram: bytes) -> bool:
        """Count the records that the session dropped; return whether there were none.

        Copies made by the network are no forgeries, nor are leftovers of the handshake.
        """
        if not self._session.established:
            return True
        failed = self._session.failed_records
        new, self._failed_records = failed - self._failed_records, failed
        if is_protected_traffic(datagram):
            number = record_number(datagram)
            if not new:
                self._seen.add(number)
            elif number not in self._seen:
                self._forgeries += new
        return not new
