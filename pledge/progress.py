"""How an attempt tells the candidate machine that it moves, or that it was told to wait."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Two callbacks; both return at once.

    Attributes:
        moved: something arrived that belongs to the attempt.
        waiting: the registrar asked to come back later.
    """

    moved: Callable[[], None]
    waiting: Callable[[], None]
