"""Units of work on an SQL database; a unit's result is handed out only once it is on disk.

A unit is a synchronous function that gets a connection inside a transaction. On SQLite one writer
thread runs them one after another and commits as many as are waiting together: each answer still
leaves after its own commit, but many answers share one fsync (design: group commit). Units must
not have effects outside the connection, because a unit is run again when a batch has to be split.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool
from typing_extensions import override

from sztb.errors import Misuse, SztbError, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

T = TypeVar("T")
Unit = Callable[[sa.Connection], T]

BUSY_TIMEOUT_MS = 5_000  # another process (the command line) may hold the write lock this long
MAX_BATCH = 128  # units that share one commit
MAX_WAITING = 10_000  # units queued before callers are turned away


@dataclass(slots=True)
class _Waiting:
    unit: Unit[Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def _tell(done: list[_Waiting]) -> None:
    for item in done:
        if item.future.cancelled():
            continue
        if item.error is not None:
            item.future.set_exception(item.error)
        else:
            item.future.set_result(item.result)


class _Worker(threading.Thread):
    """One connection in one thread; runs batches of units."""

    def __init__(self, engine: sa.Engine, loop: asyncio.AbstractEventLoop, *, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._engine = engine
        self._loop = loop
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()

    def submit(self, unit: Unit[T]) -> asyncio.Future[T]:
        """Queue a unit; the future resolves in the event loop of the database."""
        if self._queue.qsize() >= MAX_WAITING:
            raise Unavailable("too many units of work are waiting for the database")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Waiting(unit, future))
        return future

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._queue.put(None)

    @override
    def run(self) -> None:
        """Take what is waiting, run it, tell the waiting callers."""
        running = True
        with self._engine.connect() as connection:
            while running:
                batch, running = self._take()
                if not batch:
                    continue
                self._run_batch(connection, batch)
                with contextlib.suppress(RuntimeError):  # the loop closed: nobody waits any more
                    self._loop.call_soon_threadsafe(_tell, batch)

    def _take(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= MAX_BATCH or self._queue.empty():
                return batch, True
            item = self._queue.get()
        return batch, False

    def _run_batch(self, connection: sa.Connection, batch: list[_Waiting]) -> None:
        if len(batch) > 1 and self._run_together(connection, batch):
            return
        for item in batch:
            self._run_alone(connection, item)

    def _run_together(self, connection: sa.Connection, batch: list[_Waiting]) -> bool:
        """Run all units in one transaction; False when the database itself failed."""
        try:
            with connection.begin():
                for item in batch:
                    self._run_nested(connection, item)
        except DBAPIError:  # whoever caused it hears of it alone
            return False
        return True

    @staticmethod
    def _run_nested(connection: sa.Connection, item: _Waiting) -> None:
        # Plain statements: Connection.begin_nested costs four times as much as both of them.
        item.result = item.error = None
        connection.exec_driver_sql("SAVEPOINT unit")
        try:
            item.result = item.unit(connection)
        except OperationalError:
            raise
        except Exception as error:  # noqa: BLE001  # handed to the caller of this unit
            item.error = error
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
        connection.exec_driver_sql("RELEASE SAVEPOINT unit")

    @staticmethod
    def _run_alone(connection: sa.Connection, item: _Waiting) -> None:
        item.result = item.error = None
        try:
            with connection.begin():
                item.result = item.unit(connection)
        except OperationalError as error:
            item.error = _unavailable(error)
        except Exception as error:  # noqa: BLE001  # handed to the caller of this unit
            item.error = error


def _unavailable(error: OperationalError) -> SztbError:
    """Translate what may pass (locked, full, read-only) and keep the driver's words."""
    unavailable = Unavailable(f"database: {error.orig}")
    unavailable.__cause__ = error
    return unavailable


def sqlite_engine(url: str, *, read_only: bool = False) -> sa.Engine:
    """Make an engine with one connection: WAL, synchronous=FULL, transactions begun by us.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
        read_only: refuse writes on this connection.
    """
    engine = sa.create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 then begins nothing by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # IMMEDIATE: a unit that reads and then writes must not lose the lock in between
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


class Database:
    """An open database; `read` and `write` run units of work (see the module's text)."""

    def __init__(self, url: str, writer: _Worker, reader: _Worker) -> None:
        self.url = url
        self._writer = writer
        self._reader = reader
        self._closed = False

    @classmethod
    async def open(cls, url: str, metadata: sa.MetaData | None = None) -> Self:
        """Open the database of an SQLAlchemy URL and create missing tables of `metadata`.

        Raises:
            Unavailable: the file cannot be opened or created.
            Misuse: the dialect is not one this engine serves.
        """
        if not url.startswith("sqlite:///"):
            raise Misuse(f"database URL must begin with sqlite:/// (got {url.partition(':')[0]}:)")
        loop = asyncio.get_running_loop()
        try:
            write_engine = sqlite_engine(url)
            with write_engine.begin() as connection:
                if metadata is not None:
                    metadata.create_all(connection)
        except OperationalError as error:
            raise _unavailable(error) from error
        writer = _Worker(write_engine, loop, name="sql-writer")
        reader = _Worker(sqlite_engine(url, read_only=True), loop, name="sql-reader")
        writer.start()
        reader.start()
        return cls(url, writer, reader)

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit that changes something; returns after its commit is durable.

        Raises:
            Unavailable: locked, full, read-only, or too many units waiting; nothing was stored.
        """
        self._check_open()
        return await self._writer.submit(unit)

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads, on its own connection, beside writers.

        Raises:
            Unavailable: as for `write`.
        """
        self._check_open()
        return await self._reader.submit(unit)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the database is closed")

    async def close(self) -> None:
        """Finish queued units and close the connections."""
        if self._closed:
            return
        self._closed = True
        for worker in (self._writer, self._reader):
            worker.stop()
            await asyncio.to_thread(worker.join)
            worker._engine.dispose()  # noqa: SLF001  # the worker's thread has ended
