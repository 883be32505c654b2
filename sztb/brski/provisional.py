"""The end of the provisional state: what the registrar presented against the pin (cbrski.md 4.4).

The pledge keeps the whole chain of its DTLS or TLS connection and trusts nothing of it until a
verified voucher names the registrar (RFC 8995 5.6.2).
"""

import hashlib
from collections.abc import Sequence

from cryptography import x509

from sztb.codepoints import oid
from sztb.encoding.rfc3339 import Instant
from sztb.errors import Refusal, Refused
from sztb.pki import certificates, keys
from sztb.pki.path import build_path, is_current
from sztb.voucher.model import VoucherRequest
from sztb.voucher.pins import Pin, PinnedCert, PinnedKey, PinnedKeyHash, proximity_leaves

MAX_CHAIN = 8  # certificates in a handshake that are looked at


def resolve(
    presented_chain: Sequence[bytes], pin: Pin, now: Instant | None
) -> tuple[x509.Certificate, ...]:
    """Check the presented chain with the pin as the only trust anchor (P-25).

    (a) the pin is a CA: a path from the end entity to it, and cmcRA (D28)  (b) the pin is an
    end-entity certificate: the same key  (c) the pin is a key or its hash: that key

    Args:
        presented_chain: DER as presented in the handshake, end entity first.
        pin: from a verified voucher.
        now: None without a trusted clock; then no date counts.

    Returns:
        The path, end entity first; to the pinned CA in case (a), else one certificate.

    Raises:
        Malformed: a certificate that cannot be read.
        Refused: PIN_MISMATCH, CERTIFICATE_PURPOSE or CERTIFICATE_DATES.
    """
    if not 1 <= len(presented_chain) <= MAX_CHAIN:
        raise Refused(Refusal.PIN_MISMATCH, f"{len(presented_chain)} certificates presented")
    end_entity, *others = (certificates.load(der) for der in presented_chain)
    if isinstance(pin, PinnedCert):
        pinned = certificates.load(pin.der)
        if certificates.is_ca(pinned):  # (a)
            return _to_pinned_ca(end_entity, others, pinned, now)
        pin = PinnedKey(keys.spki_der(certificates.public_key(pinned)))  # (b)
    resolve_raw_public_key(keys.spki_der(certificates.public_key(end_entity)), pin)  # (b), (c)
    if now is not None and not is_current(end_entity, now):  # P-42
        raise Refused(Refusal.CERTIFICATE_DATES, "registrar certificate")
    return (end_entity,)


def resolve_raw_public_key(spki: bytes, pin: PinnedKey | PinnedKeyHash) -> None:
    """Check a key, of a certificate or presented alone (cbrski.md 4.5), against a pinned one.

    Args:
        spki: DER SubjectPublicKeyInfo the peer proved to have.
        pin: key or hash of a key.

    Raises:
        Refused: PIN_MISMATCH.
    """
    expected = pin.spki if isinstance(pin, PinnedKey) else pin.sha256
    presented = spki if isinstance(pin, PinnedKey) else hashlib.sha256(spki).digest()
    if presented != expected:
        raise Refused(Refusal.PIN_MISMATCH, "the registrar has another key than the pinned one")


def proximity_matches(request: VoucherRequest, own_ee_cert: x509.Certificate) -> None:
    """Check that a pledge means this registrar: every leaf that is there names it (R-16, D22).

    Args:
        request: the PVR.
        own_ee_cert: what this registrar presented first on the same connection.

    Raises:
        Refused: NOT_PROXIMATE, also when there is no proximity leaf.
    """
    leaves = proximity_leaves(request)
    if not leaves:
        raise Refused(Refusal.NOT_PROXIMATE, "no proximity leaf")
    for leaf in leaves:
        if not leaf.is_certificate(own_ee_cert):
            raise Refused(
                Refusal.NOT_PROXIMATE, f"proximity-registrar{leaf.kind.value} of another registrar"
            )


def _to_pinned_ca(
    end_entity: x509.Certificate,
    others: Sequence[x509.Certificate],
    pinned: x509.Certificate,
    now: Instant | None,
) -> tuple[x509.Certificate, ...]:
    try:
        path = build_path(end_entity, others, [pinned], now=now)
    except Refused as error:
        if error.refusal is Refusal.CERTIFICATE_DATES:
            raise
        raise Refused(Refusal.PIN_MISMATCH, error.detail) from None
    # D28, P-26: otherwise every member of the domain could pose as its registrar
    if not certificates.has_eku(end_entity, oid.CMC_RA):
        raise Refused(Refusal.CERTIFICATE_PURPOSE, "registrar without cmcRA")
    return path
