"""What every procedure works with: one registrar at one site."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sztb.daemon.journal import Journal

from .background import Background
from .clients import Clients
from .credentials import Credentials
from .interfaces import (
    AdmissionPolicy,
    CertificationAuthority,
    Masas,
    Store,
    Transaction,
)
from .metrics import Metrics
from .records import Instant, JournalEntry
from .rules import Rules

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of a running registrar; immutable, a reload makes a new one.

    Attributes:
        credentials: the registrar's certificate and key.
        store: devices, pending requests, manufacturers, journal.
        ca: the domain CA.
        masas: the way to the manufacturers.
        admission: who may onboard.
        clients: who is on a connection.
        background: work that goes on after an answer.
        journal: the log of security events.
        now: source of the time.
        rules: what the operator may change.
        metrics: what is counted.
    """

    credentials: Credentials
    store: Store
    ca: CertificationAuthority
    masas: Masas
    admission: AdmissionPolicy
    clients: Clients
    background: Background
    journal: Journal
    now: Callable[[], Instant]
    rules: Rules = field(default_factory=Rules)
    metrics: Metrics = field(default_factory=Metrics)

    async def write(self, work: Callable[[Transaction], T], *entries: JournalEntry) -> T:
        """Add `entries` to the journal and run `work` in one transaction, then log them.

        Raises:
            Unavailable: nothing was stored.
        """

        def unit(tables: Transaction) -> T:
            for entry in entries:
                tables.journal.append(entry)
            return work(tables)

        result = await self.store.write(unit)
        for entry in entries:
            self.log(entry)
        return result

    async def check(self) -> None:
        """See whether requests can be served now.

        Raises:
            Unavailable: the database cannot be read.
        """
        await self.store.read(lambda tables: tables.devices.find(limit=1))

    def log(self, entry: JournalEntry) -> None:
        """Write a log line, and count what a human should look at."""
        if entry.alert:
            self.metrics.alerted()
        self.journal.event(
            entry.event,
            "alert" if entry.alert else entry.outcome,
            device=str(entry.device) if entry.device else "",
            rule=entry.rule,
            **({"detail": entry.detail} if entry.detail else {}),
        )
