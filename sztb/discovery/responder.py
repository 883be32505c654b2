"""The answering side of CoAP discovery as a machine: whom to answer, when, and how often.

For join proxy and registrar (discovery.md 3.2). A datagram in, at most one delayed answer out;
time and randomness are arguments. Never a Reset, an error or an empty answer to multicast (D-11).
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import TypeVar

from sztb.codepoints.coap import NON_LIFETIME
from sztb.encoding.coap_message import CoapMessage, MessageType
from sztb.encoding.link_format import Filter, Link, parse_filter
from sztb.errors import Malformed

from .coap_links import make_answer, parse_query

MAX_REMEMBERED = 1024  # (source, token) pairs and sources; the oldest go first

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How often the responder speaks.

    Attributes:
        leisure: seconds; answers to multicast are spread over it (D-12, DD9).
        per_source: answers per second to one source.
        per_interface: answers per second on one interface.
        only_link_local: sources of other scopes get no answer.
    """

    leisure: float = 1.0
    per_source: int = 1
    per_interface: int = 20
    only_link_local: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a query came from.

    Attributes:
        host: IPv6 address of the asker without scope.
        port: its port.
        ifindex: the interface it came in by.
        multicast: True when the destination was a group.
    """

    host: str
    port: int
    ifindex: int
    multicast: bool


@dataclass(frozen=True, slots=True)
class DelayedAnswer:
    """An answer to send to the asker ``delay`` seconds from now."""

    datagram: bytes
    delay: float


@dataclass(slots=True)
class Responder:
    """Answers ``GET /.well-known/core`` for the links a role has at this moment.

    Attributes:
        links: asked on every query with the interface index; none on an interface where the role
            does not serve, so that it stays silent (DD1).
        limits: see `AnswerLimits`.
    """

    links: Callable[[int], Sequence[Link]]
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    _answered: dict[tuple[str, int, bytes], float] = field(default_factory=dict)
    _by_source: dict[tuple[str, int], deque[float]] = field(default_factory=dict)
    _by_interface: dict[int, deque[float]] = field(default_factory=dict)

    def receive(
        self, datagram: bytes, asked: Asked, now: float, *, message_id: int, spread: float
    ) -> DelayedAnswer | None:
        """Decide on one datagram.

        Args:
            datagram: as received on port 5683.
            asked: where it came from.
            now: monotonic seconds.
            message_id: a number of ours for the answer.
            spread: random in 0..1, the place of this answer in the leisure.

        Returns:
            The answer, or None for silence.
        """
        if self.limits.only_link_local and not _is_link_local(asked.host):
            return None
        try:
            query, filters = parse_query(datagram)
            answer = self._answer(query, filters, asked, message_id)
        except Malformed:
            return None
        if answer is None or not self._may_speak(query.token, asked, now):
            return None
        return DelayedAnswer(answer, spread * self.limits.leisure if asked.multicast else 0.0)

    def _answer(
        self, query: CoapMessage, filters: Sequence[str], asked: Asked, message_id: int
    ) -> bytes | None:
        if asked.multicast and query.type is MessageType.CON:
            return None  # RFC 7252 8.1: a group is never asked with a confirmable message
        available = self.links(asked.ifindex)
        wanted = _filter(filters, asked)
        chosen = [link for link in available if wanted is None or wanted.matches(link)]
        if asked.multicast and not chosen:  # D-10
            return None
        return make_answer(chosen, to=query, message_id=message_id)

    def _may_speak(self, token: bytes, asked: Asked, now: float) -> bool:
        """Apply de-duplication and both rate limits; counts only what is answered."""
        source = (asked.host, asked.ifindex)
        seen = self._answered.get((*source, token))
        if asked.multicast and seen is not None and now - seen < NON_LIFETIME:
            return False
        recent = (
            self._by_source.get(source, deque()),
            self._by_interface.get(asked.ifindex, deque()),
        )
        allowed = (self.limits.per_source, self.limits.per_interface)
        for times, limit in zip(recent, allowed, strict=True):
            while times and now - times[0] >= 1.0:
                times.popleft()
            if len(times) >= limit:
                return False
        for times in recent:
            times.append(now)
        self._remember((*source, token), recent, now)
        return True

    def _remember(
        self,
        key: tuple[str, int, bytes],
        recent: tuple[deque[float], deque[float]],
        now: float,
    ) -> None:
        host, ifindex, _ = key
        _put(self._answered, key, now)
        _put(self._by_source, (host, ifindex), recent[0])
        self._by_interface[ifindex] = recent[1]


def _filter(filters: Sequence[str], asked: Asked) -> Filter | None:
    try:
        return parse_filter(filters)
    except Malformed:
        if asked.multicast:
            raise
        return None  # RFC 6690 4.1: a filter that is not supported gives the whole list


def _put(cache: dict[_K, _V], key: _K, value: _V) -> None:
    cache.pop(key, None)
    cache[key] = value
    if len(cache) > MAX_REMEMBERED:
        del cache[next(iter(cache))]


def _is_link_local(host: str) -> bool:
    try:
        return IPv6Address(host).is_link_local
    except ValueError:
        return False
