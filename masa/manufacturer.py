"""The manufacturer's own PKI: which certificates are its devices', and which may never be pinned.

Decisions only. Dates are not asked: devices outlive the CAs that made them (IEEE 802.1AR 8.7,
RFC 8995 2.6.2), and whether a device still counts is said by the device table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509

from sztb.errors import Malformed, Refused
from sztb.pki import certificates
from sztb.pki.idevid import DeviceRef, device_ref
from sztb.pki.path import build_path
from sztb.pki.trust_anchors import TrustAnchors


@dataclass(frozen=True, eq=False)  # known by identity: what is decided about it is cached
class Manufacturer:
    """The PKI of one manufacturer.

    Attributes:
        anchors: the roots of its IDevIDs.
        authorities: its CAs below them, which are trusted like these; registrars need not send
            them.
    """

    anchors: TrustAnchors
    authorities: tuple[x509.Certificate, ...] = ()

    def owns_key(self, certificate: x509.Certificate) -> bool:
        """True when the certificate has the key of one of our CAs, whatever its name."""
        return certificates.spki(certificate) in self._own_keys

    @cached_property
    def _trusted(self) -> TrustAnchors:
        return TrustAnchors((*self.anchors, *self.authorities))

    @cached_property
    def _own_keys(self) -> frozenset[bytes]:
        return frozenset(certificates.spki(one) for one in self._trusted)

    def issued(self, certificate: x509.Certificate, bag: Sequence[x509.Certificate] = ()) -> bool:
        """True when the certificate is one of ours or chains to one of our anchors.

        Args:
            certificate: of a device, or of anybody.
            bag: may hold CAs of ours that are not configured as `authorities`.
        """
        return self._chains(certificate, ()) or (bool(bag) and self._chains(certificate, bag))

    def _chains(self, certificate: x509.Certificate, bag: Sequence[x509.Certificate]) -> bool:
        try:
            build_path(certificate, bag, self._trusted, now=None)
        except Refused:
            return False
        return True

    def find_idevid(
        self, bag: Sequence[x509.Certificate], device: DeviceRef
    ) -> x509.Certificate | None:
        """Return the device's IDevID from an unordered bag, None when it is not there (M-10)."""
        return next((one for one in bag if self.is_idevid(one, device, bag)), None)

    def is_idevid(
        self, certificate: x509.Certificate, device: DeviceRef, bag: Sequence[x509.Certificate] = ()
    ) -> bool:
        """True when this is the device's IDevID under our anchors (M-08: serial numbers equal)."""
        return (
            _names(certificate, device)
            and not certificates.is_ca(certificate)
            and self.issued(certificate, bag)
        )


def _names(certificate: x509.Certificate, device: DeviceRef) -> bool:
    try:
        return device_ref(certificate) == device
    except (Malformed, Refused):
        return False
