"""The stateful join proxy as a machine (constrained-join-proxy 4.3; join-proxy.md 3).

Datagrams, errors and time in; effects out. A circuit maps ``(interface, pledge, join address)``
to one upstream socket of the shell; the payload is never looked at nor changed (J-09). The
registrar's address is not known here: the shell connects each upstream socket to it, so that
neither a pledge nor a header can choose a destination (join-proxy.md 10).
"""

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv6Address
from typing import TypeVar

from .limits import RateLimits, StrangerLimiter, TokenBucket

DESTINATION_UNREACHABLE = 1  # ICMPv6 type, RFC 4443 3.1
ADMINISTRATIVELY_PROHIBITED = 1  # its code 1: no room for a new mapping (J-07)


@dataclass(frozen=True, slots=True)
class Left:
    """The pledge's side of a circuit.

    Attributes:
        ifindex: join interface.
        pledge: link-local address of the pledge, without scope.
        pledge_port: its UDP port.
        join: our address on that interface that the pledge used.
        join_port: our join-port.
    """

    ifindex: int
    pledge: str
    pledge_port: int
    join: str
    join_port: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of the stateful mode; the defaults are the draft's.

    Attributes:
        per_pledge: circuits of one pledge address (J-06).
        per_interface: circuits of one join interface (J-06).
        idle: seconds without a datagram in either direction until a circuit ends (J-05).
        unanswered: seconds after which an unanswered circuit may give way to a new one (JD3).
        max_datagram: bytes of UDP payload; longer ones are dropped.
        rates: see `RateLimits`.
    """

    per_pledge: int = 2
    per_interface: int = 10
    idle: float = 30.0
    unanswered: float = 3.0
    max_datagram: int = 1232
    rates: RateLimits = field(default_factory=RateLimits)


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    """Make an upstream socket for a new circuit, connected to the registrar."""

    circuit: int


@dataclass(frozen=True, slots=True)
class CloseCircuit:
    """Close the upstream socket of a circuit."""

    circuit: int


@dataclass(frozen=True, slots=True)
class ToRegistrar:
    """Send a datagram on the upstream socket of a circuit."""

    circuit: int
    datagram: bytes


@dataclass(frozen=True, slots=True)
class ToPledge:
    """Send a datagram from the join address to the pledge."""

    left: Left
    datagram: bytes


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Tell the pledge by ICMPv6 that its datagram was not delivered.

    Attributes:
        left: whom to tell.
        icmp_type: ICMPv6 type.
        icmp_code: ICMPv6 code.
        datagram: payload of the datagram that caused it.
    """

    left: Left
    icmp_type: int
    icmp_code: int
    datagram: bytes


_K = TypeVar("_K")

Effect = OpenCircuit | CloseCircuit | ToRegistrar | ToPledge | Unreachable


class Dropped(Enum):
    """Why a datagram went no further; counted, never answered unless noted."""

    NOT_LINK_LOCAL = "not link-local"
    SHAPE = "empty, too long, or from port 0"
    RATE = "over a rate limit"
    FULL = "no room for a circuit"
    NO_CIRCUIT = "circuit is gone"


@dataclass(slots=True)
class _Circuit:
    number: int
    left: Left
    opened_at: float
    last_at: float
    last_datagram: bytes
    bucket: TokenBucket
    answered: bool = False
    confirmed: bool = False


