"""The real surroundings of a device."""

from datetime import UTC, datetime

import pytest

from pledge.environment import real_environment
from sztb.daemon import clock


@pytest.mark.rule("P-53")
def test_randomness_comes_from_the_system():
    """No seed of our own that could be the same after a reset or on another device."""
    environment = real_environment()
    assert environment.random_bytes is clock.random_bytes
    assert environment.random_bytes(16) != environment.random_bytes(16)
    assert 0.0 <= environment.random() <= 1.0


@pytest.mark.rule("P-42")
def test_the_clock_is_trusted_only_when_told_so():
    assert real_environment().trusted_now() is None
    now = real_environment(trusted_clock=True).trusted_now()
    assert abs((now - datetime.now(UTC)).total_seconds()) < 5
    assert real_environment().wall_clock() >= now
