"""Waiting for a registrar that is not ready: 5.03 and Max-Age (cbrski.md 5.5; P-16, P-17, J-30)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from sztb.codepoints.coap import DEFAULT_MAX_AGE, Code
from sztb.errors import Unavailable
from sztb.transport.exchange import Answer

from .interfaces import Environment


class Pingable(Protocol):
    """A connection that is kept open while its peer thinks."""

    async def ping(self) -> None:
        """Show that we are still here."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait; seconds.

    Attributes:
        one_round: cap of one wait, whatever the registrar says (P-16).
        in_all: when to give the registrar up and return to discovery (P-17).
        ping: a join proxy forgets a silent pledge after 30 s, so never be silent for longer
            than this (J-30).
    """

    one_round: float = 60.0
    in_all: float = 4 * 24 * 3600.0
    ping: float = 20.0


PATIENCE = Patience()


async def until_answered(
    send: Callable[[], Awaitable[Answer]],
    link: Pingable,
    environment: Environment,
    waiting: Callable[[], None],
    patience: Patience = PATIENCE,
) -> Answer:
    """Repeat a request until the answer is something else than 5.03.

    Args:
        send: sends the request, with the same bytes each time.
        link: pinged while waiting.
        environment: time.
        waiting: called before each wait, for user feedback and the candidate machine.
        patience: see `Patience`.

    Raises:
        Unavailable: still 5.03 after all that time.
        LinkFailed: the connection broke.
    """
    end = environment.monotonic() + patience.in_all
    while True:
        answer = await send()
        if answer.code != Code.SERVICE_UNAVAILABLE:
            return answer
        if environment.monotonic() >= end:
            raise Unavailable("the registrar was never ready")
        waiting()
        await _wait(_round(answer, patience), link, environment, patience)


def _round(answer: Answer, patience: Patience) -> float:
    asked = DEFAULT_MAX_AGE if answer.max_age is None else answer.max_age
    return min(max(float(asked), 1.0), patience.one_round)  # P-45: 0 and huge values too


async def _wait(
    seconds: float, link: Pingable, environment: Environment, patience: Patience
) -> None:
    end = environment.monotonic() + seconds
    while (left := end - environment.monotonic()) > 0:
        await environment.sleep(min(left, patience.ping))
        if end - environment.monotonic() > 0:
            await link.ping()
