"""Asking for join proxies by multicast on every link (D-01 to D-05): sockets around a machine."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sztb.codepoints.links import QUERY_JOIN_PROXY
from sztb.discovery.coap_links import join_ports
from sztb.discovery.offers import Endpoint, Offer, OfferSource
from sztb.discovery.query_plan import Query, QueryPlan
from sztb.errors import Unavailable
from sztb.transport.multicast import Arrival, MulticastQuerier

LOOK_EVERY = 2.0  # seconds between two looks at the list of interfaces
COLLECT = 6.0  # seconds; leisure and margin (discovery.md 3.1)


@dataclass(slots=True)
class MulticastDiscovery:
    """One of the mechanisms a search can use.

    Attributes:
        present: gives the indexes of the interfaces to ask on, at this moment.
        offer: takes every offer.
        interfaces: takes the interfaces whenever they changed.
        random_bytes: cryptographic random bytes.
        bytes_sent: UDP payload bytes of all queries so far.
        bytes_received: UDP payload bytes of all answers so far.
    """

    present: Callable[[], tuple[int, ...]]
    offer: Callable[[Offer], None]
    interfaces: Callable[[tuple[int, ...]], None]
    random_bytes: Callable[[int], bytes]
    bytes_sent: int = 0
    bytes_received: int = 0
    _plan: QueryPlan = field(init=False)
    _querier: MulticastQuerier = field(init=False)
    _known: tuple[int, ...] = ()
    _look_at: float = 0.0

    def __post_init__(self) -> None:
        self._plan = QueryPlan(QUERY_JOIN_PROXY, self.random_bytes)
        self._querier = MulticastQuerier(self._answered)

    def tick(self, now: float) -> None:
        """Look at the links and send the queries that are due."""
        if now >= self._look_at:
            self._look(now)
        for query in self._plan.due(now):
            self._send(query)

    def next_deadline(self) -> float:
        """When to call `tick` again."""
        due = self._plan.next_deadline()
        return self._look_at if due is None else min(due, self._look_at)

    def refresh(self, now: float) -> None:
        """Ask on every link now."""
        self._plan.refresh(now)

    def pause(self) -> None:
        """Stop asking until `refresh`: a proxy works."""
        self._plan.quiet_until(float("inf"))

    def close(self) -> None:
        """Close the sockets; from here on no answer is taken (J-29)."""
        self._querier.close()

    def _look(self, now: float) -> None:
        self._look_at = now + LOOK_EVERY
        present = self.present()
        if present == self._known:
            return
        for gone in set(self._known) - set(present):
            self._querier.forget(gone)
        self._known = present
        self._plan.interfaces(present, now)
        self.interfaces(present)

    def _send(self, query: Query) -> None:
        try:
            self._querier.ask(query.ifindex, query.datagram)
        except Unavailable:
            return  # the link is going down or not up yet; the plan asks again
        self.bytes_sent += len(query.datagram)

    def _answered(self, arrival: Arrival) -> None:
        links = self._plan.answered(arrival.datagram, arrival.ifindex)
        if not links or arrival.source[3] != arrival.ifindex:  # P-02: link-local sources only
            return
        self.bytes_received += len(arrival.datagram)
        for port in join_ports(links):  # P-03
            endpoint = Endpoint(arrival.host, port, arrival.ifindex)
            self.offer(Offer(endpoint, OfferSource.COAP))
