"""How long each step of an attempt took and how many bytes it moved, for people and `bench`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypedDict


class Counted(Protocol):
    """Something that counts the bytes it moves."""

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes sent so far."""

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes received so far."""


class StepRecord(TypedDict):
    """One step as it is written to JSON."""

    name: str
    seconds: float
    bytes_sent: int
    bytes_received: int


class AttemptRecord(TypedDict):
    """One attempt as it is written to JSON."""

    serial_number: str
    outcome: str
    endpoint: str
    reason: str
    ldevid_sha256: str | None
    seconds: float
    steps: list[StepRecord]


@dataclass(slots=True)
class Timeline:
    """The steps of one attempt.

    Attributes:
        monotonic: the clock.
        began: when the device began to search, so that ``seconds`` is all it took until now.
        steps: what was recorded, in order; a repeated step is added to its first record.
    """

    monotonic: Callable[[], float]
    began: float
    steps: list[StepRecord] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, counter: Counted | None = None) -> Iterator[None]:
        """Record what happens inside as one step, also when it fails."""
        begin = self.monotonic()
        before = (counter.bytes_sent, counter.bytes_received) if counter else (0, 0)
        try:
            yield
        finally:
            after = (counter.bytes_sent, counter.bytes_received) if counter else (0, 0)
            self.add(name, self.monotonic() - begin, after[0] - before[0], after[1] - before[1])

    def add(self, name: str, seconds: float, sent: int, received: int) -> None:
        """Record a step that was measured elsewhere."""
        for record in self.steps:
            if record["name"] == name:
                record["seconds"] = round(record["seconds"] + seconds, 6)
                record["bytes_sent"] += sent
                record["bytes_received"] += received
                return
        self.steps.append(
            {
                "name": name,
                "seconds": round(seconds, 6),
                "bytes_sent": sent,
                "bytes_received": received,
            }
        )

    def record(
        self,
        serial_number: str,
        outcome: str,
        *,
        endpoint: str = "",
        reason: str = "",
        ldevid_sha256: str | None = None,
    ) -> AttemptRecord:
        """The whole attempt, ended now."""
        return {
            "serial_number": serial_number,
            "outcome": outcome,
            "endpoint": endpoint,
            "reason": reason,
            "ldevid_sha256": ldevid_sha256,
            "seconds": round(self.monotonic() - self.began, 6),
            "steps": self.steps,
        }
