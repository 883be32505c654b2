"""Answers that leave in blocks (RFC 7959 2.4).

An answer is kept while blocks of it can still be fetched: for one association only (E-43), few at
a time, within the bytes shared by all associations, for EXCHANGE_LIFETIME after the last block.
"""

from dataclasses import dataclass, replace

from sztb.codepoints.coap import Code
from sztb.encoding.coap_options import Block, Options
from sztb.errors import Malformed
from sztb.transport.coap.limits import (
    HEADROOM,
    TRANSFER_WEIGHT,
    Budget,
    TransferLimits,
    largest_exponent,
)
from sztb.transport.coap.response import etag_of
from sztb.transport.exchange import Answer


@dataclass(slots=True)
class _Kept:
    answer: Answer
    touched: float

    @property
    def held(self) -> int:
        return TRANSFER_WEIGHT + len(self.answer.payload)


class Downloads:
    """The answers of one association of which blocks are still to be fetched."""

    __slots__ = ("_budget", "_exponent", "_kept", "_limits", "_room")

    def __init__(self, max_payload: int, limits: TransferLimits, budget: Budget) -> None:
        """Start without state; ``max_payload`` is the bytes of one record (cbrski.md 4.2)."""
        self._room = max_payload - HEADROOM
        self._exponent = largest_exponent(max_payload - HEADROOM)
        self._limits = limits
        self._budget = budget
        self._kept: dict[Options, _Kept] = {}

    def first(
        self, key: Options, answer: Answer, wanted: Block | None, now: float
    ) -> tuple[Answer, Block | None]:
        """Cut a fresh answer if the record or the client needs that.

        Args:
            key: what the requests for its blocks have in common.
            answer: the whole answer.
            wanted: the Block2 option of the request.
            now: monotonic seconds.

        Returns:
            What goes into this message, and its Block2 option when it is a block.

        Raises:
            Malformed: the wanted block lies behind the end (4.00).
        """
        limit = self._room if wanted is None else min(self._room, wanted.size)
        if len(answer.payload) <= limit and (wanted is None or not wanted.number):
            return answer, None
        if answer.etag is None and answer.code is Code.CONTENT:  # RFC 7959 2.4
            answer = replace(answer, etag=etag_of(answer.payload))
        part, block = self._cut(answer, wanted)
        if block.more:
            self._keep(key, answer, now)
        return part, block

    def other(self, key: Options, wanted: Block, now: float) -> tuple[Answer, Block] | None:
        """Cut another block from a kept answer; None when there is none (any more).

        Raises:
            Malformed: the wanted block lies behind the end (4.00).
        """
        kept = self._kept.get(key)
        if kept is None:
            return None
        kept.touched = now
        return self._cut(kept.answer, wanted)

    def expire(self, now: float) -> None:
        """Drop the answers nobody fetches any more."""
        oldest = now - self._limits.lifetime
        for key in [key for key, kept in self._kept.items() if kept.touched < oldest]:
            self._drop(key)

    def clear(self) -> None:
        """Drop everything: the association ended."""
        for key in list(self._kept):
            self._drop(key)

    def _cut(self, answer: Answer, wanted: Block | None) -> tuple[Answer, Block]:
        payload, block = cut(answer.payload, wanted, self._exponent)
        return replace(answer, payload=payload), block

    def _keep(self, key: Options, answer: Answer, now: float) -> None:
        """Hold an answer; without room for it a GET is answered afresh, a POST ends with 4.08."""
        self._drop(key)
        if len(self._kept) >= self._limits.per_association:
            self._drop(next(iter(self._kept)))
        kept = _Kept(answer, now)
        if self._budget.take(kept.held):
            self._kept[key] = kept

    def _drop(self, key: Options) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._budget.give_back(kept.held)


def cut(body: bytes, wanted: Block | None, exponent: int) -> tuple[bytes, Block]:
    """Return the block that was asked for, of at most ``exponent``, and its option.

    Raises:
        Malformed: the block lies behind the end of the body (4.00).
    """
    start = 0
    if wanted is not None:
        start = wanted.start
        exponent = min(exponent, wanted.exponent)
    if start and start >= len(body):
        raise Malformed("no such block")
    end = start + (16 << exponent)
    return body[start:end], Block(start >> exponent + 4, end < len(body), exponent)
