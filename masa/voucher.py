"""From facts to the voucher's leaves (cbrski.md 6.3, 9.3 steps 8, 11, 12). Decisions only."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509

from sztb.codepoints.media import VOUCHER_COSE, Media
from sztb.errors import Refusal, Refused
from sztb.pki.idevid import idevid_issuer
from sztb.pki.profiles import NO_EXPIRY
from sztb.voucher.codec import Coding
from sztb.voucher.model import Assertion, Voucher
from sztb.voucher.pins import PinnedCert, PinnedKey, PinnedKeyHash

from .customers import Customer
from .pinning import Pinned
from .prior_request import Proof
from .records import Instant, Keys
from .rvr import Rvr

CODINGS = {Keys.SID: Coding.SID, Keys.NAMES: Coding.NAMES}
READ_BY_PLEDGES: tuple[Media, ...] = (VOUCHER_COSE,)  # M-02; a device's own list is later work


def check_nonceless(rvr: Rvr, customer: Customer | None, *, allowed: bool) -> None:
    """Check that a nonceless voucher may go to this registrar (M-06, RFC 8995 5.5.4).

    Raises:
        Refused: NONCELESS.
    """
    if rvr.data.nonce is not None:
        return
    if not allowed:
        raise Refused(Refusal.NONCELESS, "switched off")
    if customer is None:
        raise Refused(Refusal.NONCELESS, "registrar not authenticated")


def check_age(rvr: Rvr, max_age: timedelta | None, now: Instant) -> None:
    """RFC 8995 5.6: a stale request is refused; one without a date cannot be.

    Raises:
        Refused: PVR_STALE.
    """
    created = rvr.data.created_on
    if max_age is not None and created is not None and now - created > max_age:
        raise Refused(Refusal.PVR_STALE, f"created {created:%Y-%m-%dT%H:%M:%SZ}")


def choose_assertion(rvr: Rvr, proof: Proof, *, verified: bool) -> Assertion:
    """Say what was established about registrar and pledge (rfc8366bis 8.4).

    Proximity counts only with a nonce: without one the pledge's request may be an old one.
    """
    if rvr.data.nonce is not None and proof.proximate is not None:
        return Assertion.PROXIMITY  # M-09
    return Assertion.VERIFIED if verified else Assertion.LOGGED


@dataclass(frozen=True, slots=True)
class Ends:
    """What limits the life of a nonceless voucher (M-18, M-35).

    Attributes:
        lifetime: by policy.
        lists: end of the revocation lists that were looked at, None without any.
    """

    lifetime: timedelta
    lists: Instant | None = None


def choose_expiry(rvr: Rvr, pinned: Pinned, ends: Ends, now: Instant) -> Instant | None:
    """Return expires-on: none for a nonced voucher (M-37), else the earliest end of all."""
    if rvr.data.nonce is not None:
        return None
    certified = min(rvr.signer.not_valid_after_utc, pinned.certificate.not_valid_after_utc)
    return min(now + ends.lifetime, certified, ends.lists or NO_EXPIRY).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Terms:
    """What was decided about a voucher; the audit log and the voucher say the same.

    Attributes:
        pinned: the registrar's side of it.
        assertion: what was established.
        expires_on: None for a nonced voucher.
    """

    pinned: Pinned
    assertion: Assertion
    expires_on: Instant | None


def make_voucher(
    rvr: Rvr, idevid: x509.Certificate, terms: Terms, now: Instant, *, serials_unique: bool
) -> Voucher:
    """Put the voucher together.

    Only serial number and nonce come from the request: what it says about pins, renewal dates and
    revocation checks (M-27) or earlier requests (M-15) has no way in here.

    Args:
        rvr: the request.
        idevid: the device's certificate.
        terms: what was decided.
        now: becomes created-on (D36).
        serials_unique: no two devices of this MASA share a serial number.
    """
    pin = terms.pinned.pin
    return Voucher(
        serial_number=rvr.data.serial_number,
        assertion=terms.assertion,
        created_on=now,
        expires_on=terms.expires_on,
        idevid_issuer=None if serials_unique else idevid_issuer(idevid),  # M-14
        nonce=rvr.data.nonce,
        pinned_domain_cert=pin.der if isinstance(pin, PinnedCert) else None,
        pinned_domain_pubk=pin.spki if isinstance(pin, PinnedKey) else None,
        pinned_domain_pubk_sha256=pin.sha256 if isinstance(pin, PinnedKeyHash) else None,
    )  # D34: without domain-cert-revocation-checks
