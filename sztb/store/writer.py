"""Group commit on SQLite: units of work that are waiting share one transaction and one fsync.

Units run in the thread of the event loop, one after another: each takes some ten microseconds,
less than handing it to another thread. Only what waits for the disk is done in a thread of its
own: the commit. While that runs, the next units gather.
"""

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from typing_extensions import override

from sztb.errors import SztbError, Unavailable
from sztb.store.sqlite import BUSY_TIMEOUT_MS, SqliteConnection, is_busy

T = TypeVar("T")
Unit = Callable[[sa.Connection], T]

BUSY_RETRY = 0.01  # seconds between looks at the lock
MAX_BATCH = 128  # units that share one commit
MAX_WAITING = 10_000  # units queued before callers are turned away


@dataclass(slots=True)
class _Waiting:
    unit: Unit[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.future.done():  # the caller was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """Runs units that change something; their callers hear of it once it is on disk."""

    def __init__(self, connection: SqliteConnection) -> None:
        """Serve in the running event loop."""
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._thread = _Thread(self._loop)
        self._thread.start()
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    def submit(self, unit: Unit[T]) -> "asyncio.Future[T]":
        """Queue a unit; the future resolves after its commit.

        Raises:
            Unavailable: too many are waiting.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("too many units of work are waiting for the database")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Waiting(unit, future))
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        return future

    async def close(self) -> None:
        """Finish what is queued, then end the thread and close the connection."""
        if self._task is not None:
            await self._task
        self._thread.stop()
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    async def _run(self) -> None:
        """Work until nobody waits."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
            await self._run_batch(batch)
            for item in batch:
                item.tell()
        self._task = None

    async def _run_batch(self, batch: list[_Waiting]) -> None:
        """Run units in one transaction; when the database fails, each of them again alone."""
        try:
            await self._begin()
        except DBAPIError as error:
            for item in batch:
                item.error = _for_caller(error)
            return
        try:
            await self._run_units(batch)
        except Exception as error:  # noqa: BLE001  # the writer goes on whatever happens
            self._connection.rollback()
            if len(batch) == 1:
                batch[0].error = _for_caller(error)
                return
        else:
            return
        for item in batch:  # whoever caused it hears of it alone
            await self._run_batch([item])

    async def _begin(self) -> None:
        """Take the write lock; wait for another process without holding up the event loop."""
        self._connection.rollback()  # one that failed earlier must not keep us out for ever
        # IMMEDIATE: a unit that reads and then writes must not lose the lock in between
        give_up = self._loop.time() + BUSY_TIMEOUT_MS / 1000
        while True:
            try:
                self._connection.run("BEGIN IMMEDIATE")
            except OperationalError as error:
                if not is_busy(error) or self._loop.time() >= give_up:
                    raise
                await asyncio.sleep(BUSY_RETRY)
            else:
                return

    async def _run_units(self, batch: list[_Waiting]) -> None:
        if len(batch) == 1:
            batch[0].error = None
            batch[0].result = batch[0].unit(self._connection.sql)
        else:
            for item in batch:
                self._run_nested(item)
        await self._thread.call(lambda: self._connection.run("COMMIT"))

    def _run_nested(self, item: _Waiting) -> None:
        item.result = item.error = None
        self._connection.run("SAVEPOINT unit")
        try:
            item.result = item.unit(self._connection.sql)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  # handed to the caller of this unit
            item.error = error
            self._connection.run("ROLLBACK TO SAVEPOINT unit")
        self._connection.run("RELEASE SAVEPOINT unit")


class _Thread(threading.Thread):
    """Makes one blocking call after another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="sql-commit", daemon=True)
        self._loop = loop
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()

    def call(self, work: Callable[[], None]) -> "asyncio.Future[None]":
        """Make a call; the future has its end."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((work, future))
        return future

    def stop(self) -> None:
        """End the thread after what is queued."""
        self._queue.put(None)

    @override
    def run(self) -> None:
        """Make the calls."""
        while (job := self._queue.get()) is not None:
            work, future = job
            error: Exception | None = None
            try:
                work()
            except Exception as caught:  # noqa: BLE001  # handed to the caller
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop closed: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, future, error)


_Job = tuple[Callable[[], None], "asyncio.Future[None]"]


def _settle(future: "asyncio.Future[None]", error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def unavailable(error: OperationalError) -> SztbError:
    """Translate what may pass (locked, full, read-only) and keep the driver's words."""
    made = Unavailable(f"database: {error.orig}")
    made.__cause__ = error
    return made


def _for_caller(error: Exception) -> Exception:
    return unavailable(error) if isinstance(error, OperationalError) else error
