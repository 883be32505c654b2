"""Everything one request needs: the manufacturer's PKI, policy and back ends, made at start."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from sztb.daemon.journal import Journal
from sztb.pki import certificates

from .customers import Customers
from .interfaces import Revocation, Store, VoucherKey
from .manufacturer import Manufacturer
from .policy.rules import Rules
from .records import Instant

if TYPE_CHECKING:  # the monitoring library is loaded by the daemon only
    from .metrics import Metrics

Clock = Callable[[], Instant]


@dataclass(frozen=True, slots=True)
class Service:
    """One MASA; a reload puts a new one in its place.

    Attributes:
        manufacturer: whose devices these are.
        voucher_key: signs vouchers.
        customers: registrars known by their CAs.
        rules: policy.
        store: devices and audit log.
        revocation: asks the registrars' CAs.
        journal: one event per decision.
        metrics: what is counted.
        now: the clock, UTC.
    """

    manufacturer: Manufacturer
    voucher_key: VoucherKey
    customers: Customers
    rules: Rules
    store: Store
    revocation: Revocation
    journal: Journal
    metrics: "Metrics"
    now: Clock


@dataclass(frozen=True, slots=True)
class TlsClient:
    """Who opened the connection; any CA is accepted, nothing but the key is proven (M-29).

    Attributes:
        chain: what was presented, end entity first; empty when nothing was.
        address: host and port, for the journal.
    """

    chain: tuple[x509.Certificate, ...] = ()
    address: str = ""

    @property
    def fingerprint(self) -> bytes | None:
        """SHA-256 of the end-entity certificate, None without one."""
        return certificates.fingerprint(self.chain[0]) if self.chain else None

    @property
    def name(self) -> str:
        """The certificate's subject, empty without one."""
        return self.chain[0].subject.rfc4514_string()[:100] if self.chain else ""
