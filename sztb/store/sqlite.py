"""SQLite connections: WAL, every commit on disk, transactions begun and ended by us."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_TIMEOUT_MS = 5_000  # another process (the command line) may hold the write lock this long

_PRIMARY = 0xFF  # an extended error code has the primary one in its low byte


def sqlite_engine(url: str) -> sa.Engine:
    """Make an engine with one connection, on which SQLAlchemy begins and ends transactions.

    Args:
        url: ``sqlite:///relative/path`` or ``sqlite:////absolute/path``.
    """
    engine = _engine(url, BUSY_TIMEOUT_MS, read_only=False)

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # IMMEDIATE: a unit that reads and then writes must not lose the lock in between
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _engine(url: str, busy_ms: int, *, read_only: bool) -> sa.Engine:
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
        cursor.execute(f"PRAGMA busy_timeout={busy_ms}")
        cursor.close()

    return engine


class SqliteConnection:
    """One connection, used by one thread at a time.

    Transactions are plain statements: SQLAlchemy's own cost several times as much, and it need
    not know of them.

    Attributes:
        sql: what units of work get.
    """

    def __init__(self, url: str, busy_ms: int, *, read_only: bool = False) -> None:
        """Connect.

        Args:
            url: as for `sqlite_engine`.
            busy_ms: how long a statement waits for a lock of somebody else, in milliseconds.
            read_only: refuse writes.

        Raises:
            OperationalError: the file cannot be opened.
        """
        self._engine = _engine(url, busy_ms, read_only=read_only)
        self.sql = self._engine.connect()
        driver: Any = self.sql.connection.dbapi_connection
        self._driver: sqlite3.Connection = driver

    def run(self, statement: str) -> None:
        """Execute a statement without parameters or results.

        Raises:
            DBAPIError: the kind that SQLAlchemy would raise.
        """
        try:
            self._driver.execute(statement).close()
        except sqlite3.Error as error:
            raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error

    def rollback(self) -> None:
        """End the transaction without effect, if the database has not done so by itself."""
        if self._driver.in_transaction:
            with contextlib.suppress(DBAPIError):  # if it is still open, the next BEGIN says so
                self.run("ROLLBACK")

    def close(self) -> None:
        """Close; what was not committed is lost."""
        self.sql.close()
        self._engine.dispose()


def is_busy(error: OperationalError) -> bool:
    """True when somebody else holds the lock that was needed."""
    code = getattr(error.orig, "sqlite_errorcode", 0)
    return code & _PRIMARY == sqlite3.SQLITE_BUSY
