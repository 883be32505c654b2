"""What the domain CA keeps, and the tables it sees (implemented in `registrar.store`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cryptography import x509

from sztb.pki.idevid import DeviceRef

from ..interfaces import Transaction
from ..records import Instant

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """One row per certificate ever issued.

    Attributes:
        number: the certificate number, positive, at most 159 bits.
        certificate: DER.
        issuer_key_id: keyIdentifier of the CA that signed it (20 bytes).
        device: to whom.
        spki_sha256: SHA-256 of its SubjectPublicKeyInfo (32 bytes).
        issued, not_after: UTC.
        request_id: by which a retry finds it (est-D18), 32 bytes; None when no retry may.
        content_sha256: SHA-256 over the subject and extensions asked for (32 bytes).
        revoked, reason: None while it is good.
    """

    number: int
    certificate: bytes
    issuer_key_id: bytes
    device: DeviceRef
    spki_sha256: bytes
    issued: Instant
    not_after: Instant
    request_id: bytes | None
    content_sha256: bytes
    revoked: Instant | None = None
    reason: x509.ReasonFlags | None = None


@dataclass(frozen=True, slots=True)
class StoredCrl:
    """The newest CRL of one issuer.

    Attributes:
        number: CRLNumber; grows by one with every CRL (RFC 5280 5.2.3).
        this_update, next_update: UTC.
        crl: DER.
        stale: a certificate was revoked since.
    """

    number: int
    this_update: Instant
    next_update: Instant
    crl: bytes
    stale: bool = False


class Certificates(Protocol):
    """The table of issued certificates inside one transaction."""

    def add(self, row: StoredCertificate) -> None:
        """Insert; the number and the request id are unique in the table."""

    def by_number(self, number: int) -> StoredCertificate | None:
        """Return the row of a certificate number."""

    def by_request(self, request_id: bytes) -> StoredCertificate | None:
        """Return the row that answers a retry of this request."""

    def forget_request(self, number: int) -> None:
        """The certificate answers no retry any more."""

    def revoke(self, number: int, reason: x509.ReasonFlags, now: Instant) -> bool:
        """Mark as revoked and the issuer's CRL as stale; False: unknown, or revoked before."""

    def of_device(self, device: DeviceRef) -> Sequence[StoredCertificate]:
        """Return all rows of a device, the newest first."""

    def revoked_of(self, issuer_key_id: bytes, since: Instant) -> Sequence[StoredCertificate]:
        """Return what this issuer's CRL must list: revoked, and not expired before `since`."""


class Crls(Protocol):
    """The newest CRL per issuer, inside one transaction."""

    def get(self, issuer_key_id: bytes) -> StoredCrl | None:
        """Return the newest one; inside a write no other writer can replace it meanwhile."""

    def save(self, issuer_key_id: bytes, crl: StoredCrl) -> None:
        """Replace it."""


class CaTransaction(Transaction, Protocol):
    """A transaction that reaches the CA's own tables too."""

    @property
    def certificates(self) -> Certificates:
        """The issued certificates."""

    @property
    def crls(self) -> Crls:
        """The CRLs."""


class CaStore(Protocol):
    """The store as the CA sees it; see `registrar.interfaces.Store`."""

    async def write(self, work: Callable[[CaTransaction], T]) -> T:
        """Run `work` and return its result once it is durable."""

    async def read(self, work: Callable[[CaTransaction], T]) -> T:
        """Run `work`, which must not write."""
