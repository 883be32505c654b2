"""What stands behind an RVR: the pledge's own request, or an older voucher (9.3 steps 5 to 8).

Decisions only. The PVR proves that this pledge, with this nonce, spoke to this registrar (M-31).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.codepoints import oid
from sztb.envelope.sealed import Sealed
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates
from sztb.pki.keys import PublicKey
from sztb.pki.path import build_path
from sztb.voucher.formats import FORMATS
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from sztb.voucher.nonce import nonce_text
from sztb.voucher.pins import ProximityLeaf, proximity_leaf

from .rvr import Rvr

Prior = Sealed[Voucher] | Sealed[VoucherRequest]


@dataclass(frozen=True, slots=True)
class Proof:
    """What the prior request proved.

    Attributes:
        proximate: the registrar certificate the pledge saw in its handshake; None without proof
            of proximity.
        renews: the RVR carries an older voucher of ours for the same device (RFC 8995 5.5.1).
    """

    proximate: x509.Certificate | None = None
    renews: bool = False


NOTHING = Proof()


def check_prior_request(
    rvr: Rvr, idevid: x509.Certificate, voucher_key: PublicKey, *, required: bool
) -> Proof:
    """Check prior-signed-voucher-request against the RVR around it.

    (1) it is there  (2) signed by the device, or, as an older voucher, by us  (3) for the same
    serial number  (4) with the same nonce  (5) made for this registrar

    Args:
        rvr: the request that carries it.
        idevid: the device's certificate.
        voucher_key: the key that signs our vouchers.
        required: a nonced RVR without proof of proximity is refused.

    Raises:
        Refused: PRIOR_REQUEST, SERIAL_NUMBER or NONCE.
    """
    raw = rvr.data.prior_signed_voucher_request
    nonced = rvr.data.nonce is not None
    if raw is None:  # (1)
        return _no_proof("no prior-signed-voucher-request", refuse=required and nonced)
    try:
        prior = FORMATS[rvr.media].open(raw)
        return _check(rvr, prior, idevid, voucher_key, required=required and nonced)
    except Malformed as error:
        raise Refused(Refusal.PRIOR_REQUEST, str(error)) from error


def _check(
    rvr: Rvr,
    prior: Sealed[Voucher | VoucherRequest],
    idevid: x509.Certificate,
    voucher_key: PublicKey,
    *,
    required: bool,
) -> Proof:
    data = prior.data
    signed_by = (
        voucher_key if isinstance(data, Voucher) else certificates.public_key(idevid)
    )  # (2) rfc8366bis 10.1
    try:
        prior.envelope.verify(signed_by)  # M-10
    except Refused as error:
        raise Refused(Refusal.PRIOR_REQUEST, "signature does not verify") from error
    if data.serial_number != rvr.data.serial_number:  # (3) M-08
        raise Refused(Refusal.SERIAL_NUMBER, f"{data.serial_number!r} in the prior request")
    if isinstance(data, Voucher):
        return _renewal(rvr)
    check_nonce(rvr.data, data)  # (4)
    return _proximity(rvr, data, required=required)  # (5)


def _renewal(rvr: Rvr) -> Proof:
    if rvr.data.nonce is not None:
        raise Refused(Refusal.PRIOR_REQUEST, "a voucher in place of the pledge's request")
    return Proof(renews=True)


def check_nonce(rvr: VoucherRequest, pvr: VoucherRequest) -> None:
    """M-07: what the registrar asks for is what the pledge asked for.

    An RVR without nonce asks for a nonceless voucher, whatever the pledge sent.

    Raises:
        Refused: NONCE.
    """
    if rvr.nonce is None:
        return
    if pvr.nonce is None or nonce_text(pvr.nonce) != nonce_text(rvr.nonce):  # D15
        raise Refused(Refusal.NONCE, "not the nonce of the prior request")


def _proximity(rvr: Rvr, pvr: VoucherRequest, *, required: bool) -> Proof:
    # M-26, D19: the assertion of the RVR is not looked at
    if pvr.assertion is not Assertion.PROXIMITY:
        return _no_proof("the pledge does not assert proximity", refuse=required)
    leaf = proximity_leaf(pvr)  # D22
    if leaf is None:
        return _no_proof("no proximity-registrar leaf", refuse=required)
    proximate = find_proximate(leaf, rvr)
    if proximate is None:
        return _no_proof("made for another registrar", refuse=required)
    return Proof(proximate)


def _no_proof(why: str, *, refuse: bool) -> Proof:
    if refuse:
        raise Refused(Refusal.PRIOR_REQUEST, why)
    return NOTHING


def find_proximate(leaf: ProximityLeaf, rvr: Rvr) -> x509.Certificate | None:
    """Return the registrar certificate that the pledge's proximity leaf names (M-09).

    It is in the signer's chain (RFC 8995 5.5.5), or, where the registrar signs with another key
    than it shows in the handshake, a registrar certificate of the same CA in the bag.
    """
    named = next((one for one in rvr.chain if _is_named(leaf, one)), None)
    return named or _colleague(leaf, rvr)


def _colleague(leaf: ProximityLeaf, rvr: Rvr) -> x509.Certificate | None:
    for one in rvr.bag:
        if certificates.has_eku(one, oid.CMC_RA) and _is_named(leaf, one):
            return one if _same_domain(one, rvr.chain[1:]) else None
    return None


def _is_named(leaf: ProximityLeaf, certificate: x509.Certificate) -> bool:
    try:
        return leaf.is_key_of(certificate)
    except Refused:  # a key we do not take, an RSA root for example, is not what the pledge saw
        return False


def _same_domain(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    try:
        build_path(certificate, authorities, authorities, now=None)
    except Refused:
        return False
    return True
