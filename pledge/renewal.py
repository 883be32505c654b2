"""When to renew what (est D24, D22; P-37): decisions and one small machine, no waiting.

The wall clock only times renewals here, so it need not be trusted: when it is obviously wrong the
device renews at each boot and about monthly.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509

DAY = 24 * 3600.0


class Due(Enum):
    """What is due."""

    RENEW = "renew"  # /sren with the LDevID
    RECOVER = "recover"  # the LDevID is over: /sen with the IDevID (est D22)
    REFRESH = "refresh"  # /crts


@dataclass(frozen=True, slots=True)
class RenewalRules:
    """Numbers; seconds where nothing else is said.

    Attributes:
        window: part of the lifetime in which a renewal happens, uniformly random.
        alarm: part of the lifetime after which a missing renewal is an alert.
        month: how often anchors are refreshed, and certificates without a clock; jitter 10 %.
        first_back_off: after the first failure.
        longest_back_off: where the doubling ends.
        look: longest time between two looks at the clock.
    """

    window: tuple[float, float] = (0.50, 0.67)
    alarm: float = 0.90
    month: float = 30 * DAY
    first_back_off: float = 60.0
    longest_back_off: float = 6 * 3600.0
    look: float = 3600.0


def part_of_lifetime(certificate: x509.Certificate, now: datetime) -> float | None:
    """How much of a certificate's lifetime is over: 0..1, above 1 when it expired.

    Returns:
        None when the clock is obviously wrong: before the certificate was made.
    """
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return None if now < begin else (now - begin) / (end - begin)


@dataclass(slots=True)
class Renewal:
    """Decides what is due for one credential.

    Attributes:
        random: gives a number in 0..1.
        rules: see `RenewalRules`.
    """

    random: Callable[[], float]
    rules: RenewalRules = field(default_factory=RenewalRules)
    failures: int = 0
    _share: float = 0.0
    _month: float = 0.0
    _not_before: float = 0.0
    _renewed: float | None = None  # monotonic; None since boot
    _refreshed: float | None = None

    def __post_init__(self) -> None:
        self._draw()

    def due(
        self, certificate: x509.Certificate, cacerts_at: datetime | None, wall: datetime, now: float
    ) -> Due | None:
        """Tell what is due.

        Args:
            certificate: the LDevID certificate.
            cacerts_at: when /crts was asked last, None when never.
            wall: the wall clock, perhaps wrong.
            now: monotonic seconds.
        """
        if now < self._not_before:
            return None
        part = part_of_lifetime(certificate, wall)
        if part is not None and part >= 1.0:
            return Due.RECOVER
        renew = self._blind(self._renewed, now) if part is None else part >= self._share
        if renew:
            return Due.RENEW
        known = cacerts_at if part is not None else None
        return Due.REFRESH if self._is_stale(known, wall, now) else None

    def is_late(self, certificate: x509.Certificate, wall: datetime) -> bool:
        """Tell whether the certificate should have been renewed long ago."""
        part = part_of_lifetime(certificate, wall)
        return part is not None and part >= self.rules.alarm

    def renew_at(self, certificate: x509.Certificate) -> datetime:
        """The time drawn for the next renewal."""
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        return begin + (end - begin) * self._share

    def next_look(self, certificate: x509.Certificate, wall: datetime, now: float) -> float:
        """Seconds until something may be due; never long, because the wall clock may jump."""
        if now < self._not_before:
            return min(self._not_before - now, self.rules.look)
        left = (self.renew_at(certificate) - wall).total_seconds()
        return min(max(left, 1.0), self.rules.look)

    def succeeded(self, due: Due, now: float) -> None:
        """Something was done."""
        self.failures = 0
        self._refreshed = now
        if due is not Due.REFRESH:
            self._renewed = now
        self._draw()

    def failed(self, now: float) -> float:
        """Nothing was done; return the seconds until the next try."""
        self.failures += 1
        doubled = self.rules.first_back_off * 2.0 ** min(self.failures - 1, 16)
        delay = min(doubled, self.rules.longest_back_off) * (0.75 + self.random() / 2)
        self._not_before = now + delay
        return delay

    def _draw(self) -> None:
        low, high = self.rules.window
        self._share = low + (high - low) * self.random()
        self._month = self.rules.month * (0.9 + 0.2 * self.random())

    def _blind(self, last: float | None, now: float) -> bool:
        """Without a clock: once per boot, then monthly."""
        return last is None or now - last >= self._month

    def _is_stale(self, last: datetime | None, wall: datetime, now: float) -> bool:
        if last is not None:
            return wall - last >= timedelta(seconds=self._month)
        return self._blind(self._refreshed, now)
