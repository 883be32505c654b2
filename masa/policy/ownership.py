"""Who may have a voucher for a device (cbrski.md 9.3 step 10; RFC 8995 7.4). Decisions only."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from typing_extensions import override

from sztb.errors import Refusal, Refused
from sztb.pki import certificates

from ..customers import Customer
from ..records import DeviceRecord, Instant, Owner


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain that asks.

    Attributes:
        keys: SHA-256 of the SubjectPublicKeyInfo of every certificate of the registrar's chain,
            end entity first.
        name: subject of its lowest CA, or of the registrar where it has none.
        customer: who that is, None when we do not know.
    """

    keys: tuple[bytes, ...]
    name: str
    customer: Customer | None

    @property
    def key(self) -> bytes:
        """The key by which the domain is remembered: its lowest CA's, else the registrar's."""
        return self.keys[min(1, len(self.keys) - 1)]

    def owns(self, record: DeviceRecord) -> bool:
        """True when the device went to this domain first, whichever registrar of it asks (M-23)."""
        return record.owner is not None and record.owner.key in self.keys


def domain_of(chain: Sequence[x509.Certificate], customer: Customer | None) -> Domain:
    """Describe the domain of a registrar's chain, end entity first."""
    keys = tuple(spki_sha256(one) for one in chain)
    lowest = chain[min(1, len(chain) - 1)]
    return Domain(keys, lowest.subject.rfc4514_string()[:200], customer)


@lru_cache(256)  # registrars come again and again
def spki_sha256(certificate: x509.Certificate) -> bytes:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo, 32 bytes."""
    return hashlib.sha256(certificates.spki(certificate)).digest()


class Ownership(Protocol):
    """One way to decide who owns a device."""

    def admit(self, record: DeviceRecord, domain: Domain) -> bool:
        """Return whether ownership is verified, as by a sales record (assertion 0).

        Raises:
            Refused: OWNED_BY_ANOTHER.
        """
        ...


class Open(Ownership):
    """Every domain gets a voucher; the audit log tells the others (RFC 8995 7.4.2)."""

    @override
    def admit(self, record: DeviceRecord, domain: Domain) -> bool:
        return _is_sold_to(record, domain)


class FirstCome(Ownership):
    """The first domain keeps the device until it is released, unless it was sold to a customer."""

    @override
    def admit(self, record: DeviceRecord, domain: Domain) -> bool:
        if _is_sold_to(record, domain):
            return True
        if record.sold_to is not None:
            raise Refused(Refusal.OWNED_BY_ANOTHER, f"sold to {record.sold_to}")
        if record.owner is not None and not domain.owns(record):
            raise Refused(Refusal.OWNED_BY_ANOTHER, record.owner.name)
        return False  # M-23


class SalesRecords(Ownership):
    """Only the customer to whom the device was sold (RFC 8995 7.4.1)."""

    @override
    def admit(self, record: DeviceRecord, domain: Domain) -> bool:
        if _is_sold_to(record, domain):
            return True
        if record.sold_to is None and domain.owns(record):  # M-23
            return False
        raise Refused(Refusal.OWNED_BY_ANOTHER, f"sold to {record.sold_to or 'nobody yet'}")


def _is_sold_to(record: DeviceRecord, domain: Domain) -> bool:
    customer = domain.customer
    return customer is not None and record.sold_to == customer.name


OWNERSHIP: dict[str, Ownership] = {
    "open": Open(),
    "first-come": FirstCome(),
    "sales-records": SalesRecords(),
}


def owner_after(record: DeviceRecord, domain: Domain, now: Instant, *, verified: bool) -> Owner:
    """Return who owns the device once this voucher is out.

    The owner stays while the domain is the same; a sales record passes the device on.
    """
    if record.owner is not None and (domain.owns(record) or not verified):
        return record.owner
    return Owner(domain.key, domain.name, now)
