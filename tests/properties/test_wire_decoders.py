"""Any bytes decode or raise Malformed or Refused: every decoder of vouchers and telemetry."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.errors import Malformed, Refused
from tests.fuzz.targets import TARGETS, Target
from tests.properties.strategies import damaged


def survives(decode: Callable[[bytes], object], raw: bytes) -> None:
    with suppress(Malformed, Refused):
        decode(raw)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes(target: Target) -> None:
    given(st.binary(max_size=200))(lambda raw: survives(target.decode, raw))()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_damaged_artifacts(target: Target) -> None:
    given(damaged(target.corpus()))(lambda raw: survives(target.decode, raw))()
