"""The one source of time and randomness; everything below the shells takes them as arguments."""

import random
import secrets
import time
from datetime import UTC, datetime

_system_random = random.SystemRandom()


def utc_now() -> datetime:
    """Return the wall clock as an aware UTC time."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds of a clock that never jumps; only differences mean something."""
    return time.monotonic()


def random_bytes(length: int) -> bytes:
    """Return cryptographically strong random bytes (P-53: the kernel seeds them)."""
    return secrets.token_bytes(length)


def random_uniform(low: float, high: float) -> float:
    """Return a number in [low, high] for jitter and back-off."""
    return _system_random.uniform(low, high)
