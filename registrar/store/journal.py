"""The hash-chained journal (`registrar.interfaces.Journal`), and reading it back."""

from collections.abc import Sequence

import sqlalchemy as sa
from typing_extensions import override

from sztb.pki.idevid import DeviceRef
from sztb.store import chain
from sztb.store.times import from_ms, to_ms

from ..interfaces import Journal
from ..records import JournalEntry
from .schema import journal


class SqlJournal(Journal):
    """Rows are only ever added; `verify` finds a changed or missing one."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @override
    def append(self, entry: JournalEntry) -> None:
        device = entry.device
        fields = {
            "at": to_ms(entry.at),
            "event": entry.event,
            "idevid_issuer": None if device is None else device.idevid_issuer,
            "serial_number": None if device is None else device.serial_number,
            "outcome": entry.outcome,
            "rule": entry.rule,
            "detail": entry.detail,
            "alert": entry.alert,
        }
        chain.append(self._connection, journal, fields)

    def newest(self, limit: int = 100, device: DeviceRef | None = None) -> Sequence[JournalEntry]:
        """Return the last entries, the newest first."""
        query = sa.select(journal).order_by(journal.c.sequence.desc()).limit(limit)
        if device is not None:
            query = query.where(
                journal.c.idevid_issuer == device.idevid_issuer,
                journal.c.serial_number == device.serial_number,
            )
        return [_entry(row) for row in self._connection.execute(query)]

    def verify(self) -> int:
        """Check the whole chain and return its length.

        Raises:
            ValueError: names the first row that does not fit.
        """
        return chain.verify(self._connection, journal)


def _entry(row: sa.Row[tuple[object, ...]]) -> JournalEntry:
    known = row.serial_number is not None
    return JournalEntry(
        at=from_ms(row.at),
        event=row.event,
        device=DeviceRef(row.idevid_issuer, row.serial_number) if known else None,
        outcome=row.outcome,
        rule=row.rule,
        detail=row.detail,
        alert=row.alert,
    )
