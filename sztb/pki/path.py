"""Certification paths from an end entity up to a trust anchor (RFC 5280 6.1, RFC 4158).

`cryptography.x509.verification` is made for the Web PKI: it wants a server name, a known time and
the profile of public CAs, which IDevID chains with their year 9999 do not have. Hence an own
search. It takes any bag of certificates, in any order, with loops and with CAs of equal names, and
stops after a fixed amount of work: `MAX_SIGNATURES` signatures and `MAX_STEPS` steps.

Not done here: revocation, certificate policies, extended key usages (the caller knows the purpose)
and pins on end-entity certificates (sztb.voucher.pins).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509

from sztb.codepoints import oid
from sztb.errors import Refusal, Refused
from sztb.pki.certificates import (
    authority_key_id,
    is_ca,
    is_signed_by,
    path_length,
    spki,
    subject_key_id,
)
from sztb.pki.trust_anchors import TrustAnchors

Instant = datetime

MAX_PATH = 8  # certificates, end entity and anchor included
MAX_CANDIDATES = 32
MAX_SIGNATURES = 64
MAX_STEPS = 512

# Critical extensions that are processed here or by the callers; policies are accepted because
# any policy is acceptable to us. Name constraints are not implemented: critical ones are refused.
_UNDERSTOOD = frozenset(
    {
        "2.5.29.14",  # subjectKeyIdentifier
        "2.5.29.15",  # keyUsage
        "2.5.29.17",  # subjectAltName
        "2.5.29.19",  # basicConstraints
        "2.5.29.32",  # certificatePolicies
        "2.5.29.35",  # authorityKeyIdentifier
        "2.5.29.37",  # extKeyUsage
        oid.MASA_URL,
    }
)

Path = tuple[x509.Certificate, ...]


def build_path(
    leaf: x509.Certificate,
    candidates: Sequence[x509.Certificate],
    anchors: TrustAnchors | Sequence[x509.Certificate],
    *,
    now: Instant | None,
    max_length: int = MAX_PATH,
) -> Path:
    """Return a valid path from `leaf` to an anchor, both included.

    For every certificate above the leaf: (1) its name and signature fit the one below, (2) it is a
    CA with keyCertSign, (3) its pathLenConstraint holds. For every certificate: (4) no critical
    extension we do not process, (5) the date, given a clock. An anchor must satisfy all of them
    too; it may be an intermediate CA. A leaf that is itself an anchor is a path of one.

    Args:
        leaf: the certificate to be trusted.
        candidates: untrusted certificates that may help, at most 32 are looked at.
        anchors: trusted CA certificates.
        now: a trusted time, None without clock (RFC 8995 2.6.1).
        max_length: the longest path accepted, in certificates.

    Raises:
        Refused: CERTIFICATE_PATH, or CERTIFICATE_DATES when only the dates are wrong.
    """
    trusted = anchors if isinstance(anchors, TrustAnchors) else TrustAnchors(anchors)
    search = _Search(candidates, trusted, max_length)
    if path := search.find(leaf, now):
        return path
    if now is not None and search.dates_seen and search.find(leaf, None):
        raise Refused(Refusal.CERTIFICATE_DATES, _named(leaf))
    raise Refused(Refusal.CERTIFICATE_PATH, f"{search.reason} for {_named(leaf)}")


def is_current(certificate: x509.Certificate, now: Instant) -> bool:
    """True when `now` lies within the certificate's validity, both ends included."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


class _Search:
    """One depth-first search, with its budget."""

    def __init__(
        self, candidates: Sequence[x509.Certificate], anchors: TrustAnchors, max_length: int
    ) -> None:
        self._anchors = anchors
        self._candidates = TrustAnchors(candidates[:MAX_CANDIDATES])
        self._max_length = max_length
        self._signed: dict[tuple[x509.Certificate, x509.Certificate], bool] = {}
        self._steps = 0
        self.dates_seen = False
        self.reason = "no path to an anchor"

    def find(self, leaf: x509.Certificate, now: Instant | None) -> Path | None:
        self._steps = 0
        if not self._usable(leaf, now):
            return None
        return self._extend((leaf,), now)

    def _extend(self, path: Path, now: Instant | None) -> Path | None:
        """Return `path` continued to an anchor; recursion is bounded by the path's length."""
        top = path[-1]
        if self._anchors.contains(top) and is_ca(top):
            return path
        if len(path) == self._max_length:
            self.reason = f"more than {self._max_length} certificates"
            return None
        for issuer in self._issuers(top):
            if not self._step():
                return None
            if self._fits(issuer, path, now) and (found := self._extend((*path, issuer), now)):
                return found
        return None

    def _issuers(self, certificate: x509.Certificate) -> Iterator[x509.Certificate]:
        """Yield the certificates that could have issued this one, anchors first."""
        wanted = authority_key_id(certificate)
        for pool in (self._anchors, self._candidates):
            for issuer in pool.named(certificate.issuer):
                own = subject_key_id(issuer)
                if wanted is None or own is None or own == wanted:
                    yield issuer

    def _step(self) -> bool:
        self._steps += 1
        if self._steps > MAX_STEPS or len(self._signed) > MAX_SIGNATURES:
            self.reason = "search given up"
            return False
        return True

    def _fits(self, issuer: x509.Certificate, path: Path, now: Instant | None) -> bool:
        """True when `issuer` may stand above `path`; the signature, being dear, comes last."""
        if _is_repeat(issuer, path):
            return False
        if not is_ca(issuer):
            self.reason = "issuer is not a CA"
            return False
        limit = path_length(issuer)
        if limit is not None and limit < _intermediates(path):
            self.reason = "path length exceeded"
            return False
        return self._usable(issuer, now) and self._is_signed(path[-1], issuer)

    def _usable(self, certificate: x509.Certificate, now: Instant | None) -> bool:
        if _unknown_critical(certificate):
            self.reason = "critical extension not understood"
            return False
        if now is not None and not is_current(certificate, now):
            self.dates_seen = True
            self.reason = "certificate out of its dates"
            return False
        return True

    def _is_signed(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        edge = (certificate, issuer)
        if edge not in self._signed:
            self._signed[edge] = is_signed_by(certificate, issuer)
        if not self._signed[edge]:
            self.reason = "signature does not verify"
        return self._signed[edge]


def _is_repeat(issuer: x509.Certificate, path: Path) -> bool:
    """True when a CA would stand twice in the path: same name and same key (RFC 4158 2.4.2)."""
    return any(issuer.subject == below.subject and spki(issuer) == spki(below) for below in path)


def _intermediates(path: Path) -> int:
    """Count the CAs in `path` that pathLenConstraint counts: not the leaf, not self-issued ones."""
    return sum(certificate.subject != certificate.issuer for certificate in path[1:])


def _unknown_critical(certificate: x509.Certificate) -> bool:
    return any(
        extension.critical and extension.oid.dotted_string not in _UNDERSTOOD
        for extension in certificate.extensions
    )


def _named(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:100]
