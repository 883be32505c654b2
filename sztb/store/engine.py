"""Units of work on an SQL database; a unit's result is handed out only once it is on disk.

A unit is a synchronous function that gets a connection inside a transaction. On SQLite units that
wait are committed together: each answer still leaves after its own commit, but many answers share
one fsync (design: group commit). Units must be short, and must not have effects outside the
connection, because a unit is run again when a batch has to be split.
"""

import asyncio
from typing import Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from sztb.errors import Misuse, Unavailable
from sztb.store.sqlite import SqliteConnection, sqlite_engine
from sztb.store.writer import Unit, Writer, unavailable

T = TypeVar("T")

READ_BUSY_MS = 200  # somebody repairs the database; nobody else is served meanwhile


class Database:
    """An open database; `read` and `write` run units of work (see the module's text)."""

    def __init__(self, url: str, writer: Writer, reader: SqliteConnection) -> None:
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
        try:
            if metadata is not None:
                await asyncio.to_thread(_create, url, metadata)
            writer = SqliteConnection(url, 0)
            reader = SqliteConnection(url, READ_BUSY_MS, read_only=True)
        except OperationalError as error:
            raise unavailable(error) from error
        return cls(url, Writer(writer), reader)

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
        try:
            self._reader.run("BEGIN")
            return unit(self._reader.sql)
        except OperationalError as error:
            raise unavailable(error) from error
        finally:
            self._reader.rollback()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the database is closed")

    async def close(self) -> None:
        """Finish queued units and close the connections."""
        if self._closed:
            return
        self._closed = True
        await self._writer.close()
        self._reader.close()


def _create(url: str, metadata: sa.MetaData) -> None:
    engine = sqlite_engine(url)
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()
