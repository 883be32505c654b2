"""Strict CBOR: exactly one item, bounded in size and depth (RFC 8949 5.3, cbrski.md 6.2).

`cbor2` writes. Reading is done here: cbor2 keeps the last of two equal keys, acts on tags (dates,
patterns, shared references) and cannot be told not to, so a second pass over the bytes would be
needed anyway. Tags are handed up unread, as `Tag`.
"""

import struct
from typing import Final

import cbor2

from sztb.errors import Malformed

Tag = cbor2.CBORTag

MAX_BYTES: Final = 65536
MAX_DEPTH: Final = 8
MAX_INDEFINITE: Final = 4  # open items of indefinite length inside one another, cbrski.md 6.2

# major types, RFC 8949 3.1
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = range(8)
_INDEFINITE: Final = 31
_BREAK: Final = 0xFF
_SIMPLE: Final[dict[int, object]] = {20: False, 21: True, 22: None}
_KEY_TYPES: Final = (int, str, bytes)
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> object:
    """Decode one CBOR item.

    Args:
        data: the whole item, nothing before or after it.
        max_bytes: longer input is refused unread.
        max_depth: how many arrays, maps and tags may be inside one another.

    Returns:
        int, bytes, str, bool, None, float, list, dict or `Tag`.

    Raises:
        Malformed: not one well-formed item, too large, too deep, or with a duplicate key (D32).
    """
    if len(data) > max_bytes:
        raise Malformed(f"CBOR: {len(data)} bytes, at most {max_bytes}")
    reader = _Reader(data, max_depth)
    item = reader.item(0)
    if reader.position != len(data):
        raise Malformed(f"CBOR: {len(data) - reader.position} bytes after the item")
    return item


def encode(value: object) -> bytes:
    """Encode `value` with definite lengths and shortest heads; maps keep their order."""
    return cbor2.dumps(value)


class _Reader:
    """A cursor over the bytes of one item."""

    __slots__ = ("data", "end", "indefinite", "max_depth", "position")

    def __init__(self, data: bytes, max_depth: int) -> None:
        self.data = data
        self.end = len(data)
        self.max_depth = max_depth
        self.position = 0
        self.indefinite = 0

    def item(self, depth: int) -> object:
        """Read the item at the cursor; `depth` containers are open around it."""
        major, info, argument = self.head()
        if _BYTES <= major <= _TEXT:
            raw = self.take(argument) if argument is not None else self.chunks(major)
            return raw if major == _BYTES else _text(raw)
        if major == _UNSIGNED and argument is not None:
            return argument
        if _ARRAY <= major <= _TAG:
            return self.container(major, argument, depth + 1)
        if major == _OTHER:
            return self.simple(info, argument)
        if argument is None:
            raise Malformed("CBOR: integer of indefinite length")
        return -1 - argument

    def container(self, major: int, argument: int | None, depth: int) -> object:
        if depth > self.max_depth:
            raise Malformed(f"CBOR: more than {self.max_depth} levels")
        if major == _ARRAY:
            return self.array(argument, depth)
        if major == _MAP:
            return self.map(argument, depth)
        if argument is None:
            raise Malformed("CBOR: tag of indefinite length")
        return Tag(argument, self.item(depth))

    def head(self) -> tuple[int, int, int | None]:
        """Read an initial byte and its argument; the argument is None for "indefinite"."""
        position = self.position
        if position >= self.end:
            raise Malformed("CBOR: truncated")
        initial = self.data[position]
        self.position = position + 1
        major, info = initial >> 5, initial & 0x1F
        if info < 24:
            return major, info, info
        if info < 28:
            return major, info, int.from_bytes(self.take(1 << (info - 24)))
        if info == _INDEFINITE:
            return major, info, None
        raise Malformed("CBOR: reserved length")

    def take(self, count: int) -> bytes:
        start = self.position
        self.position = end = start + count
        if end > self.end:
            raise Malformed("CBOR: truncated")
        return self.data[start:end]

    def chunks(self, major: int) -> bytes:
        """Read a string of indefinite length."""
        chunks: list[bytes] = []
        while not self.at_break():
            chunk_major, _, length = self.head()
            if chunk_major != major or length is None:
                raise Malformed("CBOR: chunk of another kind in a string")
            chunk = self.take(length)
            if major == _TEXT:
                _text(chunk)  # RFC 8949 3.2.3: each chunk is valid by itself
            chunks.append(chunk)
        return b"".join(chunks)

    def array(self, length: int | None, depth: int) -> list[object]:
        if length is not None:
            self.expect(length)
            return [self.item(depth) for _ in range(length)]
        self.open_indefinite()
        items: list[object] = []
        while not self.at_break():
            items.append(self.item(depth))
        self.indefinite -= 1
        return items

    def map(self, length: int | None, depth: int) -> dict[object, object]:
        pairs: dict[object, object] = {}
        if length is not None:
            self.expect(2 * length)
            for _ in range(length):
                self.pair(pairs, depth)
            return pairs
        self.open_indefinite()
        while not self.at_break():
            self.pair(pairs, depth)
        self.indefinite -= 1
        return pairs

    def pair(self, pairs: dict[object, object], depth: int) -> None:
        key = self.item(depth)
        # bool and float would be equal to an int as dict keys
        if type(key) not in _KEY_TYPES and not (isinstance(key, Tag) and type(key.value) is int):
            raise Malformed(f"CBOR: {type(key).__name__} as a map key")
        if key in pairs:
            raise Malformed("CBOR: duplicate key")  # D32
        pairs[key] = self.item(depth)

    def simple(self, info: int, argument: int | None) -> object:
        if info in _FLOATS:
            width = 1 << (info - 24)
            raw = self.data[self.position - width : self.position]
            return struct.unpack(_FLOATS[info], raw)[0]
        if info in _SIMPLE:
            return _SIMPLE[info]
        raise Malformed(f"CBOR: simple value {argument}")

    def expect(self, items: int) -> None:
        """Refuse an announced length that the rest of the input cannot hold."""
        if items > self.end - self.position:
            raise Malformed("CBOR: truncated")

    def open_indefinite(self) -> None:
        self.indefinite += 1
        if self.indefinite > MAX_INDEFINITE:
            raise Malformed(f"CBOR: more than {MAX_INDEFINITE} nested indefinite lengths")

    def at_break(self) -> bool:
        """Consume a break if it is next."""
        if self.position >= self.end:
            raise Malformed("CBOR: truncated")
        if self.data[self.position] != _BREAK:
            return False
        self.position += 1
        return True


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Malformed("CBOR: text is not UTF-8") from None
