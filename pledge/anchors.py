"""The domain's anchors: the Explicit TA database of EST (cbrski.md 5.7; est.md 9, D12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from sztb.codepoints import oid
from sztb.errors import Refusal, Refused
from sztb.pki import certificates
from sztb.pki.keys import spki_der
from sztb.pki.path import build_path

MAX_CERTIFICATES = 16


@dataclass(frozen=True, slots=True)
class ExplicitTrustAnchors:
    """CA certificates a device believes because a proven registrar gave them.

    Attributes:
        anchors: where paths end.
        intermediates: help on the way there; never believed by themselves.
    """

    anchors: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()

    def path(
        self, leaf: x509.Certificate, helpers: Sequence[x509.Certificate], now: datetime | None
    ) -> tuple[x509.Certificate, ...]:
        """The path from a certificate to one of the anchors, both included.

        Raises:
            Refused: CERTIFICATE_PATH or CERTIFICATE_DATES.
        """
        return build_path(leaf, (*self.intermediates, *helpers), self.anchors, now=now)

    def check_registrar(self, chain: Sequence[bytes], now: datetime | None) -> None:
        """Check the chain an EST server presents: a path to an anchor, and cmcRA (E-14).

        Args:
            chain: DER certificates, end entity first.
            now: for the dates, None without a trusted clock.

        Raises:
            Refused: CERTIFICATE_PATH, CERTIFICATE_DATES or CERTIFICATE_PURPOSE.
            Malformed: unreadable certificates.
        """
        leaf, *helpers = (certificates.load(each) for each in chain)
        self.path(leaf, helpers, now)
        if not certificates.has_eku(leaf, oid.CMC_RA):
            raise Refused(Refusal.CERTIFICATE_PURPOSE, "registrar certificate without cmcRA")


def choose_anchors(
    received: Sequence[x509.Certificate],
    previous: ExplicitTrustAnchors | None,
    now: datetime | None,
) -> ExplicitTrustAnchors:
    """Turn the answer to /crts into the database (E-17 to E-19, D12).

    Self-signed CAs, decided by signature and never by names, are the anchors; where there is none,
    the CAs whose issuer is not among the received ones. The others help to build paths. A previous
    anchor stays until it expires or until the newest root is certified by it.

    Raises:
        Refused: CERTIFICATE_PATH, no CA certificate at all, or far too many.
    """
    authorities = [each for each in dict.fromkeys(received) if certificates.is_ca(each)]
    anchors = [each for each in authorities if certificates.is_self_signed(each)]
    anchors = anchors or [each for each in authorities if _is_top(each, authorities)]
    if not anchors or len(authorities) > MAX_CERTIFICATES:
        raise Refused(Refusal.CERTIFICATE_PATH, f"{len(authorities)} CA certificates in /crts")
    helpers = [each for each in authorities if each not in anchors]
    if previous is not None:
        anchors += [each for each in previous.anchors if _stays(each, anchors, helpers, now)]
    return ExplicitTrustAnchors(tuple(anchors[:MAX_CERTIFICATES]), tuple(helpers))


def _is_top(certificate: x509.Certificate, among: Sequence[x509.Certificate]) -> bool:
    return not any(certificates.is_signed_by(certificate, other) for other in among)


def _stays(
    old: x509.Certificate,
    anchors: Sequence[x509.Certificate],
    helpers: Sequence[x509.Certificate],
    now: datetime | None,
) -> bool:
    if old in anchors or (now is not None and old.not_valid_after_utc < now):
        return False
    newest = max(anchors, key=lambda each: (each.not_valid_after_utc, each.not_valid_before_utc))
    key = spki_der(certificates.public_key(newest))
    links = [each for each in helpers if spki_der(certificates.public_key(each)) == key]
    return not any(certificates.is_signed_by(link, old) for link in links)
