"""Token buckets: how much one source, one interface and one live circuit may send (JD4)."""

from collections import OrderedDict
from dataclasses import dataclass, field

MAX_SOURCES = 1024  # buckets kept; the source silent for longest goes first


@dataclass(frozen=True, slots=True)
class Rate:
    """A sustained rate with a burst.

    Attributes:
        per_second: tokens that come back per second.
        burst: tokens at most.
    """

    per_second: float
    burst: int


@dataclass(slots=True)
class TokenBucket:
    """Lets `rate.burst` datagrams through at once and `rate.per_second` in the long run."""

    rate: Rate
    tokens: float = field(init=False)
    filled_at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.rate.burst

    def take(self, now: float) -> bool:
        """Take one token; False when there is none. `now` in seconds, never backwards."""
        grown = self.tokens + (now - self.filled_at) * self.rate.per_second
        self.tokens, self.filled_at = min(self.rate.burst, grown), now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rates of JD4; `LLN` is for links of a few kbit/s.

    Attributes:
        source: datagrams of one pledge address whose circuit is not confirmed.
        interface: the same, over all addresses of one interface: spoofed sources share it.
        circuit: datagrams of one confirmed circuit, which no other source can use up (J-19).
    """

    source: Rate = Rate(10, 30)
    interface: Rate = Rate(30, 60)
    circuit: Rate = Rate(100, 200)


LLN = RateLimits(source=Rate(1, 10), interface=Rate(3, 20), circuit=Rate(10, 40))


class StrangerLimiter:
    """Rate limits for datagrams from sources that have not shown that answers reach them."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._sources: OrderedDict[tuple[int, str], TokenBucket] = OrderedDict()
        self._interfaces: dict[int, TokenBucket] = {}

    def allow(self, ifindex: int, host: str, now: float) -> bool:
        """Tell whether one more datagram may pass, and count it."""
        interface = self._interfaces.get(ifindex)
        if interface is None:
            interface = self._interfaces[ifindex] = TokenBucket(self._limits.interface)
        # The source is asked first: one loud source must not empty the interface for others.
        return self._source(ifindex, host).take(now) and interface.take(now)

    def _source(self, ifindex: int, host: str) -> TokenBucket:
        key = (ifindex, host)
        bucket = self._sources.get(key)
        if bucket is None:
            bucket = self._sources[key] = TokenBucket(self._limits.source)
            if len(self._sources) > MAX_SOURCES:
                self._sources.popitem(last=False)
        self._sources.move_to_end(key)
        return bucket
