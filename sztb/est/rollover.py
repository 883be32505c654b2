"""Explicit trust anchors: what a /cacerts answer makes of them (RFC 7030 4.1.3, est.md 9).

During a CA rollover four certificates with one name are about: old and new, each signed by old and
by new. Names say nothing there; all decisions go by signatures (est D12).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki.certificates import is_ca, is_self_signed, spki
from sztb.pki.path import Path, build_path, is_current
from sztb.pki.trust_anchors import TrustAnchors

Instant = datetime


@dataclass(frozen=True, slots=True)
class ExplicitTrustAnchors:
    """What an EST client trusts for its domain.

    Attributes:
        anchors: roots trusted by themselves.
        helpers: CA certificates that were validated from the newest root; they complete paths.
    """

    anchors: TrustAnchors
    helpers: tuple[x509.Certificate, ...] = ()

    def build_path(
        self, leaf: x509.Certificate, presented: Sequence[x509.Certificate], now: Instant | None
    ) -> Path:
        """Return a path from `leaf` to one of the anchors, through what was presented or kept.

        Raises:
            Refused: CERTIFICATE_PATH or CERTIFICATE_DATES.
        """
        return build_path(leaf, (*presented, *self.helpers), self.anchors, now=now)


def newest_root(certs: Sequence[x509.Certificate]) -> x509.Certificate:
    """Return the self-signed CA that ends last, of two the one that starts last (est D12).

    Raises:
        Refused: CERTIFICATE_PATH: no self-signed CA among them (E-18).
    """
    roots = [one for one in certs if is_ca(one) and is_self_signed(one)]
    if not roots:
        raise Refused(Refusal.CERTIFICATE_PATH, "no self-signed CA in cacerts")
    return max(roots, key=lambda one: (one.not_valid_after_utc, one.not_valid_before_utc))


def take_cacerts(
    received: Sequence[x509.Certificate],
    current: ExplicitTrustAnchors,
    now: Instant | None,
) -> ExplicitTrustAnchors:
    """Return the anchors after an authenticated /cacerts answer (E-17, E-19).

    (1) the newest root becomes an anchor  (2) the other certificates stay only if they validate
    from it  (3) earlier anchors stay until they expire, or until the new root is reached by a
    chain from them

    Args:
        received: the certificates of the answer, in any order.
        current: what was trusted so far.
        now: a trusted time, None without clock.

    Raises:
        Refused: CERTIFICATE_PATH: no root in the answer.
    """
    root = newest_root(received)  # (1)
    others = [one for one in received if one != root]
    helpers = tuple(one for one in others if _validates(one, received, [root], now))  # (2)
    kept = [one for one in current.anchors if _stays(one, root, received, now)]  # (3)
    return ExplicitTrustAnchors(TrustAnchors((root, *kept)), helpers)


def _validates(
    certificate: x509.Certificate,
    helpers: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: Instant | None,
) -> bool:
    try:
        build_path(certificate, helpers, anchors, now=now)
    except Refused:
        return False
    return is_ca(certificate)


def _stays(
    anchor: x509.Certificate,
    root: x509.Certificate,
    received: Sequence[x509.Certificate],
    now: Instant | None,
) -> bool:
    """True while the earlier `anchor` is still needed beside `root`."""
    if now is not None and not is_current(anchor, now):
        return False
    same_ca = [one for one in received if one.subject == root.subject and spki(one) == spki(root)]
    return not any(_validates(one, received, [anchor], now) for one in same_ca)


def order_cacerts(
    issuing_ca: x509.Certificate, certs: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, ...]:
    """Order a server's CA certificates for multipart-core (R-11, cbrski.md 5.3).

    The CA that issues the clients' certificates comes first, then its issuers up to the root, then
    the rest.

    Args:
        issuing_ca: issues LDevIDs.
        certs: all CA certificates of the domain, the root among them.

    Raises:
        Refused: CERTIFICATE_PATH: no root, or no path to it.
    """
    path = build_path(issuing_ca, certs, [newest_root(certs)], now=None)
    return (*path, *(one for one in certs if one not in path))
