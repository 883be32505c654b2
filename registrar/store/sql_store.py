"""The store of the registrar: transactions on the database (`registrar.interfaces.Store`)."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from typing_extensions import override

from sztb.errors import Unavailable
from sztb.store.engine import Database
from sztb.store.migrate import upgrade

from ..interfaces import Store
from .certificates import SqlCertificates, SqlCrls
from .devices import SqlDevices
from .journal import SqlJournal
from .manufacturers import SqlManufacturers
from .pending import SqlPendingVouchers

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"
ATTEMPTS = 3  # another instance inserted the same key between our read and our insert


class SqlTransaction:
    """All tables on one connection; a `registrar.ca.interfaces.CaTransaction`.

    Attributes:
        devices: the devices.
        pending: the voucher requests in progress and their answers.
        manufacturers: the accepted makers of devices.
        journal: the journal.
        certificates: the issued certificates.
        crls: the CRLs.
    """

    __slots__ = ("certificates", "crls", "devices", "journal", "manufacturers", "pending")

    def __init__(self, connection: sa.Connection, *, writing: bool) -> None:
        self.devices = SqlDevices(connection, writing=writing)
        self.pending = SqlPendingVouchers(connection)
        self.manufacturers = SqlManufacturers(connection)
        self.journal = SqlJournal(connection)
        self.certificates = SqlCertificates(connection)
        self.crls = SqlCrls(connection, writing=writing)


class SqlStore(Store):
    """Several instances of the registrar, and the command line, may use one database at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, url: str) -> Self:
        """Bring the schema up to date and open the database.

        Args:
            url: SQLAlchemy URL, for example ``sqlite:////var/lib/sztb/registrar.db``.

        Raises:
            Unavailable: the database cannot be opened, or is locked.
        """
        await asyncio.to_thread(upgrade, url, MIGRATIONS)
        return cls(await Database.open(url))

    @override
    async def write(self, work: Callable[[SqlTransaction], T]) -> T:
        for _ in range(ATTEMPTS):
            try:
                return await self._database.write(
                    lambda connection: work(SqlTransaction(connection, writing=True))
                )
            except IntegrityError:  # the row is there by now: the next attempt sees it
                continue
        raise Unavailable("the database changes faster than we can follow", retry_after=1)

    @override
    async def read(self, work: Callable[[SqlTransaction], T]) -> T:
        return await self._database.read(
            lambda connection: work(SqlTransaction(connection, writing=False))
        )

    @override
    async def close(self) -> None:
        await self._database.close()
