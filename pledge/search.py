"""Trying what discovery offers until one attempt succeeds (8995 4.1, 5.1; P-05, P-49).

A shell around `sztb.discovery.candidates`: it starts, drops and awaits the attempts that the
machine decides on.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from sztb.discovery.candidates import Candidates, Drop, Refresh, Start
from sztb.discovery.offers import Endpoint, Offer
from sztb.errors import Refused, SztbError

from .interfaces import Environment
from .link import Rejected
from .progress import Progress


class Closable(Protocol):
    """What a successful attempt yields."""

    async def close(self) -> None:
        """Give it up."""


T = TypeVar("T", bound=Closable)


class Asking(Protocol):
    """An active discovery mechanism."""

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes of all queries so far."""

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes of all answers so far."""

    def tick(self, now: float) -> None:
        """Do what is due."""

    def next_deadline(self) -> float:
        """When `tick` is due again."""

    def refresh(self, now: float) -> None:
        """Ask again now."""

    def pause(self) -> None:
        """Do not ask until `refresh`."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """When to stop searching; by default never.

    Attributes:
        after: seconds.
        when_refused: stop once every known registrar refused this device.
        collect: seconds during which further offers may still come.
    """

    after: float = math.inf
    when_refused: bool = False
    collect: float = 0.0


class NotOnboarded(SztbError):
    """The search was given up.

    Attributes:
        refused: True when every registrar that was found refused the device.
    """

    def __init__(self, detail: str, *, refused: bool) -> None:
        self.refused = refused
        super().__init__(detail)


class Search(Generic[T]):
    """One search for a registrar.

    Attributes:
        began: monotonic seconds.
    """

    def __init__(
        self,
        attempt: Callable[[Endpoint, Progress], Awaitable[T]],
        candidates: Candidates,
        environment: Environment,
        give_up: GiveUp,
    ) -> None:
        """Prepare; nothing happens before `find`.

        Args:
            attempt: tries one endpoint; raises `SztbError` when it does not lead anywhere.
            candidates: the machine, possibly with configured offers already in it.
            environment: time.
            give_up: see `GiveUp`.
        """
        self._attempt = attempt
        self._candidates = candidates
        self._now = environment.monotonic
        self._give_up = give_up
        self._asking: list[Asking] = []
        self.began = self._now()
        self._changed = asyncio.Event()
        self._running: dict[Endpoint, asyncio.Task[None]] = {}
        self._errors: dict[Endpoint, SztbError] = {}
        self._found: T | None = None

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes of all queries so far."""
        return sum(asking.bytes_sent for asking in self._asking)

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes of all answers so far."""
        return sum(asking.bytes_received for asking in self._asking)

    def use(self, asking: Asking) -> None:
        """Add a discovery mechanism."""
        self._asking.append(asking)

    def offer(self, offer: Offer) -> None:
        """Take an offer from any mechanism."""
        self._candidates.offered(offer, self._now())
        self._changed.set()

    def interfaces(self, present: tuple[int, ...]) -> None:
        """Tell which interfaces there are."""
        self._candidates.interfaces(present, self._now())
        self._changed.set()

    def failed(self, endpoint: Endpoint, error: SztbError) -> None:
        """What `find` returned turned out not to lead anywhere; the next `find` goes on."""
        self._errors[endpoint] = error
        self._candidates.failed(endpoint, self._now())

    async def find(self) -> T:
        """Return the first success; the other attempts end.

        Raises:
            NotOnboarded: as `GiveUp` says.
        """
        self._found = None
        async with asyncio.TaskGroup() as group:
            found = await self._until_decided(group)
            for task in self._running.values():
                task.cancel()
        self._running.clear()
        if found is None:
            raise self._given_up()
        for asking in self._asking:
            asking.pause()
        return found

    async def _until_decided(self, group: asyncio.TaskGroup) -> T | None:
        while True:
            self._changed.clear()
            if self._found is not None or self._is_over():  # before what is due is tried again
                return self._found
            self._advance(group)
            await self._wait()

    def _advance(self, group: asyncio.TaskGroup) -> None:
        now = self._now()
        for asking in self._asking:
            asking.tick(now)
        for effect in self._candidates.advance(now):
            match effect:
                case Start(endpoint):
                    self._running[endpoint] = group.create_task(self._try(endpoint))
                case Drop(endpoint):
                    task = self._running.pop(endpoint, None)
                    if task is not None:  # else it ended in this very moment
                        task.cancel()
                case Refresh():
                    for asking in self._asking:
                        asking.refresh(now)

    async def _try(self, endpoint: Endpoint) -> None:
        progress = Progress(
            moved=lambda: self._candidates.progressed(endpoint, self._now()),
            waiting=lambda: self._told_to_wait(endpoint),
        )
        try:
            found = await self._attempt(endpoint, progress)
        except SztbError as error:
            self._errors[endpoint] = error
            self._candidates.failed(endpoint, self._now())
        else:
            await self._take(endpoint, found)
        self._running.pop(endpoint, None)
        self._changed.set()

    async def _take(self, endpoint: Endpoint, found: T) -> None:
        if self._found is not None:  # P-51: a second voucher is no error, just not needed
            await found.close()
            return
        self._found = found
        self._errors.pop(endpoint, None)
        self._candidates.proven(endpoint, self._now())

    def _told_to_wait(self, endpoint: Endpoint) -> None:
        self._candidates.waiting(endpoint, self._now())
        self._changed.set()

    async def _wait(self) -> None:
        deadlines = [asking.next_deadline() for asking in self._asking]
        candidate = self._candidates.next_deadline()
        deadlines += [candidate] if candidate is not None else []
        deadline = min([*deadlines, self.began + self._give_up.after])
        try:
            async with asyncio.timeout(
                None if deadline == math.inf else max(0.0, deadline - self._now())
            ):
                await self._changed.wait()
        except TimeoutError:
            return

    def _is_over(self) -> bool:
        return self._now() - self.began >= self._give_up.after or self._is_refused()

    def _is_refused(self) -> bool:
        """True when every registrar there is has refused this device."""
        collected = self._now() - self.began >= self._give_up.collect
        tried = self._candidates.all_failed and not self._running
        refusals = (isinstance(each, Rejected | Refused) for each in self._errors.values())
        return self._give_up.when_refused and collected and tried and all(refusals)

    def _given_up(self) -> NotOnboarded:
        last = next(reversed(self._errors.values()), None)
        detail = "no registrar found" if last is None else str(last)
        if self._is_refused():
            return NotOnboarded(detail, refused=True)
        elapsed = self._now() - self.began
        return NotOnboarded(f"gave up after {elapsed:.0f} s: {detail}", refused=False)
