"""A set of trust anchors with the look-ups that path building needs (RFC 5280 6.1.1 (d))."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from cryptography import x509


class TrustAnchors:
    """An immutable set of certificates that are trusted by themselves.

    An anchor need not be self-signed: a path ends at an intermediate CA that is in the set.
    """

    def __init__(self, certificates: Iterable[x509.Certificate] = ()) -> None:
        """Keep `certificates` without repeats, in their order."""
        self._certificates = tuple(dict.fromkeys(certificates))
        self._members = frozenset(self._certificates)
        by_subject: defaultdict[x509.Name, list[x509.Certificate]] = defaultdict(list)
        for certificate in self._certificates:
            by_subject[certificate.subject].append(certificate)
        self._by_subject = {name: tuple(found) for name, found in by_subject.items()}

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All anchors."""
        return self._certificates

    def contains(self, certificate: x509.Certificate) -> bool:
        """True when exactly this certificate is an anchor."""
        return certificate in self._members

    def named(self, subject: x509.Name) -> tuple[x509.Certificate, ...]:
        """Return the anchors with this subject; CAs may share a name."""
        return self._by_subject.get(subject, ())

    def __iter__(self) -> Iterator[x509.Certificate]:
        return iter(self._certificates)

    def __len__(self) -> int:
        return len(self._certificates)
