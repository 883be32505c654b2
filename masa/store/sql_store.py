"""The store of the MASA: transactions on the database (`masa.interfaces.Store`)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sa
from typing_extensions import override

from sztb.store.engine import Database
from sztb.store.migrate import upgrade

from ..interfaces import Store
from .actions import SqlActions
from .devices import SqlDevices
from .issues import SqlIssues

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"


class SqlTransaction:
    """All tables on one connection; a `masa.interfaces.Transaction`.

    Attributes:
        devices: the devices.
        issues: the audit log.
        actions: what operators did.
    """

    __slots__ = ("actions", "devices", "issues")

    def __init__(self, connection: sa.Connection, *, writing: bool) -> None:
        self.devices = SqlDevices(connection, writing=writing)
        self.issues = SqlIssues(connection)
        self.actions = SqlActions(connection)


class SqlStore(Store):
    """The daemon and the command line may use one database at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, url: str) -> Self:
        """Bring the schema up to date and open the database.

        Args:
            url: SQLAlchemy URL, for example ``sqlite:////var/lib/sztb/masa.db``.

        Raises:
            Unavailable: the database cannot be opened, or is locked.
        """
        await asyncio.to_thread(upgrade, url, MIGRATIONS)
        return cls(await Database.open(url))

    @override
    async def write(self, work: Callable[[SqlTransaction], T]) -> T:
        return await self._database.write(
            lambda connection: work(SqlTransaction(connection, writing=True))
        )

    @override
    async def read(self, work: Callable[[SqlTransaction], T]) -> T:
        return await self._database.read(
            lambda connection: work(SqlTransaction(connection, writing=False))
        )

    @override
    async def close(self) -> None:
        await self._database.close()
