"""Which registrar is meant: proximity leaves of a request, pins of a voucher (rfc8366bis 8 and 9).

Both come as a certificate, a key or the hash of a key. Where there are several, the order is hash,
key, certificate (cbrski.md 6.4).
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki import certificates, keys
from sztb.voucher.model import Voucher, VoucherRequest


class Kind(Enum):
    """How a registrar is named, in the order in which one of several is chosen."""

    PUBK_SHA256 = "-pubk-sha256"
    PUBK = "-pubk"
    CERT = "-cert"


@dataclass(frozen=True, slots=True)
class ProximityLeaf:
    """One proximity-registrar-* leaf.

    Attributes:
        kind: which of the three.
        value: DER certificate, DER SubjectPublicKeyInfo, or SHA-256 of the latter.
    """

    kind: Kind
    value: bytes

    def is_key_of(self, certificate: x509.Certificate) -> bool:
        """True when the leaf names the certificate's public key (M-09)."""
        spki = keys.spki_der(certificates.public_key(certificate))
        if self.kind is Kind.CERT:
            named = certificates.load(self.value)
            return keys.spki_der(certificates.public_key(named)) == spki
        return self.value == (spki if self.kind is Kind.PUBK else hashlib.sha256(spki).digest())

    def is_certificate(self, certificate: x509.Certificate) -> bool:
        """True when the leaf names exactly this certificate, or, being a key, its key (R-16)."""
        if self.kind is Kind.CERT:
            return self.value == certificates.der(certificate)
        return self.is_key_of(certificate)


@dataclass(frozen=True, slots=True)
class PinnedCert:
    """pinned-domain-cert: a CA or an end-entity certificate, DER."""

    der: bytes


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """pinned-domain-pubk: the registrar's SubjectPublicKeyInfo, DER."""

    spki: bytes


@dataclass(frozen=True, slots=True)
class PinnedKeyHash:
    """pinned-domain-pubk-sha256: SHA-256 of the registrar's SubjectPublicKeyInfo, 32 bytes."""

    sha256: bytes


Pin = PinnedCert | PinnedKey | PinnedKeyHash


def proximity_leaves(request: VoucherRequest) -> tuple[ProximityLeaf, ...]:
    """Return every proximity leaf that is there, in the order of choice (D22)."""
    values = {
        Kind.PUBK_SHA256: request.proximity_registrar_pubk_sha256,
        Kind.PUBK: request.proximity_registrar_pubk,
        Kind.CERT: request.proximity_registrar_cert,
    }
    return tuple(ProximityLeaf(kind, value) for kind, value in values.items() if value is not None)


def proximity_leaf(request: VoucherRequest) -> ProximityLeaf | None:
    """Return the proximity leaf that decides, None when there is none (rfc8366bis 9)."""
    return next(iter(proximity_leaves(request)), None)


def choose_pin(voucher: Voucher, used: ProximityLeaf | None = None) -> Pin:
    """Choose the pin of a voucher (P-39, D22).

    Args:
        voucher: verified.
        used: the proximity leaf of the pledge's own request. Of several pins the one of its kind
            counts; in a nonceless voucher, or without a request, the first in order.

    Raises:
        Refused: NO_PIN: none, or several and none of the kind used (P-24).
    """
    pins = _pins(voucher)
    if not pins:
        raise Refused(Refusal.NO_PIN)
    if len(pins) == 1 or voucher.nonce is None or used is None:
        return next(iter(pins.values()))
    if used.kind not in pins:
        raise Refused(Refusal.NO_PIN, f"several pins, none is a pinned-domain{used.kind.value}")
    return pins[used.kind]


def _pins(voucher: Voucher) -> dict[Kind, Pin]:
    pins: dict[Kind, Pin] = {}
    if voucher.pinned_domain_pubk_sha256 is not None:
        pins[Kind.PUBK_SHA256] = PinnedKeyHash(voucher.pinned_domain_pubk_sha256)
    if voucher.pinned_domain_pubk is not None:
        pins[Kind.PUBK] = PinnedKey(voucher.pinned_domain_pubk)
    if voucher.pinned_domain_cert is not None:
        pins[Kind.CERT] = PinnedCert(voucher.pinned_domain_cert)
    return pins
