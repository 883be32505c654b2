"""Work that outlives its request."""

import asyncio

from structlog.testing import capture_logs

from registrar.background import Background, within
from sztb.errors import Unavailable


async def test_work_is_waited_for_at_the_end() -> None:
    gate, done = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(1)

    async with Background(grace=5.0) as background:
        task = background.start(work(), "work")
        assert background.running("work") is task
        asyncio.get_running_loop().call_soon(gate.set)
    assert done == [1]
    assert background.running("work") is None


async def test_but_not_for_ever() -> None:
    async with Background(grace=0.01) as background:
        task = background.start(asyncio.Event().wait(), "hanging")
    assert task.cancelled()


async def test_newer_work_of_the_same_name_is_kept() -> None:
    async with Background(grace=0.01) as background:
        first = background.start(asyncio.sleep(0), "same")
        second = background.start(asyncio.Event().wait(), "same")
        await first
        await asyncio.sleep(0)
        assert background.running("same") is second


async def test_errors_that_nobody_waits_for() -> None:
    async def broken() -> None:
        raise RuntimeError("our bug")

    async def expected() -> None:
        raise Unavailable("told elsewhere")

    with capture_logs() as said:
        async with Background() as background:
            background.start(broken(), "broken")
            background.start(expected(), "expected")
    assert [entry["work"] for entry in said] == ["broken"]


async def test_within() -> None:
    gate = asyncio.Event()
    task = asyncio.ensure_future(gate.wait())
    assert not await within(task, 0.0)
    gate.set()
    assert await within(task, 1.0)
    assert await within(task, 0.0)
