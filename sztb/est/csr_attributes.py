"""CSR attributes: what a server would like to see in a request (RFC 8951 3.2, RFC 9908).

All of it is advice to the client; the server checks the request anyhow. A template (RFC 9908 3.4)
replaces every other element. An unknown element is kept or ignored, never an error (E-30).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sztb.codepoints import oid
from sztb.encoding import der
from sztb.encoding.der import Element
from sztb.errors import Malformed
from sztb.est.csr_template import (
    CsrTemplate,
    ExtensionTemplate,
    KeyType,
    decode_template,
    encode_template,
)

MAX_BYTES = 16384
EMPTY = b"\x30\x00"  # "nothing special", the same as no attributes at all (est D9)

KEY_TYPES = frozenset({"1.2.840.10045.2.1", "1.2.840.113549.1.1.1"})  # ecPublicKey, rsaEncryption


@dataclass(frozen=True, slots=True)
class CsrAttributes:
    """A decoded CsrAttrs.

    Attributes:
        oids: the bare object identifiers in their order.
        key_type: what key to make, None when it does not matter.
        extensions: to be put into the request's extensionRequest as they are.
        other: any other attribute: its OID and its values in DER.
        template: when present, all other fields are empty.
    """

    oids: tuple[str, ...] = ()
    key_type: KeyType | None = None
    extensions: tuple[ExtensionTemplate, ...] = ()
    other: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
    template: CsrTemplate | None = None

    @property
    def pop_linking(self) -> bool:
        """True when the server demands a challengePassword (RFC 7030 3.5, E-22)."""
        return oid.CHALLENGE_PASSWORD in self.oids


def decode(data: bytes) -> CsrAttributes:
    """Read a CsrAttrs.

    A single attribute that is not as it should be is left out; the well-known example of RFC 7030
    4.5.2 has one.

    Args:
        data: DER, at most 16384 bytes; an empty body counts as empty attributes (est D9).

    Raises:
        Malformed: not DER, or two attributes where one may be: the client goes on as if there
            were none (est D23).
    """
    if not data:
        return CsrAttributes()
    elements = der.children(der.read(data, max_bytes=MAX_BYTES).expect(der.SEQUENCE))
    oids = tuple(der.oid(one) for one in elements if one.tag == der.OBJECT_IDENTIFIER)
    attributes = [_attribute(one) for one in elements if one.tag != der.OBJECT_IDENTIFIER]
    if (template := _only(attributes, {oid.CSR_TEMPLATE})) is not None:
        return CsrAttributes(template=_template(template))  # E-31
    return CsrAttributes(
        oids=oids,
        key_type=_key_type(_only(attributes, KEY_TYPES)),
        extensions=_extensions(_only(attributes, {oid.EXTENSION_REQUEST})),
        other=tuple(
            (name, tuple(value.raw for value in values))
            for name, values in attributes
            if name not in {*KEY_TYPES, oid.EXTENSION_REQUEST}
        ),
    )


_Attribute = tuple[str, tuple[Element, ...]]


def _attribute(element: Element) -> _Attribute:
    parts = der.children(element.expect(der.SEQUENCE))
    if len(parts) != 2:
        raise Malformed("CSR attribute is not a type and a set")
    return der.oid(parts[0]), der.children(parts[1].expect(der.SET))


def _only(attributes: Sequence[_Attribute], names: frozenset[str] | set[str]) -> _Attribute | None:
    found = [one for one in attributes if one[0] in names]
    if len(found) > 1:
        raise Malformed("CSR attribute twice")
    return found[0] if found else None


def _template(attribute: _Attribute) -> CsrTemplate:
    _, values = attribute
    if len(values) != 1:
        raise Malformed("not one template")
    return decode_template(values[0])


def _key_type(attribute: _Attribute | None) -> KeyType | None:
    if attribute is None:
        return None
    name, values = attribute
    try:
        return KeyType.from_parameters(name, values)
    except Malformed:  # est D23: one bad attribute is left out
        return None


def _extensions(attribute: _Attribute | None) -> tuple[ExtensionTemplate, ...]:
    if attribute is None:
        return ()
    try:
        [listed] = attribute[1]
        found = tuple(map(ExtensionTemplate.decode, der.children(listed.expect(der.SEQUENCE))))
    except (Malformed, ValueError):  # est D23
        return ()
    distinct = len({extension.oid for extension in found}) == len(found)
    return found if distinct and all(one.value is not None for one in found) else ()


def encode(attributes: CsrAttributes) -> bytes:
    """Write a CsrAttrs; a template is written alone."""
    if attributes.template is not None:
        return der.encode(
            der.SEQUENCE, _encode_attribute(oid.CSR_TEMPLATE, encode_template(attributes.template))
        )
    elements = [der.encode_oid(one) for one in attributes.oids]
    if attributes.key_type is not None:
        key_type = attributes.key_type
        elements.append(_encode_attribute(key_type.algorithm, *key_type.parameters()))
    if attributes.extensions:
        listed = der.encode(der.SEQUENCE, *(one.encode() for one in attributes.extensions))
        elements.append(_encode_attribute(oid.EXTENSION_REQUEST, listed))
    elements.extend(_encode_attribute(name, *values) for name, values in attributes.other)
    return der.encode(der.SEQUENCE, *elements)


def _encode_attribute(name: str, *values: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.encode_oid(name), der.encode_set_of(values))
