"""The decision on a voucher: the only way out of the provisional state (cbrski.md 9.1)."""

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from sztb.codepoints import media
from sztb.envelope.sealed import SignedEnvelope
from sztb.errors import Refusal, Refused
from sztb.pki import certificates, idevid
from sztb.pki.keys import PublicKey
from sztb.pki.path import build_path
from sztb.voucher.formats import open_voucher
from sztb.voucher.model import Voucher
from sztb.voucher.pins import Pin, choose_pin

from .identity import VoucherAnchors
from .policy import Nonceless, PledgePolicy
from .voucher_request import SentRequest

MAX_CERTIFICATES = 8  # of the envelope that are looked at


def check_voucher(
    raw: bytes,
    sent: SentRequest,
    anchors: VoucherAnchors,
    policy: PledgePolicy,
    now: datetime | None,
) -> Pin:
    """Return the pin that ends the provisional state, or refuse (RFC 8995 5.6.1).

    (1) a voucher and not a request (2) signed by the manufacturer: built-in anchors only (3) for
    this device (4) fresh: the nonce of this attempt, or a nonceless one that policy takes (5) its
    dates, given a trusted clock (6) an assertion we accept (7) no check that we cannot do (8) a
    pin we can use

    Args:
        raw: format 836 as received.
        sent: what was asked for on this connection.
        anchors: the manufacturer's.
        policy: the device's own rules.
        now: None without a trusted clock; then no date counts (D37).

    Raises:
        Malformed: not decodable.
        Refused: the rule that is broken.
    """
    sealed = open_voucher(media.VOUCHER_COSE, raw)  # (1) X-10
    check_signer(sealed.envelope, anchors, now)  # (2)
    voucher = sealed.data
    _check_device(voucher, sent)  # (3)
    _check_fresh(voucher, sent, policy, now)  # (4)
    if now is not None:
        _check_dates(voucher, policy, now)  # (5)
    if voucher.assertion is not None and voucher.assertion not in policy.assertions:  # (6) P-23
        raise Refused(Refusal.ASSERTION, voucher.assertion.name.lower())
    if voucher.domain_cert_revocation_checks:  # (7) P-40
        raise Refused(Refusal.REVOCATION_UNKNOWN, "no way to fetch revocation lists")
    return choose_pin(voucher, sent.proximity)  # (8) P-24, P-39


def check_signer(envelope: SignedEnvelope, anchors: VoucherAnchors, now: datetime | None) -> None:
    """Check that a built-in key signed, or a certificate that chains to a built-in one (P-18).

    Certificates of the envelope only help to find the path; nothing rests on them alone.

    Raises:
        Refused: VOUCHER_SIGNATURE; CERTIFICATE_DATES when the signer's are over.
        Malformed: the certificates of the envelope are not what they should be.
    """
    built_in = [certificates.public_key(each) for each in anchors.certificates]
    if any(_verifies(envelope, key) for key in anchors.keys):
        return
    for certificate, key in zip(anchors.certificates, built_in, strict=True):
        if _verifies(envelope, key):
            _check_valid(certificate, now)  # P-42
            return
    along = [certificates.load(each) for each in envelope.certificates[:MAX_CERTIFICATES]]
    for signer in along:
        if _verifies(envelope, certificates.public_key(signer)):
            _check_chains(signer, along, anchors, now)
            return
    raise Refused(Refusal.VOUCHER_SIGNATURE, "no built-in key signed this voucher")


def _verifies(envelope: SignedEnvelope, key: PublicKey) -> bool:
    try:
        envelope.verify(key)
    except Refused:
        return False
    return True


def _check_valid(certificate: x509.Certificate, now: datetime | None) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now is not None and not begin <= now <= end:
        raise Refused(Refusal.CERTIFICATE_DATES, "voucher signer")


def _check_chains(
    signer: x509.Certificate,
    along: Sequence[x509.Certificate],
    anchors: VoucherAnchors,
    now: datetime | None,
) -> None:
    try:
        build_path(signer, along, anchors.certificates, now=now)
    except Refused as error:
        if error.refusal is Refusal.CERTIFICATE_DATES:
            raise
        raise Refused(Refusal.VOUCHER_SIGNATURE, error.detail) from None


def _check_device(voucher: Voucher, sent: SentRequest) -> None:
    if voucher.serial_number != sent.serial_number:  # P-19
        raise Refused(Refusal.SERIAL_NUMBER, "voucher for another device")
    issuer = voucher.idevid_issuer
    if issuer is not None and idevid.normalise_idevid_issuer(issuer) != sent.idevid_issuer:  # P-20
        raise Refused(Refusal.IDEVID_ISSUER, "voucher for a device of another maker")


def _check_fresh(
    voucher: Voucher, sent: SentRequest, policy: PledgePolicy, now: datetime | None
) -> None:
    if voucher.nonce is None:
        _check_nonceless(voucher, policy, now)
    elif voucher.nonce != sent.nonce:  # P-21
        raise Refused(Refusal.NONCE, "voucher of another attempt")
    elif voucher.expires_on is not None:  # P-56
        raise Refused(Refusal.NONCE_AND_EXPIRY)


def _check_nonceless(voucher: Voucher, policy: PledgePolicy, now: datetime | None) -> None:
    checkable = voucher.expires_on is not None and now is not None
    match policy.nonceless:  # D35
        case Nonceless.ALWAYS:
            return
        case Nonceless.WITH_CLOCK if checkable:
            return
        case _:
            raise Refused(Refusal.NONCELESS, f"policy {policy.nonceless.value}")


def _check_dates(voucher: Voucher, policy: PledgePolicy, now: datetime) -> None:
    if voucher.expires_on is not None and voucher.expires_on < now:  # P-22
        raise Refused(Refusal.EXPIRED, f"voucher expired on {voucher.expires_on:%Y-%m-%d}")
    created = voucher.created_on
    if created is not None and created > now + policy.clock_tolerance:  # P-42, D37
        raise Refused(Refusal.NOT_YET_VALID, "voucher made in the future")
