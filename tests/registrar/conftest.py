"""One world per test: a registrar with memory around it."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.registrar_site import World, make_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A registrar that admits every device of the example manufacturer."""
    async with make_world() as world:
        yield world
