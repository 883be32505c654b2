"""What the procedures of the MASA need from its back ends.

`issue_voucher` and `audit_log` see the store, the revocation check and the voucher key only
through these; `masa.store`, `masa.revocation` and `masa.signer` implement them. The records are in
`masa.records`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from cryptography import x509

from sztb.pki import certificates
from sztb.pki.idevid import DeviceRef
from sztb.pki.keys import Signer

from .records import Action, DeviceRecord, History, Instant, IssueRecord, Owner

T = TypeVar("T")


class Devices(Protocol):
    """The device table inside one transaction."""

    def get(self, ref: DeviceRef) -> DeviceRecord | None:
        """Return the record, None when unknown; inside `Store.write` the row is locked."""

    def add(self, record: DeviceRecord) -> bool:
        """Insert a device; False when it is there already."""

    def count_issue(self, ref: DeviceRef, now: Instant, owner: Owner | None) -> None:
        """Count one more voucher and set the owner, which may be the one it has."""

    def save(self, record: DeviceRecord) -> None:
        """Replace what an operator may change: abilities, blocked, sold_to, owner."""

    def find(
        self,
        *,
        serial_number: str | None = None,
        blocked: bool | None = None,
        sold_to: str | None = None,
        limit: int = 1000,
    ) -> Sequence[DeviceRecord]:
        """Return the records that match all the given values, by serial number."""


class Issues(Protocol):
    """The append-only, hash-chained audit log inside one transaction."""

    def append(self, issue: IssueRecord) -> int:
        """Add one entry and return its number in the chain."""

    def history(self, ref: DeviceRef, limit: int) -> History:
        """Return the newest `limit` entries of one device, oldest first."""

    def is_owner(self, ref: DeviceRef, domain_keys: Sequence[bytes]) -> bool:
        """True when a voucher ever went to a domain with one of these keys, or pinned one.

        Args:
            ref: the device.
            domain_keys: SHA-256 of SubjectPublicKeyInfos (32 bytes each), at most 16.
        """

    def verify(self) -> int:
        """Check the chain of the whole log and return its length.

        Raises:
            Malformed: names the first entry that does not fit.
        """


class Actions(Protocol):
    """The append-only, hash-chained table of what operators did, inside one transaction."""

    def append(self, action: Action) -> None:
        """Add one entry."""


class Transaction(Protocol):
    """One unit of reads and writes; what it changes becomes durable together or not at all."""

    @property
    def devices(self) -> Devices:
        """The devices."""

    @property
    def issues(self) -> Issues:
        """The audit log."""

    @property
    def actions(self) -> Actions:
        """What operators did."""


class Store(Protocol):
    """The MASA's database."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` and return its result once it is durable.

        `work` has no effect outside the transaction, because it may be run again. An exception in
        it undoes all of it and is raised here.

        Raises:
            Unavailable: the disk is full, the database locked, or too many wait.
        """

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which must not write, on a consistent state."""

    async def close(self) -> None:
        """Finish what is in hand and close."""


class Revocation(Protocol):
    """Asks a domain's CA whether its registrar is still one (M-25, M-30)."""

    async def check(self, chain: Sequence[x509.Certificate], now: Instant) -> Instant | None:
        """Check a registrar's chain, end entity first.

        Returns:
            The earliest end of the revocation lists that were used, None without any (M-35).

        Raises:
            Refused: CERTIFICATE_REVOKED.
            Unavailable: a list that the CA names cannot be had now.
        """

    async def close(self) -> None:
        """Close connections."""


@dataclass(frozen=True)
class VoucherKey:
    """What signs vouchers, wherever the key is kept (M-24).

    Attributes:
        signer: the key.
        chain: its certificate first, then the CAs up to the pledges' anchor (M-16).
    """

    signer: Signer
    chain: tuple[x509.Certificate, ...]

    @cached_property
    def chain_der(self) -> tuple[bytes, ...]:
        """The chain as it is sent along."""
        return tuple(map(certificates.der, self.chain))
