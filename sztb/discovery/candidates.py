"""Which offer to try when: one machine that every discovery mechanism feeds (discovery.md 7).

Events in (`offered`, `progressed`, `waiting`, `failed`, `proven`), effects out (`advance`); time
is an argument and randomness is handed in. Rules (RFC 8995 4.1, 5.1; D-05 to D-08, D-29, D-31):

- a configured endpoint always wins: the others are then not used;
- different candidates start 3 to 5 s apart, at most two are under way at once;
- when no attempt moves for 5 s and another candidate is due, the oldest is dropped;
- each candidate has its own exponential back-off, from 30 s to at most an hour;
- new candidates go by preference, those that failed by age; where both are due they take turns,
  so that neither old failures nor a flood of new offers keeps the right one waiting;
- one that a registrar told to wait keeps its place without holding the others up;
- caches are bounded, and those that failed make room first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .offers import Endpoint, Offer, OfferSource


@dataclass(frozen=True, slots=True)
class CandidateRules:
    """Numbers of the machine; seconds where nothing else is said.

    Attributes:
        gap: shortest and longest time between two starts (P-05).
        stall: without progress for so long the oldest attempt is dropped (RFC 8995 5.1).
        parallel: attempts under way at once.
        max_waiting: attempts that may wait for a registrar's decision at once.
        first_back_off: after the first failure, counted from the attempt's start: a round takes
            at least so long.
        longest_back_off: where the doubling ends (D-06).
        per_host: candidates of one address on one interface.
        per_interface: candidates of one interface.
    """

    gap: tuple[float, float] = (3.0, 5.0)
    stall: float = 5.0
    parallel: int = 2
    max_waiting: int = 4
    first_back_off: float = 30.0
    longest_back_off: float = 3600.0
    per_host: int = 4
    per_interface: int = 32


@dataclass(frozen=True, slots=True)
class Start:
    """Begin an attempt with this endpoint."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Drop:
    """End the attempt with this endpoint; it is not reported as failed again."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Refresh:
    """Every candidate failed: ask again by the active mechanisms (D-08)."""


Effect = Start | Drop | Refresh


@dataclass(slots=True)
class _Candidate:
    offer: Offer
    rank: float  # random, drawn for every attempt: ties are never broken by who came first (D-29)
    not_before: float
    failures: int = 0
    started: float | None = None  # of the attempt under way
    last_started: float = 0.0
    progress: float = 0.0
    waiting: bool = False

    @property
    def preference(self) -> tuple[int, int, float]:
        return (self.offer.source, self.offer.priority, self.rank)

    @property
    def age(self) -> tuple[float, float]:
        return (self.last_started, self.rank)


@dataclass(slots=True)
class Candidates:
    """The candidates of one pledge.

    Attributes:
        random: gives a number in 0..1, uniformly.
        rules: see `CandidateRules`.
    """

    random: Callable[[], float]
    rules: CandidateRules = field(default_factory=CandidateRules)
    _known: dict[Endpoint, _Candidate] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)  # offers per interface, for the sampling
    _next_start: float = 0.0
    _effects: list[Effect] = field(default_factory=list)
    _winner: Endpoint | None = None
    _retry_next: bool = False  # the last start was of a new candidate

    def offered(self, offer: Offer, now: float) -> None:
        """Take an offer; a known endpoint only has its preference updated."""
        known = self._known.get(offer.endpoint)
        if known is not None:
            if (offer.source, offer.priority) < (known.offer.source, known.offer.priority):
                known.offer = offer
            return
        if offer.source is OfferSource.CONFIGURED or self._make_room(offer.endpoint):
            self._known[offer.endpoint] = _Candidate(offer, self.random(), not_before=now)

    def progressed(self, endpoint: Endpoint, now: float) -> None:
        """The attempt moved: something that belongs to it arrived."""
        candidate = self._active(endpoint)
        if candidate is not None:
            candidate.progress = now
            candidate.waiting = False

    def waiting(self, endpoint: Endpoint, now: float) -> None:
        """The registrar asked to come back later (cbrski.md 5.5); patience frees the slot."""
        candidate = self._active(endpoint)
        if candidate is None:
            return
        candidate.progress = now
        candidate.waiting = True
        patient = [each for each in self._known.values() if each.waiting and each is not candidate]
        if len(patient) >= self.rules.max_waiting:  # D-31: nobody holds every place
            self._drop(patient[int(self.random() * len(patient)) % len(patient)], now)

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """The attempt ended without success; the candidate backs off (D-06)."""
        candidate = self._active(endpoint)
        if candidate is None:
            return
        self._back_off(candidate, now)
        if self._winner == endpoint:
            self._winner = None

    def proven(self, endpoint: Endpoint, now: float) -> None:
        """The attempt led to a valid voucher: the others end and none is started any more."""
        self._winner = endpoint
        for candidate in list(self._known.values()):
            if candidate.started is not None and candidate.offer.endpoint != endpoint:
                self._drop(candidate, now)

    def interfaces(self, present: Iterable[int], now: float) -> None:
        """Forget the candidates of interfaces that are gone."""
        kept = {0, *present}
        for endpoint, candidate in list(self._known.items()):
            if endpoint.ifindex not in kept:
                if candidate.started is not None:
                    self._drop(candidate, now)
                del self._known[endpoint]

    def advance(self, now: float) -> list[Effect]:
        """Return what to do now; call it again at `next_deadline` and after every event."""
        if self._winner is None:
            self._drop_oldest_if_stalled(now)
            self._start_next(now)
        effects, self._effects = self._effects, []
        return effects

    def next_deadline(self) -> float | None:
        """When `advance` has something to do if nothing happens; None: only after an event."""
        idle = [each.not_before for each in self._usable() if each.started is None]
        if self._winner is not None or not idle:
            return None
        start = max(self._next_start, min(idle))
        running = self._running()
        if len(running) < self.rules.parallel:
            return start
        return max(start, max(each.progress for each in running) + self.rules.stall)

    @property
    def all_failed(self) -> bool:
        """True when there are candidates, all were tried, and none is under way."""
        usable = self._usable()
        return bool(usable) and all(each.failures and each.started is None for each in usable)

    def _active(self, endpoint: Endpoint) -> _Candidate | None:
        candidate = self._known.get(endpoint)
        return candidate if candidate is not None and candidate.started is not None else None

    def _usable(self) -> list[_Candidate]:
        """The candidates that count: only configured ones as soon as there is one."""
        every = list(self._known.values())
        configured = [each for each in every if each.offer.source is OfferSource.CONFIGURED]
        return configured or every

    def _running(self) -> list[_Candidate]:
        return [
            each for each in self._known.values() if each.started is not None and not each.waiting
        ]

    def _due(self, now: float) -> list[_Candidate]:
        return [each for each in self._usable() if each.started is None and each.not_before <= now]

    def _start_next(self, now: float) -> None:
        due = self._due(now)
        if not due or now < self._next_start or len(self._running()) >= self.rules.parallel:
            return
        if all(each.failures for each in self._usable()):  # D-08: a new round begins
            self._effects.append(Refresh())
        chosen = self._choose(due)
        chosen.started = chosen.last_started = chosen.progress = now
        shortest, longest = self.rules.gap
        self._next_start = now + shortest + (longest - shortest) * self.random()
        self._effects.append(Start(chosen.offer.endpoint))

    def _choose(self, due: list[_Candidate]) -> _Candidate:
        fresh = [each for each in due if not each.failures]
        tried = [each for each in due if each.failures]
        self._retry_next = bool(fresh) and not (tried and self._retry_next)
        if self._retry_next:  # a new one starts now
            return min(fresh, key=lambda each: each.preference)
        return min(tried, key=lambda each: each.age)

    def _drop_oldest_if_stalled(self, now: float) -> None:
        running = self._running()
        if len(running) < self.rules.parallel or not self._due(now) or now < self._next_start:
            return
        if now - max(each.progress for each in running) >= self.rules.stall:
            self._drop(min(running, key=lambda each: each.last_started), now)

    def _drop(self, candidate: _Candidate, now: float) -> None:
        self._back_off(candidate, now)
        self._effects.append(Drop(candidate.offer.endpoint))

    def _back_off(self, candidate: _Candidate, now: float) -> None:
        candidate.failures += 1
        doubled = self.rules.first_back_off * 2.0 ** min(candidate.failures - 1, 16)
        delay = min(doubled * (1 + self.random() / 2), self.rules.longest_back_off)
        candidate.not_before = max(now, candidate.last_started + delay)
        candidate.rank = self.random()
        candidate.started = None
        candidate.waiting = False

    def _make_room(self, endpoint: Endpoint) -> bool:
        """Tell whether a new candidate may enter, after evicting another one where needed."""
        link = [key for key in self._known if key.ifindex == endpoint.ifindex]
        same_host = [key for key in link if key.host == endpoint.host]
        if len(same_host) >= self.rules.per_host:
            return self._evict([key for key in same_host if self._known[key].failures])
        seen = self._seen[endpoint.ifindex] = self._seen.get(endpoint.ifindex, 0) + 1
        if len(link) < self.rules.per_interface:
            return True
        if self._evict([key for key in link if self._known[key].failures]):
            return True
        # A random subset of what is offered (discovery.md 7): early floods hold no place for ever.
        return self.random() * seen < len(link) and self._evict(link)

    def _evict(self, among: list[Endpoint]) -> bool:
        idle = [key for key in among if self._known[key].started is None]
        if idle:
            del self._known[idle[int(self.random() * len(idle)) % len(idle)]]
        return bool(idle)
