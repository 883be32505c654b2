"""What this device accepts: the choices the standards leave to a pledge (cbrski.md 14)."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from sztb.voucher.model import Assertion


class Nonceless(Enum):
    """When a voucher without nonce is good enough (cbrski D35)."""

    NEVER = "never"
    WITH_CLOCK = "with-clock"  # expires-on is present and a trusted clock says it is not over
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class PledgePolicy:
    """The device's own rules for vouchers.

    Attributes:
        assertions: values of the assertion leaf that are acceptable (P-23); a voucher without the
            leaf is acceptable too, because only serial-number is mandatory (D36).
        nonceless: see `Nonceless` (P-21).
        clock_tolerance: how far created-on may lie ahead of a trusted clock (D37).
    """

    assertions: frozenset[Assertion] = frozenset(Assertion)
    nonceless: Nonceless = Nonceless.WITH_CLOCK
    clock_tolerance: timedelta = timedelta(minutes=5)
