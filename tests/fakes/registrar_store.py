"""The registrar's store in memory: transactions that undo themselves, everything open to a test.

store.tables.devices[device.ref]          # look
store.fail = Unavailable("disk full")     # the next writes and reads fail
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from typing_extensions import override

from registrar.interfaces import (
    Devices,
    Journal,
    Manufacturers,
    PendingVouchers,
    Store,
    Transaction,
)
from registrar.records import (
    Begun,
    DeviceRecord,
    DeviceState,
    Instant,
    JournalEntry,
    Manufacturer,
    PendingKey,
    Standing,
    VoucherAnswer,
)
from sztb.errors import Refusal, Refused
from sztb.pki.idevid import DeviceRef

T = TypeVar("T")


@dataclass(frozen=True)
class PendingRow:
    device: DeviceRef
    begun: Instant
    lease_until: Instant | None
    answer: VoucherAnswer | None = None
    keep_until: Instant | None = None


@dataclass
class Tables:
    devices: dict[DeviceRef, DeviceRecord] = field(default_factory=dict)
    pending: dict[PendingKey, PendingRow] = field(default_factory=dict)
    manufacturers: dict[str, Manufacturer] = field(default_factory=dict)
    journal: list[JournalEntry] = field(default_factory=list)

    def copy(self) -> Tables:
        return Tables(
            dict(self.devices), dict(self.pending), dict(self.manufacturers), list(self.journal)
        )


class MemoryDevices(Devices):
    def __init__(self, rows: dict[DeviceRef, DeviceRecord]) -> None:
        self._rows = rows

    @override
    def get(self, ref: DeviceRef, manufacturer: str | None = None) -> DeviceRecord | None:
        return self._rows.get(ref)

    @override
    def save(self, record: DeviceRecord) -> None:
        self._rows[record.ref] = record

    @override
    def find(
        self,
        *,
        serial_number: str | None = None,
        state: DeviceState | None = None,
        standing: Standing | None = None,
        limit: int = 1000,
    ) -> Sequence[DeviceRecord]:
        found = [
            row
            for row in self._rows.values()
            if serial_number in (None, row.ref.serial_number)
            and state in (None, row.state)
            and standing in (None, row.standing)
        ]
        return sorted(found, key=lambda row: row.updated, reverse=True)[:limit]


class MemoryPending(PendingVouchers):
    def __init__(self, rows: dict[PendingKey, PendingRow]) -> None:
        self._rows = rows

    @override
    def begin(
        self, key: PendingKey, device: DeviceRef, now: Instant, lease: timedelta
    ) -> Begun | VoucherAnswer:
        row = self._rows.get(key)
        if row is not None and row.answer is not None:
            if row.keep_until is None or now >= row.keep_until:
                raise Refused(Refusal.PVR_STALE, "answered before")
            return row.answer
        if row is not None and row.lease_until is not None and now < row.lease_until:
            return Begun.IN_PROGRESS
        for other, its in self._rows.items():
            running = its.lease_until is not None and now < its.lease_until
            if other != key and its.device == device and running:
                raise Refused(Refusal.OUTSTANDING)
        begun = row.begun if row else now
        self._rows[key] = PendingRow(device, begun, now + lease)
        return Begun.NEW

    @override
    def finish(self, key: PendingKey, answer: VoucherAnswer, now: Instant, keep: timedelta) -> None:
        row = self._rows[key]
        self._rows[key] = replace(row, lease_until=None, answer=answer, keep_until=now + keep)

    @override
    def release(self, key: PendingKey) -> None:
        self._rows[key] = replace(self._rows[key], lease_until=None)

    @override
    def release_all(self) -> int:
        held = [key for key, row in self._rows.items() if row.lease_until is not None]
        for key in held:
            self.release(key)
        return len(held)

    @override
    def purge(self, now: Instant, forget: timedelta) -> int:
        old = [key for key, row in self._rows.items() if row.begun < now - forget]
        for key in old:
            del self._rows[key]
        return len(old)


class MemoryManufacturers(Manufacturers):
    def __init__(self, rows: dict[str, Manufacturer]) -> None:
        self._rows = rows

    @override
    def all(self) -> Sequence[Manufacturer]:
        return [self._rows[name] for name in sorted(self._rows)]

    @override
    def save(self, manufacturer: Manufacturer) -> None:
        self._rows[manufacturer.name] = manufacturer

    @override
    def remove(self, name: str) -> bool:
        return self._rows.pop(name, None) is not None


class MemoryJournal(Journal):
    def __init__(self, rows: list[JournalEntry]) -> None:
        self._rows = rows

    @override
    def append(self, entry: JournalEntry) -> None:
        self._rows.append(entry)


class MemoryTransaction(Transaction):
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    @property
    @override
    def devices(self) -> MemoryDevices:
        return MemoryDevices(self._tables.devices)

    @property
    @override
    def pending(self) -> MemoryPending:
        return MemoryPending(self._tables.pending)

    @property
    @override
    def manufacturers(self) -> MemoryManufacturers:
        return MemoryManufacturers(self._tables.manufacturers)

    @property
    @override
    def journal(self) -> MemoryJournal:
        return MemoryJournal(self._tables.journal)


class MemoryStore(Store):
    def __init__(self) -> None:
        self.tables = Tables()
        self.fail: Exception | None = None
        self.writes = 0

    @override
    async def write(self, work: Callable[[Transaction], T]) -> T:
        if self.fail is not None:
            raise self.fail
        changed = self.tables.copy()
        result = work(MemoryTransaction(changed))
        self.tables = changed
        self.writes += 1
        return result

    @override
    async def read(self, work: Callable[[Transaction], T]) -> T:
        if self.fail is not None:
            raise self.fail
        return work(MemoryTransaction(self.tables))

    @override
    async def close(self) -> None:
        return None

    @property
    def events(self) -> list[str]:
        """Names of the journal's events, in order."""
        return [entry.event for entry in self.tables.journal]

    def last(self, event: str) -> JournalEntry:
        """The newest journal entry of this name."""
        return next(one for one in reversed(self.tables.journal) if one.event == event)
