"""Request bodies that arrive in blocks (RFC 7959 2.5).

All state belongs to one association (E-43) and is bounded three ways: transfers per association,
bytes of all associations together, time since the last block.
"""

from dataclasses import dataclass

from sztb.encoding.coap_options import Block, Options
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.transport.coap.limits import TRANSFER_WEIGHT, Budget, TransferLimits


@dataclass(slots=True)
class _Upload:
    body: bytearray
    touched: float
    held: int = TRANSFER_WEIGHT


class Uploads:
    """The request bodies of one association that are still incomplete."""

    __slots__ = ("_budget", "_limits", "_open")

    def __init__(self, limits: TransferLimits, budget: Budget) -> None:
        self._limits = limits
        self._budget = budget
        self._open: dict[Options, _Upload] = {}

    def add(
        self, key: Options, block: Block, payload: bytes, size1: int | None, now: float
    ) -> bytes | None:
        """Take one block; return the body when it was the last one, None when more are expected.

        Args:
            key: what the requests of this transfer have in common.
            block: the Block1 option.
            payload: the bytes of the block.
            size1: the size of the body that the client announces.
            now: monotonic seconds.

        Raises:
            Malformed: the payload does not have the size that the block claims (4.00).
            Refused: BLOCK_MISSING out of order (4.08), TOO_LARGE (4.13).
            Unavailable: no room for another transfer.
        """
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise Malformed("block and payload differ in size")
        if max(block.start + len(payload), size1 or 0) > self._limits.max_body:
            self._drop(key)
            raise Refused(Refusal.TOO_LARGE)
        if block.number == 0:  # RFC 7959 2.5: a new first block replaces what was there
            self._drop(key)
            if not block.more:
                return payload
            self._begin(key, now)
        self._append(key, block, payload, now)
        return None if block.more else bytes(self._drop(key))

    def expire(self, now: float) -> None:
        """Drop the transfers that nobody continued."""
        oldest = now - self._limits.lifetime
        for key in [key for key, upload in self._open.items() if upload.touched < oldest]:
            self._drop(key)

    def clear(self) -> None:
        """Drop everything: the association ended."""
        for key in list(self._open):
            self._drop(key)

    def _begin(self, key: Options, now: float) -> None:
        if len(self._open) >= self._limits.per_association:
            self._drop(next(iter(self._open)))
        if not self._budget.take(TRANSFER_WEIGHT):
            raise Unavailable("too many unfinished transfers")
        self._open[key] = _Upload(bytearray(), now)

    def _append(self, key: Options, block: Block, payload: bytes, now: float) -> None:
        upload = self._open.get(key)
        if upload is None or len(upload.body) != block.start:
            self._drop(key)
            raise Refused(Refusal.BLOCK_MISSING)
        if not self._budget.take(len(payload)):
            self._drop(key)
            raise Unavailable("too many unfinished transfers")
        upload.body += payload
        upload.held += len(payload)
        upload.touched = now

    def _drop(self, key: Options) -> bytearray:
        upload = self._open.pop(key, None)
        if upload is None:
            return bytearray()
        self._budget.give_back(upload.held)
        return upload.body
