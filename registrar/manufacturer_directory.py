"""Which manufacturer made the device that presents this chain (R-13, R-37, R-62); no I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki import certificates, idevid, path
from sztb.pki.idevid import DeviceRef
from sztb.pki.trust_anchors import TrustAnchors

from .records import Instant, Manufacturer


@dataclass(frozen=True, slots=True)
class Pledge:
    """A client that proved possession of the IDevID of a known manufacturer.

    Attributes:
        certificate: the IDevID.
        chain: DER, the IDevID first: everything presented in the handshake, then what completes
            the path to the manufacturer's anchor (D21).
        manufacturer: whose anchor that is.
        device: who it is: the serial number comes from the certificate (R-17).
        idevid_issuer: the leaf of that name (R-18).
    """

    certificate: x509.Certificate
    chain: tuple[bytes, ...]
    manufacturer: Manufacturer
    device: DeviceRef
    idevid_issuer: bytes


class ManufacturerDirectory:
    """An immutable view of all manufacturers, searched by the anchor a chain ends in."""

    def __init__(self, manufacturers: Iterable[Manufacturer]) -> None:
        self.manufacturers = tuple(manufacturers)
        self._by_name = {maker.name: maker for maker in self.manufacturers}
        self._by_anchor = {
            anchor: maker for maker in self.manufacturers for anchor in maker.anchors
        }
        self._anchors = TrustAnchors(
            anchor for maker in self.manufacturers for anchor in maker.anchors
        )

    def by_name(self, name: str) -> Manufacturer | None:
        """Return the manufacturer of that name."""
        return self._by_name.get(name)

    def identify(self, chain: Sequence[bytes], now: Instant) -> Pledge:
        """Return who presented this chain (cbrski.md 9.2 step 1).

        Args:
            chain: DER, end entity first.
            now: UTC.

        Raises:
            Malformed: not certificates.
            Refused: CERTIFICATE_PATH: no manufacturer of ours; CERTIFICATE_DATES: not valid now
                and the manufacturer's dates count; IDEVID: no serial number in it.
        """
        presented = [certificates.load(one) for one in chain]
        validated = self._validated(presented, now)
        maker = self._by_anchor[validated[-1]]
        leaf = validated[0]
        issuer = idevid.idevid_issuer(leaf)
        device = DeviceRef(
            idevid.normalise_idevid_issuer(issuer),
            idevid.serial_number(leaf, maker.serial_attribute),
        )
        completing = (certificates.der(one) for one in validated if one not in presented)
        return Pledge(leaf, (*chain, *completing), maker, device, issuer)

    def _validated(
        self, presented: Sequence[x509.Certificate], now: Instant
    ) -> tuple[x509.Certificate, ...]:
        leaf, candidates = presented[0], presented[1:]
        try:
            return path.build_path(leaf, candidates, self._anchors, now=now)
        except Refused as error:
            if error.refusal is not Refusal.CERTIFICATE_DATES:
                raise
            undated = path.build_path(leaf, candidates, self._anchors, now=None)
            maker = self._by_anchor[undated[-1]]
            if not maker.ignore_lifetime:
                raise
            return undated
