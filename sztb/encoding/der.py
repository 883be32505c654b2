"""A small strict reader and writer of DER (X.690), for what the X.509 library does not open.

The reader cuts bytes into elements and checks tags and lengths; it does not interpret values
beyond OBJECT IDENTIFIER and INTEGER. With ``ber=True`` it also takes non-minimal and indefinite
lengths, which some CMS writers use (est D11). Only one-octet tags are read: nothing needs more.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sztb.errors import Malformed

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
IA5_STRING = 0x16
SEQUENCE = 0x30
SET = 0x31

MAX_BYTES = 65536
MAX_DEPTH = 16  # of nested indefinite lengths
MAX_CHILDREN = 256

_END_OF_CONTENTS = b"\x00\x00"


class Element(NamedTuple):
    """One tag-length-value.

    Attributes:
        tag: the identifier octet, class and constructed bit included.
        content: the value octets, without an end-of-contents marker.
        raw: the whole element as received.
    """

    tag: int
    content: bytes
    raw: bytes

    def expect(self, tag: int) -> "Element":
        """Return this element if it carries `tag`.

        Raises:
            Malformed: it carries another.
        """
        if self.tag != tag:
            raise Malformed(f"DER tag {self.tag:#04x} where {tag:#04x} belongs")
        return self


def context(number: int, *, constructed: bool = True) -> int:
    """Return the identifier octet of the context-specific tag [`number`], 0 to 30."""
    return 0x80 | (0x20 if constructed else 0) | number


def read(data: bytes, *, ber: bool = False, max_bytes: int = MAX_BYTES) -> Element:
    """Read `data` as exactly one element.

    Args:
        data: the bytes, nothing before or after the element.
        ber: take non-minimal and indefinite lengths too.
        max_bytes: longer input is refused unread.

    Raises:
        Malformed: too long, not one element, or bytes after it.
    """
    if len(data) > max_bytes:
        raise Malformed(f"DER of {len(data)} bytes")
    element, end = _element(data, 0, ber, MAX_DEPTH)
    if end != len(data):
        raise Malformed("bytes after the DER element")
    return element


def children(element: Element, *, ber: bool = False) -> tuple[Element, ...]:
    """Cut the content of a constructed element into its elements, at most 256.

    Raises:
        Malformed: primitive, or the content is not a row of elements.
    """
    if not element.tag & 0x20:
        raise Malformed("DER element is primitive")
    found: list[Element] = []
    at = 0
    while at < len(element.content):
        if len(found) == MAX_CHILDREN:
            raise Malformed("too many DER elements")
        child, at = _element(element.content, at, ber, MAX_DEPTH)
        found.append(child)
    return tuple(found)


def _element(data: bytes, start: int, ber: bool, depth: int) -> tuple[Element, int]:
    """Return the element at `start` and where the next one begins."""
    if len(data) - start < 2:
        raise Malformed("DER element is cut off")
    tag, length = data[start], data[start + 1]
    if tag & 0x1F == 0x1F:
        raise Malformed("DER tag of several octets")
    value = start + 2
    if length >= 0x80:
        if ber and length == 0x80:
            return _indefinite(data, start, depth)
        length, value = _long_length(data, start + 1, ber)
    end = value + length
    if end > len(data):
        raise Malformed("DER element is cut off")
    return Element(tag, data[value:end], data[start:end]), end


def _long_length(data: bytes, at: int, ber: bool) -> tuple[int, int]:
    """Return the length coded at `at` in several octets and where the value begins."""
    first = data[at]
    octets = data[at + 1 : at + 1 + (first & 0x7F)]
    if not 1 <= len(octets) <= 4 or len(octets) != first & 0x7F:
        raise Malformed("DER length")
    length = int.from_bytes(octets, "big")
    if not ber and (length < 0x80 or octets[0] == 0):
        raise Malformed("DER length is not minimal")
    return length, at + 1 + len(octets)


def _indefinite(data: bytes, start: int, depth: int) -> tuple[Element, int]:
    """Read an element of indefinite length: elements up to an end-of-contents marker."""
    if not depth or not data[start] & 0x20:
        raise Malformed("indefinite length: nested too deep, or on a primitive element")
    at = start + 2
    while data[at : at + 2] != _END_OF_CONTENTS:
        _, at = _element(data, at, ber=True, depth=depth - 1)
    return Element(data[start], data[start + 2 : at], data[start : at + 2]), at + 2


def oid(element: Element) -> str:
    """Return an OBJECT IDENTIFIER in dotted form.

    Raises:
        Malformed: another tag, or not minimal (X.690 8.19), or an arc above 64 bits.
    """
    octets = element.expect(OBJECT_IDENTIFIER).content
    if not octets or octets[-1] & 0x80:
        raise Malformed("object identifier")
    arcs: list[int] = []
    arc = 0
    for octet in octets:
        if (not arc and octet == 0x80) or arc >> 57:
            raise Malformed("object identifier")
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(map(str, (top, arcs[0] - 40 * top, *arcs[1:])))


def integer(element: Element) -> int:
    """Return an INTEGER.

    Raises:
        Malformed: another tag, or not minimal (X.690 8.3.2).
    """
    octets = element.expect(INTEGER).content
    first_nine_bits = int.from_bytes(octets[:2], "big") >> 7
    if not octets or (len(octets) > 1 and first_nine_bits in {0, 0x1FF}):
        raise Malformed("integer")
    return int.from_bytes(octets, "big", signed=True)


def encode(tag: int, *contents: bytes) -> bytes:
    """Return the element with this identifier octet and the joined contents."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def encode_set_of(elements: Iterable[bytes], tag: int = SET) -> bytes:
    """Return a SET OF in DER order (X.690 11.6)."""
    return encode(tag, *sorted(elements))


def encode_integer(value: int) -> bytes:
    """Return an INTEGER."""
    magnitude = value if value >= 0 else ~value
    return encode(INTEGER, value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))


def encode_oid(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER from its dotted form."""
    top, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OBJECT_IDENTIFIER, *map(_base128, (40 * top + second, *rest)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))
