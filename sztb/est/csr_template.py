"""The template inside CSR attributes, and the parts it shares with the older form (RFC 9908 3.4).

A template looks like the request it wants, with holes: an attribute or extension without a value is
for the client to fill in, one with a value is to be used as it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sztb.codepoints import oid
from sztb.encoding import der
from sztb.encoding.der import Element
from sztb.errors import Malformed

_RSA = "1.2.840.113549.1.1.1"
_KEY_TAG = der.context(0)
_ATTRIBUTES_TAG = der.context(1)
_RSA_EXPONENT = 65537
_RSA_BITS = range(512, 16385)


@dataclass(frozen=True, slots=True)
class KeyType:
    """The key a client should make.

    Attributes:
        algorithm: OID of the key type, for example ecPublicKey.
        parameter: OID of the curve, or the RSA modulus length in bits; None leaves it open.
    """

    algorithm: str
    parameter: str | int | None = None

    @classmethod
    def from_parameters(cls, algorithm: str, values: Sequence[Element]) -> "KeyType":
        """Read the values of a key type attribute: none, one curve, or one length.

        Raises:
            Malformed: anything else.
        """
        if not values:
            return cls(algorithm)
        if len(values) != 1:
            raise Malformed("key type with several parameters")
        if algorithm == _RSA:
            return cls(algorithm, _rsa_bits(der.integer(values[0])))
        return cls(algorithm, der.oid(values[0]))

    def parameters(self) -> tuple[bytes, ...]:
        """Return the values of a key type attribute in DER."""
        match self.parameter:
            case None:
                return ()
            case int() as bits:
                return (der.encode_integer(bits),)
            case curve:
                return (der.encode_oid(curve),)


@dataclass(frozen=True, slots=True)
class ExtensionTemplate:
    """An extension to ask for.

    Attributes:
        oid: extnID.
        value: content of extnValue, None where the client fills it in (templates only).
        critical: as in the request.
    """

    oid: str
    value: bytes | None
    critical: bool = False

    @classmethod
    def decode(cls, element: Element) -> "ExtensionTemplate":
        """Read SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OPTIONAL }.

        Raises:
            Malformed: not that.
        """
        name, *rest = _members(element, 1, 3)
        critical = bool(rest) and rest[0].tag == der.BOOLEAN
        if critical and rest.pop(0).content != b"\xff":  # X.690 11.5: FALSE is not written
            raise Malformed("critical is not TRUE")
        if len(rest) > 1:
            raise Malformed("extension with two values")
        value = rest[0].expect(der.OCTET_STRING).content if rest else None
        return cls(der.oid(name), value, critical)

    def encode(self) -> bytes:
        """Write the extension in DER."""
        critical = der.encode(der.BOOLEAN, b"\xff") if self.critical else b""
        value = b"" if self.value is None else der.encode(der.OCTET_STRING, self.value)
        return der.encode(der.SEQUENCE, der.encode_oid(self.oid), critical, value)


@dataclass(frozen=True, slots=True)
class CsrTemplate:
    """A CertificationRequestInfoTemplate.

    Attributes:
        subject: RDNs in order, each a row of (attribute OID, value in DER or None); None when the
            template says nothing about the subject.
        key_type: what key to make.
        extensions: what to ask for.
    """

    subject: tuple[tuple[tuple[str, bytes | None], ...], ...] | None = None
    key_type: KeyType | None = None
    extensions: tuple[ExtensionTemplate, ...] = ()


def decode_template(element: Element) -> CsrTemplate:
    """Read a template.

    Raises:
        Malformed: not one of version 0, or both forms of extensions in it.
    """
    version, *fields = _members(element, 1, 4)
    if der.integer(version) != 0:
        raise Malformed("template version")
    by_tag = {field.tag: field for field in fields}
    if len(by_tag) != len(fields) or by_tag.keys() - {der.SEQUENCE, _KEY_TAG, _ATTRIBUTES_TAG}:
        raise Malformed("template with an unknown or repeated field")
    subject, key = by_tag.get(der.SEQUENCE), by_tag.get(_KEY_TAG)
    attributes = by_tag.get(_ATTRIBUTES_TAG)
    return CsrTemplate(
        subject=None if subject is None else tuple(map(_rdn, der.children(subject))),
        key_type=None if key is None else _key_type(key),
        extensions=() if attributes is None else _extensions(attributes),
    )


def _members(element: Element, least: int, most: int) -> tuple[Element, ...]:
    found = der.children(element)
    if not least <= len(found) <= most:
        raise Malformed(f"{len(found)} elements where {least} to {most} belong")
    return found


def _rdn(element: Element) -> tuple[tuple[str, bytes | None], ...]:
    attributes = [_members(one, 1, 2) for one in der.children(element.expect(der.SET))]
    return tuple((der.oid(name), value[0].raw if value else None) for name, *value in attributes)


def _key_type(element: Element) -> KeyType:
    algorithm, *placeholder = _members(element, 1, 2)
    name, *parameters = _members(algorithm.expect(der.SEQUENCE), 1, 2)
    if der.oid(name) != _RSA:
        return KeyType.from_parameters(der.oid(name), parameters)
    return KeyType(_RSA, _modulus_bits(placeholder[0]) if placeholder else None)


def _modulus_bits(placeholder: Element) -> int:
    """Return the length in bits of the modulus of an RSA key that stands for its size only."""
    bits = placeholder.expect(der.BIT_STRING).content
    modulus, _ = _members(der.read(bits[1:]).expect(der.SEQUENCE), 2, 2)
    return _rsa_bits(der.integer(modulus).bit_length())


def _rsa_bits(bits: int) -> int:
    if bits not in _RSA_BITS:
        raise Malformed("RSA modulus length")
    return bits


def _extensions(element: Element) -> tuple[ExtensionTemplate, ...]:
    asked = [
        values
        for name, values in (_members(one, 2, 2) for one in der.children(element))
        if der.oid(name) in {oid.EXTENSION_REQUEST, oid.EXTENSION_REQUEST_TEMPLATE}
    ]
    if len(asked) > 1:  # RFC 9908 3.4: one form or the other
        raise Malformed("template with extensions twice")
    if not asked:
        return ()
    [listed] = _members(asked[0].expect(der.SET), 1, 1)
    return tuple(map(ExtensionTemplate.decode, der.children(listed.expect(der.SEQUENCE))))


def encode_template(template: CsrTemplate) -> bytes:
    """Write a template in DER."""
    fields = [der.encode_integer(0)]
    if template.subject is not None:
        fields.append(der.encode(der.SEQUENCE, *map(_encode_rdn, template.subject)))
    if template.key_type is not None:
        fields.append(_encode_key_type(template.key_type))
    if template.extensions:
        listed = der.encode(der.SEQUENCE, *(one.encode() for one in template.extensions))
        name = der.encode_oid(oid.EXTENSION_REQUEST_TEMPLATE)
        attribute = der.encode(der.SEQUENCE, name, der.encode(der.SET, listed))
        fields.append(der.encode(_ATTRIBUTES_TAG, attribute))
    return der.encode(der.SEQUENCE, *fields)


def _encode_rdn(rdn: Sequence[tuple[str, bytes | None]]) -> bytes:
    return der.encode_set_of(
        der.encode(der.SEQUENCE, der.encode_oid(name), value or b"") for name, value in rdn
    )


def _encode_key_type(key_type: KeyType) -> bytes:
    name = der.encode_oid(key_type.algorithm)
    if not isinstance(key_type.parameter, int):
        algorithm = der.encode(der.SEQUENCE, name, *key_type.parameters())
        return der.encode(_KEY_TAG, algorithm)
    modulus = der.encode_integer((1 << key_type.parameter) - 1)
    key = der.encode(der.SEQUENCE, modulus, der.encode_integer(_RSA_EXPONENT))
    algorithm = der.encode(der.SEQUENCE, name, der.encode(der.NULL))
    return der.encode(_KEY_TAG, algorithm, der.encode(der.BIT_STRING, b"\0", key))
