"""The voucher and the voucher-request as data (rfc8366bis 8.4 and 9.2).

Attribute names are the leaf names with underscores; an absent leaf is None. Unknown keys never
fail a voucher; they are kept in `unknown` (X-05, D32).
"""

from dataclasses import dataclass, field
from enum import IntEnum

from sztb.encoding.rfc3339 import Instant
from sztb.encoding.yang import Unknown


class Assertion(IntEnum):
    """How sure the MASA is of the domain (rfc8366bis 8.5)."""

    VERIFIED = 0
    LOGGED = 1
    PROXIMITY = 2
    AGENT_PROXIMITY = 3

    @property
    def word(self) -> str:
        """What JSON has in place of the number, for example ``agent-proximity``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherData:
    """The leaves that voucher and voucher-request share.

    Attributes:
        serial_number: the device's, exactly as in its IDevID subject.
        nonce: 8..32 bytes; from JSON a `Nonce`, which remembers its text.
        idevid_issuer: the AKI extnValue; compare with `pki.idevid.normalise_idevid_issuer`.
        pinned_domain_cert: DER certificate.
        pinned_domain_pubk: DER SubjectPublicKeyInfo.
        pinned_domain_pubk_sha256: 32 bytes.
        manufacturer_proprietary: any bytes.
        extensions: names or module SIDs of the extensions in use, see `voucher.extensions`.
        unknown: keys that are no leaves, with their decoded values.
    """

    serial_number: str
    assertion: Assertion | None = None
    created_on: Instant | None = None
    domain_cert_revocation_checks: bool | None = None
    expires_on: Instant | None = None
    idevid_issuer: bytes | None = None
    last_renewal_date: Instant | None = None
    nonce: bytes | None = None
    pinned_domain_cert: bytes | None = None
    pinned_domain_pubk: bytes | None = None
    pinned_domain_pubk_sha256: bytes | None = None
    additional_configuration_url: str | None = None
    est_domain: str | None = None
    manufacturer_proprietary: bytes | None = None
    extensions: tuple[int | str, ...] | None = None
    unknown: tuple[Unknown, ...] = field(default=(), hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher(VoucherData):
    """What the MASA says to the pledge (container ``ietf-voucher:voucher``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherRequest(VoucherData):
    """What pledge or registrar ask for (container ``ietf-voucher-request:voucher``).

    Attributes:
        prior_signed_voucher_request: the pledge's request, byte for byte as it was received.
        proximity_registrar_cert: DER of the first certificate the registrar presented.
        proximity_registrar_pubk: its SubjectPublicKeyInfo in DER.
        proximity_registrar_pubk_sha256: SHA-256 of that, 32 bytes.
        agent_provided_proximity_registrar_cert: BRSKI-PRM, as are the other agent leaves.
    """

    prior_signed_voucher_request: bytes | None = None
    proximity_registrar_cert: bytes | None = None
    proximity_registrar_pubk_sha256: bytes | None = None
    proximity_registrar_pubk: bytes | None = None
    agent_provided_proximity_registrar_cert: bytes | None = None
    agent_sign_cert: bytes | None = None
    agent_signed_data: bytes | None = None
