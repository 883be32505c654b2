"""Work that outlives the request that began it: tasks of one TaskGroup, none of them lost."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

import structlog

from sztb.errors import SztbError

T = TypeVar("T")

log = structlog.get_logger("registrar")


class Background:
    """Runs coroutines beside the requests; at the end waits for them, but not for ever."""

    def __init__(self, grace: float = 10.0) -> None:
        """Prepare.

        Args:
            grace: seconds that running work gets when the daemon stops.
        """
        self._grace = grace
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        unfinished = await self.idle(self._grace)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def idle(self, seconds: float | None = None) -> "set[asyncio.Task[Any]]":
        """Wait until no work is left, at most `seconds`; returns what is still running."""
        if not self._tasks:
            return set()
        _, unfinished = await asyncio.wait(self._tasks.values(), timeout=seconds)
        return unfinished

    def start(self, work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        """Run `work` under a name that no running work has.

        An error of ours that nobody waits for is logged and ends nothing else.
        """
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(self._done)
        return task

    def running(self, name: str) -> "asyncio.Task[Any] | None":
        """Return the running work of that name."""
        return self._tasks.get(name)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        if self._tasks.get(task.get_name()) is task:
            del self._tasks[task.get_name()]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, SztbError):
            log.error("background work failed", work=task.get_name(), exc_info=error)


async def within(task: "asyncio.Task[T]", seconds: float) -> bool:
    """Wait for the end of `task` at most `seconds`; True when it ended. Never cancels it."""
    if task.done():
        return True
    done, _ = await asyncio.wait((task,), timeout=seconds)
    return bool(done)
