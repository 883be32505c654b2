"""The records that cross between the MASA's procedures and its back ends; data only."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sztb.pki.idevid import DeviceRef
from sztb.voucher.model import Assertion

Instant = datetime


class Keys(StrEnum):
    """How the pledge reads the keys of a CBOR voucher (M-03)."""

    SID = "sid"
    NAMES = "names"


class Pins(StrEnum):
    """What the pledge can compare its registrar with (cbrski.md 9.3 step 11)."""

    CERTIFICATE = "certificate"
    CERTIFICATE_OR_KEY = "certificate-or-key"  # PKIX and raw public keys
    KEY = "key"  # raw public keys only
    KEY_SHA256 = "key-sha256"  # raw public keys only, compared by hash


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a device was built to understand; the factory knows it (rfc8366bis 8.1).

    Attributes:
        keys: coding of the voucher.
        pins: kinds of pins.
    """

    keys: Keys = Keys.SID
    pins: Pins = Pins.CERTIFICATE


BASIC = Abilities()


@dataclass(frozen=True, slots=True)
class Owner:
    """The domain that took a device first (trust on first use, RFC 8995 7.4.2).

    A domain is known by a key and not by its domainID, which anybody can write into a certificate.

    Attributes:
        key: SHA-256 of the SubjectPublicKeyInfo of the domain's CA, or of the registrar where it
            has none (32 bytes).
        name: subject of that certificate, for people.
        since: when the first voucher was issued.
    """

    key: bytes
    name: str
    since: Instant


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """One device the manufacturer made.

    Attributes:
        ref: the key: IDevID issuer and serial number.
        idevid: DER of its IDevID certificate.
        registered: when it was minted, imported or first seen.
        abilities: what it understands.
        blocked: why it gets no vouchers; None when it does.
        sold_to: name of the customer it was sold to, None when nobody said.
        owner: the domain of its first voucher, None before and after a release.
        vouchers: how many were issued.
        last_issued: when the newest was issued.
    """

    ref: DeviceRef
    idevid: bytes
    registered: Instant
    abilities: Abilities = BASIC
    blocked: str | None = None
    sold_to: str | None = None
    owner: Owner | None = None
    vouchers: int = 0
    last_issued: Instant | None = None


@dataclass(frozen=True, slots=True)
class IssueRecord:
    """One voucher in the audit log (M-19; RFC 8995 5.8.1).

    Attributes:
        device: for which device.
        at: when, UTC.
        domain_id: of what was pinned, base64 (RFC 8995 5.8.2).
        domain_key: SHA-256 of the SubjectPublicKeyInfo of the registrar's lowest CA, or of the
            registrar where it has none (32 bytes).
        pinned_key: the same of what was pinned; another CA where a higher one was pinned.
        nonce: its JSON text, None for a nonceless voucher (M-34).
        assertion: what the voucher says.
        expires_on: what the voucher says.
        registrar: subject of the certificate that signed the request.
        registrar_sha256: SHA-256 of that certificate.
        tls_client_sha256: SHA-256 of the TLS client's certificate, None when it showed none.
        rvr_sha256: SHA-256 of the signed request.
    """

    device: DeviceRef
    at: Instant
    domain_id: str
    domain_key: bytes
    pinned_key: bytes
    nonce: str | None
    assertion: Assertion
    expires_on: Instant | None
    registrar: str
    registrar_sha256: bytes
    tls_client_sha256: bytes | None
    rvr_sha256: bytes


@dataclass(frozen=True, slots=True)
class History:
    """The audit log of one device as the store has it.

    Attributes:
        issues: newest last; the older ones may be missing.
        total: how many there are in the store.
    """

    issues: tuple[IssueRecord, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Action:
    """Something an operator did, for the chained table of actions.

    Attributes:
        at: when.
        name: for example ``device-blocked``.
        operator: login name.
        device: text of the DeviceRef, empty for none.
        detail: reason or value.
    """

    at: Instant
    name: str
    operator: str
    device: str = ""
    detail: str = ""
