"""Who wants to be called when: a queue of deadlines in which each item has at most one."""

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Items by the time they wait for; items are hashable."""

    def __init__(self) -> None:
        self._when: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._tickets = count()

    def set(self, item: T, when: float | None) -> None:
        """Let `item` wait for `when`, and for nothing else; None: for nothing at all."""
        if when is None:
            self._when.pop(item, None)
        elif self._when.get(item) != when:
            self._when[item] = when
            heappush(self._heap, (when, next(self._tickets), item))

    def first(self) -> float | None:
        """Return the earliest deadline."""
        while self._heap and self._when.get(self._heap[0][2]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Iterator[T]:
        """Yield the items whose time has come; they wait for nothing any more."""
        while (when := self.first()) is not None and when <= now:
            item = heappop(self._heap)[2]
            del self._when[item]
            yield item
