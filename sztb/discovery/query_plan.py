"""When to ask by multicast on which interface, and which answers are ours (discovery.md 3.1).

A machine for pledge and join proxy: intervals of 2, 4, 8 ... seconds up to an hour with jitter,
from the start again when a link appears (D-05); one fresh token and Message ID per query and
interface; answers are matched by token only and every one counts (D-03, D-04).
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sztb.encoding.link_format import Link
from sztb.errors import Malformed

from .coap_links import TOKEN_LENGTH, make_query, parse_answer

TOKENS_KEPT = 4  # queries per interface whose answers still count


@dataclass(frozen=True, slots=True)
class Query:
    """A datagram to send to the group on one interface."""

    ifindex: int
    datagram: bytes


@dataclass(slots=True)
class _Interface:
    due: float
    interval: float
    tokens: deque[bytes] = field(default_factory=lambda: deque(maxlen=TOKENS_KEPT))


@dataclass(slots=True)
class QueryPlan:
    """The queries of one role.

    Attributes:
        query: the Uri-Query, for example ``brski-jp=*``.
        random_bytes: gives cryptographic random bytes.
        first: seconds between the first and the second query.
        longest: seconds at which the doubling ends.
    """

    query: str
    random_bytes: Callable[[int], bytes]
    first: float = 2.0
    longest: float = 3600.0
    _interfaces: dict[int, _Interface] = field(default_factory=dict)
    _quiet_until: float = 0.0

    def interfaces(self, present: Iterable[int], now: float) -> None:
        """Tell which interfaces there are; a new one is asked at once, one gone is forgotten."""
        for ifindex in present:
            self._interfaces.setdefault(ifindex, _Interface(now, self.first))
        for ifindex in set(self._interfaces) - set(present):
            del self._interfaces[ifindex]

    def refresh(self, now: float) -> None:
        """Ask everywhere now, without shortening the intervals that follow."""
        self._quiet_until = now
        for interface in self._interfaces.values():
            interface.due = now

    def quiet_until(self, when: float) -> None:
        """Do not ask before that time: something works (use ``math.inf`` for until `refresh`)."""
        self._quiet_until = when

    def due(self, now: float) -> list[Query]:
        """The queries to send now."""
        if now < self._quiet_until:
            return []
        return [
            self._ask(ifindex, interface, now)
            for ifindex, interface in self._interfaces.items()
            if interface.due <= now
        ]

    def next_deadline(self) -> float | None:
        """When `due` has something to send; None without interfaces."""
        times = [interface.due for interface in self._interfaces.values()]
        return max(min(times), self._quiet_until) if times else None

    def answered(self, datagram: bytes, ifindex: int) -> tuple[Link, ...]:
        """Read an answer that came in on an interface.

        Returns:
            What it lists; nothing when it does not answer a query of ours.
        """
        interface = self._interfaces.get(ifindex)
        try:
            answer = parse_answer(datagram)
        except Malformed:
            return ()
        known = interface is not None and answer.token in interface.tokens
        return answer.links if known else ()

    def _ask(self, ifindex: int, interface: _Interface, now: float) -> Query:
        token = self.random_bytes(TOKEN_LENGTH)
        interface.tokens.append(token)
        jitter = self.random_bytes(1)[0] / 255 / 2  # up to 50 %
        interface.due = now + interface.interval * (1 + jitter)
        interface.interval = min(interface.interval * 2, self.longest)
        message_id = int.from_bytes(self.random_bytes(2))
        return Query(ifindex, make_query(self.query, message_id=message_id, token=token))
