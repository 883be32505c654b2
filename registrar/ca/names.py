"""When two subjects, or two subjectAltNames, are the same (est.md D19).

Attributes are compared in order, their values after the string preparation of RFC 5280 7.1, so that
a PrintableString equals the UTF8String of the same text. Alternative names are compared as a set.
"""

import unicodedata

from cryptography import x509

_SERIAL = x509.NameOID.SERIAL_NUMBER


def prepared(value: str | bytes) -> str | bytes:
    """Fold a value as caseIgnoreMatch does: NFKC, case, runs of white space."""
    if isinstance(value, bytes):  # a BIT STRING attribute: octets are compared as they are
        return value
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def same_subject(one: x509.Name, other: x509.Name) -> bool:
    """Tell whether two names are identical in the sense of RFC 5280 7.1."""
    return _comparable(one) == _comparable(other)


def same_alternative_names(
    one: x509.SubjectAlternativeName | None, other: x509.SubjectAlternativeName | None
) -> bool:
    """Compare as sets; both absent is equal, an absent one equals no other."""
    if one is None or other is None:
        return one is other
    return set(one) == set(other)


def alternative_names(extensions: x509.Extensions) -> x509.SubjectAlternativeName | None:
    """Return the subjectAltName among the extensions, if there is one."""
    try:
        return extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def serial_numbers(name: x509.Name) -> tuple[str, ...]:
    """Return every serialNumber attribute of a name, as text, in order."""
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(_SERIAL))


def foreign_attributes(
    asked: x509.Name, allowed: x509.Name
) -> list[x509.NameAttribute[str | bytes]]:
    """Return the attributes of `asked` that do not occur in `allowed`."""
    own = {(a.oid, prepared(a.value)) for a in allowed}
    return [a for a in asked if (a.oid, prepared(a.value)) not in own]


def _comparable(name: x509.Name) -> list[frozenset[tuple[str, str | bytes]]]:
    return [
        frozenset((a.oid.dotted_string, prepared(a.value)) for a in relative)
        for relative in name.rdns
    ]
