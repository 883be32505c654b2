"""Comparing names the way EST means it (est-D19, RFC 5280 7.1); no I/O."""

import unicodedata

from cryptography import x509
from cryptography.x509.oid import NameOID

PreparedName = tuple[frozenset[tuple[str, str]], ...]


def same_name(one: x509.Name, other: x509.Name) -> bool:
    """True when both have equal attributes in the same order, whatever the string types."""
    return _prepared(one) == _prepared(other)


def attribute(name: x509.Name, dotted: str) -> str | None:
    """Return the value of the only attribute of that OID; None when there is none or several."""
    found = name.get_attributes_for_oid(x509.ObjectIdentifier(dotted))
    return str(found[0].value) if len(found) == 1 else None


def _prepared(name: x509.Name) -> PreparedName:
    return tuple(frozenset(prepared_attribute(one) for one in rdn) for rdn in name.rdns)


def prepared_attribute(attribute: x509.NameAttribute[str | bytes]) -> tuple[str, str]:
    """Return type and value of an attribute in the form in which they are compared."""
    value = attribute.value
    text = value.hex() if isinstance(value, bytes) else " ".join(value.split())
    if attribute.oid != NameOID.SERIAL_NUMBER:  # cbrski.md 6.4: serial numbers as they are
        text = unicodedata.normalize("NFKC", text).casefold()
    return attribute.oid.dotted_string, text
