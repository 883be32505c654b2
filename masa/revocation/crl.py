"""Revocation lists of the registrars' CAs (M-25, M-30, M-35; RFC 8995 5.5.3, RFC 5280 6.3).

Where the lists lie is said by certificates of strangers, and so is what is in them: fetching is
kept narrow (`fetch`), and nothing in a list is believed or even expected to be readable.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from typing_extensions import override

from sztb.errors import Malformed, Refusal, Refused, Unavailable

from ..interfaces import Revocation
from ..records import Instant
from .fetch import Fetcher

MAX_KEPT = 256  # lists
IssuerKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

MAX_POINTS = 4  # addresses of one certificate that are tried


_UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion,
)  # fmt: skip


class CrlCheck(Revocation):
    """Fetches and keeps lists; asks for each certificate that names one."""

    def __init__(self, fetcher: Fetcher, keep: timedelta = timedelta(hours=1)) -> None:
        """Keep no list yet.

        Args:
            fetcher: gets lists.
            keep: how long a list is used, at most to its own nextUpdate.
        """
        self._fetcher = fetcher
        self._keep_for = keep
        self._kept: OrderedDict[str, tuple[Instant, x509.CertificateRevocationList]] = OrderedDict()

    @override
    async def check(self, chain: Sequence[x509.Certificate], now: Instant) -> Instant | None:
        ends = []
        for certificate, issuer in pairwise(chain):
            points = distribution_points(certificate)
            if points:
                crl = await self._list(points, issuer, now)
                check_not_revoked(certificate, crl)
                ends.append(_end(crl))
        return min(ends, default=None)

    @override
    async def close(self) -> None:
        await self._fetcher.close()

    async def _list(
        self, points: Sequence[str], issuer: x509.Certificate, now: Instant
    ) -> x509.CertificateRevocationList:
        """Return a usable list from the first point that has one."""
        why = ""
        for url in points:
            kept = self._kept.get(url)
            try:
                if kept is None or kept[0] <= now:
                    kept = self._keep(url, await self._fetcher.fetch(url), now)
                return check_list(kept[1], issuer, now)
            except (Malformed, Unavailable) as error:
                why = str(error)
        raise Unavailable(f"revocation list: {why}")

    def _keep(
        self, url: str, data: bytes, now: Instant
    ) -> tuple[Instant, x509.CertificateRevocationList]:
        crl = load_list(data)
        until = min(now + self._keep_for, _end(crl))
        self._kept[url] = (until, crl)
        self._kept.move_to_end(url)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return self._kept[url]


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the http addresses at which a certificate's CA has its list (RFC 5280 4.2.1.13)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    names = [name for point in points for name in point.full_name or ()]
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return tuple(url for url in urls if url.lower().startswith("http://"))[:MAX_POINTS]


def load_list(data: bytes) -> x509.CertificateRevocationList:
    """Read a list, DER or PEM; all of it, so that later access to its fields raises nothing.

    Raises:
        Malformed: neither.
    """
    try:
        crl = _parse(data)
        _ = crl.issuer, crl.extensions, crl.last_update_utc, crl.next_update_utc
    except _UNREADABLE as error:
        raise Malformed("not a revocation list") from error
    return crl


def _parse(data: bytes) -> x509.CertificateRevocationList:
    if data.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_crl(data)
    return x509.load_der_x509_crl(data)


def check_list(
    crl: x509.CertificateRevocationList, issuer: x509.Certificate, now: Instant
) -> x509.CertificateRevocationList:
    """Check that a list is the issuer's and current (RFC 5280 6.3.3).

    Raises:
        Malformed: another issuer's, badly signed, or only a part (delta, indirect, by reason).
        Unavailable: over.
    """
    if crl.issuer != issuer.subject or not _is_signed_by(crl, issuer):
        raise Malformed("not the list of this issuer")
    if any(extension.critical for extension in crl.extensions):
        raise Malformed("a list for some certificates only")
    if not crl.last_update_utc <= now < _end(crl):
        raise Unavailable("list out of its dates")
    return crl


def _is_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    try:
        return isinstance(key, IssuerKey) and crl.is_signature_valid(key)
    except _UNREADABLE:
        return False


def _end(crl: x509.CertificateRevocationList) -> Instant:
    """Return nextUpdate; a list without it is good for no time."""
    return crl.next_update_utc or crl.last_update_utc


def check_not_revoked(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> None:
    """M-25: a revoked registrar gets no voucher.

    Raises:
        Refused: CERTIFICATE_REVOKED.
        Unavailable: the entries cannot be read.
    """
    try:
        found = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    except _UNREADABLE as error:
        raise Unavailable("revocation list with an entry that is none") from error
    if found is not None:
        raise Refused(
            Refusal.CERTIFICATE_REVOKED, f"since {found.revocation_date_utc:%Y-%m-%d %H:%M}"
        )
