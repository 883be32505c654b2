"""Bounds on what a peer can make the server keep (E-43), and what fits a record."""

from dataclasses import dataclass, field

from sztb.codepoints.coap import EXCHANGE_LIFETIME
from sztb.encoding.coap_options import MAX_EXPONENT

HEADROOM = 80  # bytes of a record for header, token and options of a response
TRANSFER_WEIGHT = 300  # bytes an open transfer weighs besides its body


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """Bounds of block-wise transfers.

    Attributes:
        max_body: bytes of a request body.
        per_association: unfinished request bodies, and kept answers, of one association.
        lifetime: seconds a transfer is kept after its last block.
    """

    max_body: int = 16384
    per_association: int = 2
    lifetime: float = EXCHANGE_LIFETIME


@dataclass(frozen=True, slots=True)
class ResponderLimits:
    """What one association may ask for at once.

    Attributes:
        transfers: bounds of block-wise transfers.
        outstanding: requests in hand; more are answered 5.03.
        patience: seconds until a confirmable request gets an empty acknowledgement.
    """

    transfers: TransferLimits = field(default_factory=TransferLimits)
    outstanding: int = 4
    patience: float = 0.5


@dataclass(slots=True)
class Budget:
    """Bytes that all associations together may hold in block-wise transfers."""

    limit: int
    used: int = 0

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes if there is room."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def give_back(self, size: int) -> None:
        """Release ``size`` bytes."""
        self.used -= size


def largest_exponent(room: int) -> int:
    """Return the exponent of the largest block of at most ``room`` bytes (RFC 7959 2.2).

    So a record of 2^10 bytes takes blocks of 512, one of 2^9 takes 256 (cbrski.md 4.2).
    """
    return min(max(room, 16).bit_length() - 5, MAX_EXPONENT)
