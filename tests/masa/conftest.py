"""One world per test: a MASA with memory around it."""

import pytest

from tests.fakes.masa import World, make_world


@pytest.fixture
def world() -> World:
    """A MASA that knows the device SN-1."""
    return make_world()
