"""The registrar's voucher-request: who signed it, for which device (cbrski.md 9.3 steps 2 to 4).

Decisions only. The certificates that come along are one unordered bag in which the registrar's and
the pledge's are mixed (M-04). They are told apart here by what they chain to, never by position.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509

from sztb.codepoints import oid
from sztb.codepoints.media import Media
from sztb.envelope.sealed import Sealed, SignedEnvelope
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import certificates
from sztb.pki.idevid import DeviceRef, normalise_idevid_issuer
from sztb.pki.path import build_path, is_current
from sztb.voucher.formats import open_voucher_request
from sztb.voucher.model import VoucherRequest

from .manufacturer import Manufacturer
from .records import Instant

Chain = tuple[x509.Certificate, ...]

CACHED_CHAINS = 256


@dataclass(frozen=True, slots=True)
class Rvr:
    """An RVR whose signature and signer are proven.

    Attributes:
        media: its format.
        sealed: the request as it came.
        device: whom it asks for (RFC 8995 5.5).
        chain: the registrar's side: the signer and what it chains to, as far as the bag goes.
        bag: everything that came along.
    """

    media: Media
    sealed: Sealed[VoucherRequest]
    device: DeviceRef
    chain: Chain
    bag: Chain

    @property
    def data(self) -> VoucherRequest:
        """The leaves."""
        return self.sealed.data

    @property
    def signer(self) -> x509.Certificate:
        """The registrar's end-entity certificate."""
        return self.chain[0]


def open_rvr(media: Media, raw: bytes, manufacturer: Manufacturer, now: Instant) -> Rvr:
    """Open an RVR and prove who signed it.

    (1) it is a voucher-request  (2) one registrar certificate of the bag signed it  (3) its chain
    holds, with the topmost CA as a temporary anchor  (4) that chain is not the manufacturer's
    (5) it names a device

    Args:
        media: a key of `FORMATS`.
        raw: as received.
        manufacturer: must stay apart from the registrar (M-11).
        now: UTC.

    Raises:
        Malformed: not decodable.
        Refused: CONTAINER, ALGORITHM, RVR_SIGNATURE, RVR_SIGNER, REGISTRAR_CHAIN,
            PIN_IS_MANUFACTURER or IDEVID_ISSUER.
    """
    sealed = open_voucher_request(media, raw)  # (1) X-10
    bag = tuple(certificates.load(der) for der in dict.fromkeys(sealed.envelope.certificates))
    signer = find_signer(sealed.envelope, bag)  # (2)
    chain = registrar_chain(signer, bag, now)  # (3)
    check_apart(chain, manufacturer)  # (4)
    return Rvr(media, sealed, device_of(sealed.data), chain, bag)  # (5)


def find_signer(envelope: SignedEnvelope, bag: Sequence[x509.Certificate]) -> x509.Certificate:
    """Return the one registrar certificate whose key made the signature (D2, M-04, M-05).

    Raises:
        Refused: RVR_SIGNATURE when no certificate fits, RVR_SIGNER when the one that fits is not a
            registrar's, or when several are.
    """
    registrars = [one for one in bag if _is_registrar(one) and _verifies(envelope, one)]
    if len(registrars) == 1:
        return registrars[0]
    if registrars:
        raise Refused(Refusal.RVR_SIGNER, f"{len(registrars)} certificates fit the signature")
    if any(_verifies(envelope, one) for one in bag if not _is_registrar(one)):
        raise Refused(Refusal.RVR_SIGNER, "a CA certificate, or no cmcRA")  # RFC 8995 5.5.4
    raise Refused(Refusal.RVR_SIGNATURE, f"none of {len(bag)} certificates fits the signature")


def _is_registrar(certificate: x509.Certificate) -> bool:
    return certificates.has_eku(certificate, oid.CMC_RA) and not certificates.is_ca(certificate)


def _verifies(envelope: SignedEnvelope, certificate: x509.Certificate) -> bool:
    try:
        envelope.verify(certificates.public_key(certificate))
    except (Malformed, Refused):
        return False
    return True


def registrar_chain(
    signer: x509.Certificate, bag: Sequence[x509.Certificate], now: Instant
) -> Chain:
    """Return the path from the signer up to the topmost CA of its domain in the bag.

    An unknown domain CA counts as a temporary anchor (RFC 8995 5.5.2): this shows that the domain
    is consistent, not who it is. Only the signer, when no issuer of it came along.

    Raises:
        Refused: REGISTRAR_CHAIN: signature, dates, path length or extensions are wrong.
    """
    authorities = tuple(one for one in bag if certificates.is_ca(one))
    if not any(one.subject == signer.issuer for one in authorities):
        return (_check_alone(signer, now),)
    path = _undated_path(signer, authorities)
    if all(is_current(one, now) for one in path):
        return path
    return _path(signer, authorities, now)  # another path may be current


@lru_cache(CACHED_CHAINS)  # what passes; registrars come again and again
def _undated_path(signer: x509.Certificate, authorities: Chain) -> Chain:
    return _path(signer, authorities, None)


def _path(signer: x509.Certificate, authorities: Chain, now: Instant | None) -> Chain:
    tops = [one for one in authorities if _is_top(one, authorities)] or authorities
    try:
        return build_path(signer, authorities, tops, now=now)
    except Refused as error:
        raise Refused(Refusal.REGISTRAR_CHAIN, error.detail) from error


def _is_top(authority: x509.Certificate, others: Sequence[x509.Certificate]) -> bool:
    """True when the bag has no issuer of this CA but itself."""
    return not any(one.subject == authority.issuer for one in others if one is not authority)


def _check_alone(signer: x509.Certificate, now: Instant) -> x509.Certificate:
    if not is_current(signer, now):
        raise Refused(Refusal.REGISTRAR_CHAIN, "registrar certificate out of its dates")
    if signer.subject == signer.issuer and not certificates.is_self_signed(signer):
        raise Refused(Refusal.REGISTRAR_CHAIN, "self-signed, and the signature is wrong")
    return signer


@lru_cache(CACHED_CHAINS)  # what passes; registrars come again and again
def check_apart(chain: Chain, manufacturer: Manufacturer) -> None:
    """Check that no part of a registrar's chain is the manufacturer's (D3, M-11).

    Otherwise a voucher could pin a CA under which every device of the maker has a certificate.

    Raises:
        Refused: PIN_IS_MANUFACTURER.
    """
    if any(manufacturer.issued(one, chain) or manufacturer.owns_key(one) for one in chain):
        raise Refused(Refusal.PIN_IS_MANUFACTURER, chain[0].subject.rfc4514_string()[:100])


def device_of(request: VoucherRequest) -> DeviceRef:
    """Return the device an RVR names by serial-number and idevid-issuer (D4; R-18 is its MUST).

    Raises:
        Refused: IDEVID_ISSUER: absent, or in no known shape.
    """
    if request.idevid_issuer is None:
        raise Refused(Refusal.IDEVID_ISSUER, "absent")
    try:
        issuer = normalise_idevid_issuer(request.idevid_issuer)
    except Malformed as error:
        raise Refused(Refusal.IDEVID_ISSUER, str(error)) from error
    return DeviceRef(issuer, request.serial_number)
