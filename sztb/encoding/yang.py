"""The little of YANG that vouchers need: leaf types in their two codings, and containers of leaves.

CBOR: RFC 9254 6; JSON: RFC 7951 6. Nested containers are not needed: what is not a leaf of the
container is handed up unread, see `Instance.unknown`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from sztb.encoding.base64text import decode_base64, encode_base64
from sztb.encoding.rfc3339 import decode_instant, encode_instant
from sztb.errors import Malformed, Misuse


@dataclass(frozen=True, slots=True)
class YangType:
    """How the values of one YANG type are read and written.

    Attributes:
        name: the YANG name, for messages and documents.
        from_cbor: decoded CBOR item to value; raises `Malformed`.
        to_cbor: value to CBOR item.
        from_json: decoded JSON value to value; raises `Malformed`.
        to_json: value to JSON value.
    """

    name: str
    from_cbor: Callable[[object], object]
    to_cbor: Callable[[Any], object]
    from_json: Callable[[object], object]
    to_json: Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Node:
    """One leaf or leaf-list of a container: its YANG name, its absolute SID and its type."""

    name: str
    sid: int
    type: YangType

    def from_cbor(self, item: object) -> object:
        """Read the value of a decoded CBOR item; raises `Malformed` with the leaf's name."""
        try:
            return self.type.from_cbor(item)
        except Malformed as error:
            raise Malformed(f"{self.name}: {error}") from None

    def from_json(self, value: object) -> object:
        """Read a decoded JSON value; raises `Malformed` with the leaf's name."""
        try:
            return self.type.from_json(value)
        except Malformed as error:
            raise Malformed(f"{self.name}: {error}") from None


@dataclass(frozen=True)
class Container:
    """A top-level container.

    Attributes:
        name: with the module, for example ``ietf-voucher:voucher``.
        sid: absolute SID; the keys of the children are relative to it.
        nodes: the children; written in this order.
        by_key: the children by absolute SID and by name.
    """

    name: str
    sid: int
    nodes: tuple[Node, ...]
    by_key: Mapping[int | str, Node] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_sid = {node.sid: node for node in self.nodes}
        by_name = {node.name: node for node in self.nodes}
        object.__setattr__(self, "by_key", by_sid | by_name)


Unknown = tuple[int | str, object]
"""A key nobody here knows, as absolute SID or name, and its decoded value."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The content of one container.

    Attributes:
        container: which one it is.
        values: leaf name to value, only the leaves that are present.
        unknown: keys that are no leaves of the container (X-05, D32).
    """

    container: Container
    values: Mapping[str, object]
    unknown: tuple[Unknown, ...] = ()


def binary(minimum: int = 0, maximum: int = 65535) -> YangType:
    """A byte string with a length range: bstr in CBOR, base64 text in JSON."""

    def check(value: object) -> bytes:
        if not isinstance(value, bytes) or not minimum <= len(value) <= maximum:
            raise Malformed(f"byte string of {minimum}..{maximum} bytes expected")
        return value

    def from_json(value: object) -> bytes:
        return check(decode_base64(as_text(value)))

    return YangType("binary", check, bytes, from_json, encode_base64)


def enumeration(values: type[IntEnum]) -> YangType:
    """An enum: its integer in CBOR even under text keys, its word in JSON."""
    words = {member.name.lower().replace("_", "-"): member for member in values}
    names = {member: word for word, member in words.items()}

    def from_cbor(item: object) -> IntEnum:
        if type(item) is not int or item not in values.__members__.values():
            raise Malformed("no such enum value")
        return values(item)

    def from_json(value: object) -> IntEnum:
        if (member := words.get(as_text(value))) is None:
            raise Malformed("no such enum word")
        return member

    return YangType("enumeration", from_cbor, int, from_json, names.__getitem__)


def as_text(value: object) -> str:
    """Return `value` if it is text.

    Raises:
        Malformed: anything else.
    """
    if not isinstance(value, str):
        raise Malformed("text expected")
    return value


def _as_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Malformed("boolean expected")
    return value


def _instant(value: object) -> object:
    return decode_instant(as_text(value))


def _names_or_sids(value: object) -> tuple[int | str, ...]:
    if not isinstance(value, list):
        raise Malformed("array expected")
    if not all(isinstance(entry, str) or (type(entry) is int and entry >= 0) for entry in value):
        raise Malformed("array of names or SIDs expected")
    return tuple(value)


def _names(value: object) -> tuple[int | str, ...]:
    names = _names_or_sids(value)
    if not all(isinstance(name, str) for name in names):
        raise Malformed("array of names expected")
    return names


def _names_to_json(value: tuple[int | str, ...]) -> list[object]:
    if not all(isinstance(name, str) for name in value):
        raise Misuse("a SID has no JSON form, use the name")
    return list(value)


def _same(value: object) -> object:
    return value


TEXT = YangType("string", as_text, _same, as_text, _same)
BOOLEAN = YangType("boolean", _as_boolean, _same, _as_boolean, _same)
DATE_AND_TIME = YangType("date-and-time", _instant, encode_instant, _instant, encode_instant)
NAMES_OR_SIDS = YangType("leaf-list", _names_or_sids, list, _names, _names_to_json)
