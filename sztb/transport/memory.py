"""DTLS without sockets: a network in memory, with a clock that stands still until it is told.

For tests and simulation. Time advances from one datagram or deadline to the next, so a minute of
retransmissions takes milliseconds, and what the network does to each datagram is decided by a
function: the same function gives the same run.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from sztb.transport.association import Address, Association, AssociationHandler, Limits, Path
from sztb.transport.associations import AssociationTable
from sztb.transport.tls.config import ClientTls, ServerTls
from sztb.transport.tls.engine import TlsSession
from sztb.transport.tls.engines import ClientEngine, DatagramServerEngine
from sztb.transport.tls.errors import LinkFailed

Fate = Callable[[int, bytes], Sequence[float]]
"""Given a datagram's number and bytes: after how many seconds each copy arrives; none is loss."""

LATENCY = 0.001


def arrives(_number: int, _datagram: bytes) -> Sequence[float]:
    """Deliver each datagram once, in order."""
    return (LATENCY,)


class Node(Protocol):
    """Something with an address in the network."""

    def receive(self, datagram: bytes, path: Path, now: float) -> None:
        """Take a datagram."""
        ...

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        ...

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        ...


class MemoryNetwork:
    """Addresses, datagrams on their way, and the time.

    Attributes:
        now: monotonic seconds; advanced by `run`.
        datagrams: all that were ever sent, as (source, destination, bytes).
    """

    def __init__(self, fate: Fate = arrives) -> None:
        """Start an empty network at time 0."""
        self.now = 0.0
        self.datagrams: list[tuple[Address, Address, bytes]] = []
        self._fate = fate
        self._nodes: dict[Address, Node] = {}
        self._flying: list[tuple[float, int, bytes, Path]] = []
        self._tickets = count()

    def attach(self, address: Address, node: Node) -> None:
        """Give `node` an address, or let it take over one in use."""
        self._nodes[address] = node

    def transmit(self, datagram: bytes, path: Path) -> None:
        """Send from `path.local` to `path.peer`."""
        number = len(self.datagrams)
        self.datagrams.append((path.local, path.peer, datagram))
        back = Path(path.local, path.peer, path.header)
        for delay in self._fate(number, datagram):
            heappush(self._flying, (self.now + delay, next(self._tickets), datagram, back))

    def serve(
        self,
        address: Address,
        config: ServerTls,
        handler: AssociationHandler,
        limits: Limits = Limits(),  # noqa: B008  immutable
    ) -> AssociationTable:
        """Start a DTLS server at `address`."""
        acceptor = DatagramServerEngine(config, self.now)
        table = AssociationTable(acceptor, handler, self.transmit, limits)
        self.attach(address, table)
        return table

    def connect(
        self, local: Address, address: Address, config: ClientTls, handler: AssociationHandler
    ) -> Association:
        """Start a handshake from `local` with the server at `address`; `run` completes it."""
        client = MemoryClient(self, Path(address, local), config, handler)
        self.attach(local, client)
        client.association.pump()
        return client.association

    def run(self, seconds: float) -> None:
        """Let time pass and deliver what is due in it."""
        end = self.now + seconds
        while (when := self._next()) is not None and when <= end:
            self.now = max(self.now, when)
            self._step()
        self.now = end

    def _next(self) -> float | None:
        times = [node.next_deadline() for node in self._nodes.values()]
        if self._flying:
            times.append(self._flying[0][0])
        return min((time for time in times if time is not None), default=None)

    def _step(self) -> None:
        while self._flying and self._flying[0][0] <= self.now:
            _when, _ticket, datagram, path = heappop(self._flying)
            node = self._nodes.get(path.local)
            if node is not None:
                node.receive(datagram, path, self.now)
        for node in list(self._nodes.values()):
            deadline = node.next_deadline()
            if deadline is not None and deadline <= self.now:
                node.handle_timeout(self.now)


class MemoryClient:
    """The client side of one association in a `MemoryNetwork`; an `Owner` of it."""

    def __init__(
        self, network: MemoryNetwork, path: Path, config: ClientTls, handler: AssociationHandler
    ) -> None:
        """Prepare the handshake; `association.pump()` sends its first flight."""
        self._network = network
        self._handler = handler
        session = ClientEngine(config, datagram=True).session(network.now)
        limit = Limits().failed_records
        self.association = Association(session, path, self, limit, network.now)

    def receive(self, datagram: bytes, path: Path, now: float) -> None:
        """Take a datagram from the server; others have no way in, as with a connected socket."""
        if path.peer == self.association.path.peer:
            self.association.receive(datagram, now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self.association.next_deadline()

    def handle_timeout(self, now: float) -> None:
        """Retransmit."""
        self.association.handle_timeout(now)

    def transmit(self, datagram: bytes, path: Path) -> None:
        """Send a datagram; see `Owner`."""
        self._network.transmit(datagram, path)

    def established(self, association: Association) -> None:
        """Pass on; see `Owner`."""
        self._handler.established(association)

    def received(self, association: Association, data: bytes) -> None:
        """Pass on; see `Owner`."""
        self._handler.received(association, data)

    def ended(self, association: Association, error: LinkFailed | None) -> None:
        """Pass on, failed handshakes too; see `Owner`."""
        self._handler.closed(association, error)


def exchange(one: TlsSession, other: TlsSession, now: float = 0.0) -> None:
    """Carry everything that two sessions want to send to each other, until both are quiet."""
    moved = True
    while moved:
        moved = False
        for sender, receiver in ((one, other), (other, one)):
            for data in sender.take_outgoing():
                moved = True
                receiver.receive(data, now)
