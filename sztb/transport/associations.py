"""All DTLS associations of one server: datagrams and the time in; datagrams and events out.

A machine without sockets, for plain UDP and for JPY alike: the key of an association is (source,
local port, JPY header or none). Nothing is kept for an address before its cookie is back.

A ClientHello from the address of a live association starts a second one beside it, which takes
its place when its handshake is complete (RFC 6347 4.2.8): the device lost its state and came back
on the same port, or somebody pretends that it did.
"""

from collections import Counter
from collections.abc import Callable

from sztb.transport.association import Association, AssociationHandler, Key, Limits, Path
from sztb.transport.deadlines import Deadlines
from sztb.transport.tls.engine import Challenge, DatagramAcceptor
from sztb.transport.tls.errors import LinkFailed
from sztb.transport.tls.records import client_hello_random, is_dtls, is_protected_traffic

Transmit = Callable[[bytes, Path], None]


class AssociationTable:
    """The associations of one server; an `Owner` of each.

    Attributes:
        acceptor: answers ClientHellos; may be replaced at any time.
        transmit: called with each datagram to send and its path.
    """

    def __init__(
        self,
        acceptor: DatagramAcceptor,
        handler: AssociationHandler,
        transmit: Transmit,
        limits: Limits,
    ) -> None:
        """Start empty.

        Args:
            acceptor: answers ClientHellos.
            handler: told about established associations.
            transmit: called with each datagram to send and its path.
            limits: what strangers may cost.
        """
        self.acceptor = acceptor
        self._handler = handler
        self._limits = limits
        self._pending: dict[Key, Association] = {}  # the oldest comes first
        self._live: dict[Key, Association] = {}  # the one silent longest comes first
        self._half_open: Counter[object] = Counter()
        self._deadlines: Deadlines[Association] = Deadlines()
        self.transmit = transmit

    @property
    def half_open(self) -> int:
        """Handshakes in progress."""
        return len(self._pending)

    def __len__(self) -> int:
        """Return the number of established associations."""
        return len(self._live)

    def receive(self, datagram: bytes, path: Path, now: float) -> None:
        """Take one datagram; never raises on what it holds."""
        if not is_dtls(datagram):
            return
        random = client_hello_random(datagram)
        if random is not None:
            self._hello(datagram, path, random, now)
            return
        key = path.key
        association = self._find(datagram, key)
        if association is not None:
            self._deliver(association, key, datagram, now)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        times = [self._deadlines.first()]
        if (oldest := _first(self._pending)) is not None:
            times.append(self._give_up_at(oldest))
        if (silent := _first(self._live)) is not None:
            times.append(self._idle_at(silent))
        return min((when for when in times if when is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Retransmit, give up handshakes, close silent associations."""
        for association in self._deadlines.take_due(now):
            association.handle_timeout(now)
            self._reschedule(association)
        while (oldest := _first(self._pending)) is not None and now >= self._give_up_at(oldest):
            oldest.end(LinkFailed.timed_out(self._limits.handshake_seconds))
        while (silent := _first(self._live)) is not None and now >= self._idle_at(silent):
            silent.end(None)

    def close(self) -> None:
        """Send close_notify to everyone and forget them."""
        for association in [*self._pending.values(), *self._live.values()]:
            association.end(None)

    def move(self, association: Association, path: Path) -> None:
        """Let an established association go on at another path (RFC 9146 6).

        For engines that know an association by something other than its address, after a record
        that was authentic and newer than all before.
        """
        del self._live[association.path.key]
        association.path = path
        self._settle(association)

    def established(self, association: Association) -> None:
        """Let a new association take its place; see `Owner`."""
        self._forget_pending(association)
        self._settle(association)
        if len(self._live) > self._limits.associations and (silent := _first(self._live)):
            silent.end(LinkFailed("too many associations"))
        self._handler.established(association)

    def _settle(self, association: Association) -> None:
        """Take the place at the association's path from whoever had it."""
        key = association.path.key
        old = self._live.pop(key, None)
        self._live[key] = association
        if old is not None:
            old.end(LinkFailed("another association came to its address"))

    def received(self, association: Association, data: bytes) -> None:
        """Pass data on; see `Owner`."""
        self._handler.received(association, data)

    def ended(self, association: Association, error: LinkFailed | None) -> None:
        """Forget an association; see `Owner`."""
        self._forget_pending(association)
        key = association.path.key
        if self._live.get(key) is association:
            del self._live[key]
        self._deadlines.set(association, None)
        if association.was_established:
            self._handler.closed(association, error)

    def _hello(self, datagram: bytes, path: Path, random: bytes, now: float) -> None:
        key = path.key
        pending = self._pending.get(key)
        if pending is not None and pending.random == random:  # sent again: our answer was lost
            self._deliver(pending, key, datagram, now)
            return
        if self._half_open[path.peer[0]] >= self._limits.half_open_per_source:
            return
        answer = self.acceptor.accept(datagram, path.proof, now)
        if isinstance(answer, Challenge):
            self.transmit(answer.datagram, path)
        elif answer is not None:
            newcomer = Association(answer, path, self, self._limits.failed_records, now)
            self._admit(newcomer, random, len(datagram))

    def _admit(self, newcomer: Association, random: bytes, hello_bytes: int) -> None:
        """Make room for a peer that has proved its address, and answer it."""
        before = self._pending.get(newcomer.path.key)
        if before is None and len(self._pending) >= self._limits.half_open:
            before = _first(self._pending)
        if before is not None:
            before.end(None)
        newcomer.random = random
        newcomer.bytes_received = hello_bytes
        self._pending[newcomer.path.key] = newcomer
        self._half_open[newcomer.path.peer[0]] += 1
        newcomer.pump()
        self._reschedule(newcomer)

    def _find(self, datagram: bytes, key: Key) -> Association | None:
        """Data belongs to the live association, handshake messages to the one being made."""
        live, pending = self._live.get(key), self._pending.get(key)
        if is_protected_traffic(datagram):
            return live or pending
        return pending or live

    def _deliver(self, association: Association, key: Key, datagram: bytes, now: float) -> None:
        association.receive(datagram, now)
        self._reschedule(association)
        if association.received_at == now and self._live.get(key) is association:
            self._live[key] = self._live.pop(key)

    def _reschedule(self, association: Association) -> None:
        self._deadlines.set(
            association, None if association.closed else association.next_deadline()
        )

    def _give_up_at(self, association: Association) -> float:
        return association.created_at + self._limits.handshake_seconds

    def _idle_at(self, association: Association) -> float:
        return association.received_at + self._limits.idle_seconds

    def _forget_pending(self, association: Association) -> None:
        key = association.path.key
        if self._pending.get(key) is not association:
            return
        del self._pending[key]
        source = association.path.peer[0]
        self._half_open[source] -= 1
        if not self._half_open[source]:
            del self._half_open[source]


def _first(associations: dict[Key, Association]) -> Association | None:
    return next(iter(associations.values()), None)
