"""Revoking certificates, and the CRL that tells of it (RFC 5280 5; est.md 9, 13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sztb.errors import Misuse
from sztb.pki.idevid import DeviceRef
from sztb.pki.profiles import Revoked, make_crl

from ..records import Instant, JournalEntry
from .authority import Authority
from .interfaces import CaTransaction, StoredCrl

_Reasons = x509.ReasonFlags
REASONS = (  # certificateHold and removeFromCRL: revocation is for good here
    _Reasons.unspecified,
    _Reasons.key_compromise,
    _Reasons.affiliation_changed,
    _Reasons.superseded,
    _Reasons.cessation_of_operation,
    _Reasons.privilege_withdrawn,
)


@dataclass(frozen=True, slots=True)
class CrlRules:
    """How long a CRL lasts.

    Attributes:
        lifetime: from thisUpdate to nextUpdate.
        renew_after: an unchanged CRL is made anew after this time, so that who fetches one has
            some time left.
    """

    lifetime: timedelta = timedelta(days=7)
    renew_after: timedelta = timedelta(days=1)


def revoke(
    tables: CaTransaction, certificate_number: int, reason: x509.ReasonFlags, now: Instant
) -> bool:
    """Revoke one certificate; False when the number is unknown or was revoked before.

    Raises:
        Misuse: not one of `REASONS`.
    """
    if reason not in REASONS:
        raise Misuse(f"{reason.value} is no reason for a final revocation")
    if not tables.certificates.revoke(certificate_number, reason, now):
        return False
    row = tables.certificates.by_number(certificate_number)
    detail = f"number {certificate_number:x}: {reason.value}"
    device = None if row is None else row.device
    tables.journal.append(JournalEntry(now, "certificate-revoked", device, detail=detail))
    return True


def revoke_device(
    tables: CaTransaction, device: DeviceRef, reason: x509.ReasonFlags, now: Instant
) -> Sequence[int]:
    """Revoke what a device holds and is still good; returns the certificate numbers."""
    good = [row.number for row in tables.certificates.of_device(device) if row.not_after >= now]
    return [number for number in good if revoke(tables, number, reason, now)]


def is_fresh(crl: StoredCrl, now: Instant, rules: CrlRules) -> bool:
    """Tell whether the CRL may be handed out as it is."""
    return not crl.stale and now < min(crl.this_update + rules.renew_after, crl.next_update)


def renew_crl(
    tables: CaTransaction, authority: Authority, rules: CrlRules, now: Instant
) -> StoredCrl:
    """Make the next CRL, unless another instance was faster.

    Signing happens inside the transaction: number and content belong together, and it is rare.
    """
    newest = tables.crls.get(authority.key_id)
    if newest is not None and is_fresh(newest, now, rules):
        return newest
    now = now.replace(microsecond=0)
    # RFC 5280 5.1.2.6: an entry stays until it was on one CRL after the certificate's end
    since = now if newest is None else min(newest.this_update, now)
    revoked = [
        Revoked(row.number, row.revoked, row.reason or _Reasons.unspecified)
        for row in tables.certificates.revoked_of(authority.key_id, since)
        if row.revoked is not None
    ]
    number = 1 if newest is None else newest.number + 1
    made = make_crl(authority.issuer, revoked, now, now + rules.lifetime, number)
    crl = StoredCrl(number, now, now + rules.lifetime, made.public_bytes(Encoding.DER))
    tables.crls.save(authority.key_id, crl)
    detail = f"number {number}, {len(revoked)} entries"
    tables.journal.append(JournalEntry(now, "crl-issued", None, detail=detail))
    return crl
