"""Registrars the manufacturer knows, by the trust anchors of its customers (M-06; 9.3 step 9).

Decisions only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509

from sztb.errors import Refused
from sztb.pki.path import build_path
from sztb.pki.trust_anchors import TrustAnchors

from .records import Instant
from .rvr import Rvr


@dataclass(frozen=True, slots=True)
class Customer:
    """Who a registrar belongs to.

    Attributes:
        name: from the manufacturer's list.
        anchor: the CA of this customer above the signer of the RVR; None when only the TLS client
            certificate proved the customer.
    """

    name: str
    anchor: x509.Certificate | None


class Customers:
    """The list of customers and their CAs."""

    def __init__(self, anchors: Mapping[str, Sequence[x509.Certificate]]) -> None:
        """Take the CAs of each customer by the customer's name."""
        self._names = {one: name for name, listed in anchors.items() for one in listed}
        self._anchors = TrustAnchors(self._names)

    @property
    def names(self) -> frozenset[str]:
        """All customers."""
        return frozenset(self._names.values())

    def authenticate(
        self, rvr: Rvr, tls_chain: Sequence[x509.Certificate], now: Instant
    ) -> Customer | None:
        """Return the customer who asks, None when it is nobody we know (RFC 8995 5.5.4).

        Args:
            rvr: proven, so that its signer is who it says.
            tls_chain: what the TLS client presented, end entity first; empty without.
            now: UTC.
        """
        if not self._names:
            return None
        anchor = self._anchor_of(rvr.signer, rvr.bag, now)
        if anchor is not None:
            return Customer(self._names[anchor], anchor)
        if not tls_chain:
            return None
        anchor = self._anchor_of(tls_chain[0], tls_chain[1:], now)
        return None if anchor is None else Customer(self._names[anchor], None)

    def _anchor_of(
        self, certificate: x509.Certificate, bag: Sequence[x509.Certificate], now: Instant
    ) -> x509.Certificate | None:
        try:
            return build_path(certificate, bag, self._anchors, now=now)[-1]
        except Refused:
            return None
