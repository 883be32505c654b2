"""What the procedures of the registrar need from its back ends.

Procedures (`request_voucher`, `status`, `audit`, `enroll`, `cacerts`) see stores, policies and
certification authorities only through these Protocols; `registrar.store`, `registrar.policy` and
`registrar.ca` implement them, `tests/fakes/registrar.py` has the versions that live in memory.
The records are in `registrar.records`.

Everything that belongs together is written in one `Transaction`: it is durable when
`Store.write` returns, and an answer leaves only after that (design.md 6).
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from cryptography import x509

from sztb.codepoints.media import Media
from sztb.pki.idevid import DeviceRef

from .masa_answers import MasaAnswer
from .records import (
    Admission,
    Begun,
    CaCertificates,
    CertificateStatus,
    DeviceRecord,
    DeviceState,
    EnrollRequest,
    GeneratedKey,
    Instant,
    Issued,
    JournalEntry,
    Manufacturer,
    Pending,
    PendingKey,
    Rejected,
    Standing,
    VoucherAnswer,
)

T = TypeVar("T")


class Devices(Protocol):
    """The device table inside one transaction."""

    def get(self, ref: DeviceRef, manufacturer: str | None = None) -> DeviceRecord | None:
        """Return the record, None when unknown; inside `Store.write` the row is locked.

        With the name of the manufacturer a device that was listed by serial number before it
        was ever seen (its IDevID issuer was open then) is found too: standing LISTED, in no
        row of its own until `save`.
        """

    def save(self, record: DeviceRecord) -> None:
        """Insert or replace the row of `record.ref`, which was read in the same transaction.

        Raises:
            Misuse: `get` was not called for it before.
            Unavailable: state or standing changed since it was read.
        """

    def find(
        self,
        *,
        serial_number: str | None = None,
        state: DeviceState | None = None,
        standing: Standing | None = None,
        limit: int = 1000,
    ) -> Sequence[DeviceRecord]:
        """Return the records that match all the given values, newest `updated` first."""


class PendingVouchers(Protocol):
    """PVRs that were sent on, and their answers for a while (D27, R-31), inside one transaction."""

    def begin(
        self, key: PendingKey, device: DeviceRef, now: Instant, lease: timedelta
    ) -> Begun | VoucherAnswer:
        """Find the answer to a repeated PVR, or take the lease for asking the MASA.

        A lease that has run out (its holder died) is taken over: `Begun.NEW`.

        Raises:
            Refused: OUTSTANDING when a lease on another PVR of the same device is running
                (RFC 8995 5.6); PVR_STALE when this PVR was answered and the answer is no
                longer kept.
        """

    def finish(self, key: PendingKey, answer: VoucherAnswer, now: Instant, keep: timedelta) -> None:
        """Store the answer for `keep` (10 minutes, D27) and end the lease."""

    def release(self, key: PendingKey) -> None:
        """End the lease without an answer: a repeated PVR asks the MASA again (D26, 5.03)."""

    def release_all(self) -> int:
        """End every lease; returns how many: who held them has died, for a registrar starts now.

        Where several instances share the database, at worst a MASA is asked twice.
        """

    def purge(self, now: Instant, forget: timedelta) -> int:
        """Drop answers past their time and rows older than `forget`; returns how many rows went."""


class Journal(Protocol):
    """The append-only, hash-chained journal inside one transaction."""

    def append(self, entry: JournalEntry) -> None:
        """Add one entry."""


class Manufacturers(Protocol):
    """The manufacturer table inside one transaction."""

    def all(self) -> Sequence[Manufacturer]:
        """Return every manufacturer, by name."""

    def save(self, manufacturer: Manufacturer) -> None:
        """Insert or replace by name; raises Misuse when an anchor belongs to another one."""

    def remove(self, name: str) -> bool:
        """Remove by name; False when there was none."""


class Transaction(Protocol):
    """One unit of reads and writes; what it changes becomes durable together or not at all."""

    @property
    def devices(self) -> Devices:
        """The devices."""

    @property
    def pending(self) -> PendingVouchers:
        """The voucher requests in progress and their answers."""

    @property
    def manufacturers(self) -> Manufacturers:
        """The accepted makers of devices."""

    @property
    def journal(self) -> Journal:
        """The journal."""


class Store(Protocol):
    """The registrar's database."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` and return its result once it is durable.

        An exception in `work` undoes all of it and is raised here.

        Raises:
            Unavailable: the disk is full, the database locked, or too many wait.
        """

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which must not write, on a consistent state."""

    async def close(self) -> None:
        """Finish what is in hand and close."""


class Masas(Protocol):
    """The MASAs of all manufacturers; see `masa_client.MasaClient` for what is raised."""

    async def request_voucher(
        self, location: str, manufacturer: Manufacturer, media: Media, rvr: bytes
    ) -> MasaAnswer:
        """POST the signed RVR to ``requestvoucher`` at the MASA URL `location`."""

    async def request_audit_log(
        self, location: str, manufacturer: Manufacturer, media: Media, rvr: bytes
    ) -> MasaAnswer:
        """POST the same RVR to ``requestauditlog``."""


class AdmissionPolicy(Protocol):
    """Who may onboard (9.2 step 4). A decision: it runs inside the transaction that records it."""

    def admit(
        self,
        device: DeviceRef,
        manufacturer: Manufacturer,
        record: DeviceRecord | None,
        now: Instant,
    ) -> Admission:
        """Decide on one device; `record` is None when it was never seen or listed."""


AlongWith = Callable[[Transaction, x509.Certificate], None]


class CertificationAuthority(Protocol):
    """A CA back end: the built-in domain CA, or another one behind its protocol (est.md 13)."""

    async def ca_certs(self) -> CaCertificates:
        """Return the CA certificates; cheap enough to be called per request."""

    async def csr_attrs(self, client: x509.Certificate) -> bytes | None:
        """Return DER CsrAttrs for this client, None when there is nothing to say."""

    async def enroll(
        self, request: EnrollRequest, now: Instant, together: AlongWith
    ) -> Issued | Pending | Rejected:
        """Issue a certificate for the CSR's key.

        `together` runs in the transaction that stores the certificate, so that the certificate
        and the device's new state are durable together; not for Pending and Rejected. A back
        end without a table in our store runs it in a `Store.write` of its own after success.

        Raises:
            Unavailable: the CA or the store cannot do it now.
        """

    async def generate_key(
        self, request: EnrollRequest, now: Instant, together: AlongWith
    ) -> GeneratedKey | Pending | Rejected:
        """Make a key pair and a certificate for it (est.md 10); `together` as for `enroll`."""

    async def lookup(self, certificate: x509.Certificate) -> CertificateStatus | None:
        """Return whose certificate this is and whether it is revoked; None: not issued here.

        The whole certificate is compared, not its number: nobody checks its signature again.
        """

    async def revoke(self, certificate_number: int, reason: x509.ReasonFlags, now: Instant) -> bool:
        """Revoke; False when the number is unknown or was revoked before."""

    async def crl(self, now: Instant) -> bytes:
        """Return the current CRL, DER."""