class StatefulProxy:
    """The circuit table and its rules."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.dropped: Counter[Dropped] = Counter()
        self._strangers = StrangerLimiter(self.limits.rates)
        # Both maps hold the same circuits; the first is ordered by last activity.
        self._by_left: OrderedDict[Left, _Circuit] = OrderedDict()
        self._by_number: dict[int, _Circuit] = {}
        self._per_pledge: Counter[tuple[int, str]] = Counter()
        self._per_interface: Counter[int] = Counter()
        self._next_number = 1

    def __len__(self) -> int:
        return len(self._by_left)

    def has_room(self, ifindex: int) -> bool:
        """Tell whether a new pledge on this interface can be served (DD1: else stay silent)."""
        return self._per_interface[ifindex] < self.limits.per_interface

    def from_pledge(self, datagram: bytes, left: Left, now: float) -> list[Effect]:
        """Handle a datagram that arrived on a join socket.

        Args:
            datagram: UDP payload.
            left: where it came from and which of our addresses it was sent to.
            now: monotonic seconds.
        """
        if left.pledge_port == 0 or not 0 < len(datagram) <= self.limits.max_datagram:
            return self._drop(Dropped.SHAPE)
        circuit = self._by_left.get(left)
        if circuit is not None and circuit.confirmed:
            allowed = circuit.bucket.take(now)
        elif _is_link_local(left.pledge) and _is_link_local(left.join):  # J-01, J-08
            allowed = self._strangers.allow(left.ifindex, left.pledge, now)
        else:
            return self._drop(Dropped.NOT_LINK_LOCAL)
        if not allowed:
            return self._drop(Dropped.RATE)  # J-19
        if circuit is None:
            return self._open(datagram, left, now)
        circuit.confirmed = circuit.answered  # it sent again after an answer: answers reach it
        circuit.last_datagram = datagram
        self._touch(circuit, now)
        return [ToRegistrar(circuit.number, datagram)]

    def from_registrar(self, circuit_number: int, datagram: bytes, now: float) -> list[Effect]:
        """Handle a datagram that arrived on the upstream socket of a circuit."""
        circuit = self._by_number.get(circuit_number)
        if circuit is None:
            return self._drop(Dropped.NO_CIRCUIT)
        if not 0 < len(datagram) <= self.limits.max_datagram:
            return self._drop(Dropped.SHAPE)
        circuit.answered = True
        self._touch(circuit, now)
        return [ToPledge(circuit.left, datagram)]

    def registrar_error(self, circuit_number: int, icmp_type: int, icmp_code: int) -> list[Effect]:
        """Handle an ICMP error on the upstream side: same type and code to the pledge (J-07)."""
        circuit = self._by_number.get(circuit_number)
        if circuit is None:
            return []
        return [Unreachable(circuit.left, icmp_type, icmp_code, circuit.last_datagram)]

    def expire(self, now: float) -> list[Effect]:
        """End the circuits whose time is over (J-05)."""
        effects: list[Effect] = []
        while self._by_left:
            circuit = next(iter(self._by_left.values()))
            if now < circuit.last_at + self.limits.idle:
                break
            effects.append(self._close(circuit))
        return effects

    def next_deadline(self) -> float | None:
        """When `expire` has something to do next, None while there is no circuit."""
        circuit = next(iter(self._by_left.values()), None)
        return None if circuit is None else circuit.last_at + self.limits.idle

    def interface_gone(self, ifindex: int) -> list[Effect]:
        """End all circuits of an interface that went away."""
        gone = [circuit for left, circuit in self._by_left.items() if left.ifindex == ifindex]
        return [self._close(circuit) for circuit in gone]

    def upstream_failed(self, circuit_number: int) -> list[Effect]:
        """End a circuit whose upstream socket cannot be used."""
        circuit = self._by_number.get(circuit_number)
        return [] if circuit is None else [self._close(circuit)]

    def _open(self, datagram: bytes, left: Left, now: float) -> list[Effect]:
        effects = self._make_room(left, now)
        if effects is None:
            self.dropped[Dropped.FULL] += 1
            code = ADMINISTRATIVELY_PROHIBITED
            return [Unreachable(left, DESTINATION_UNREACHABLE, code, datagram)]
        bucket = TokenBucket(self.limits.rates.circuit, filled_at=now)
        circuit = _Circuit(self._next_number, left, now, now, datagram, bucket)
        self._next_number += 1
        self._by_left[left] = self._by_number[circuit.number] = circuit
        self._per_pledge[left.ifindex, left.pledge] += 1
        self._per_interface[left.ifindex] += 1
        # J-04: one upstream address and port per circuit
        return [*effects, OpenCircuit(circuit.number), ToRegistrar(circuit.number, datagram)]

    def _make_room(self, left: Left, now: float) -> list[Effect] | None:
        """Return what has to be closed first, None when there is no room (J-06, JD3)."""
        pledge_full = self._per_pledge[left.ifindex, left.pledge] >= self.limits.per_pledge
        if not pledge_full and self.has_room(left.ifindex):
            return []
        candidates = (
            circuit
            for other, circuit in self._by_left.items()
            if other.ifindex == left.ifindex
            and (other.pledge == left.pledge or not pledge_full)
            and not circuit.answered
            and now - circuit.opened_at > self.limits.unanswered
        )
        oldest = min(candidates, key=lambda circuit: circuit.opened_at, default=None)
        return None if oldest is None else [self._close(oldest)]

    def _touch(self, circuit: _Circuit, now: float) -> None:
        circuit.last_at = now
        self._by_left.move_to_end(circuit.left)

    def _close(self, circuit: _Circuit) -> CloseCircuit:
        left = circuit.left
        del self._by_left[left], self._by_number[circuit.number]
        _decrement(self._per_pledge, (left.ifindex, left.pledge))
        _decrement(self._per_interface, left.ifindex)
        return CloseCircuit(circuit.number)

    def _drop(self, why: Dropped) -> list[Effect]:
        self.dropped[why] += 1
        return []


def _decrement(counter: Counter[_K], key: _K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _is_link_local(host: str) -> bool:
    try:
        return IPv6Address(host).is_link_local
    except ValueError:
        return False
