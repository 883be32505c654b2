"""YANG data in CBOR: SID deltas, Tag 47 absolute SIDs and names, in any mix (RFC 9254 3 and 4).

A document is a map with one entry, the container. Its key is the absolute SID or the name with
the module; the keys inside are deltas to the container's SID, Tag 47 with an absolute SID, or bare
names (cbrski.md 6.2). Which leaves exist comes from the caller's `Container` tables.
"""

from collections.abc import Iterable, Iterator
from enum import Enum, auto

from sztb.codepoints.sid import ABSOLUTE_SID_TAG
from sztb.encoding import cbor
from sztb.encoding.yang import Container, Instance
from sztb.errors import Malformed


class Coding(Enum):
    """What the keys are written as; the reader must be known to understand it (CB 12.1)."""

    SID = auto()
    NAMES = auto()


def decode(data: bytes, containers: Iterable[Container]) -> Instance:
    """Decode one container.

    Args:
        data: the CBOR document.
        containers: those that may be at the top.

    Raises:
        Malformed: not such a document, or a leaf that is present twice (D32) or of a wrong type.
    """
    document = cbor.decode(data)
    if not isinstance(document, dict) or len(document) != 1:
        raise Malformed("YANG-CBOR: a map with one entry expected")
    [(top, content)] = document.items()
    container = _container(_absolute(top, 0), containers)
    if not isinstance(content, dict):
        raise Malformed(f"{container.name}: a map expected")
    return _instance(container, content)


def encode(instance: Instance, coding: Coding = Coding.SID) -> bytes:
    """Encode one container, leaves in the order of its table, unknown keys behind them."""
    container = instance.container
    top: int | str = container.sid if coding is Coding.SID else container.name
    return cbor.encode({top: dict(_entries(instance, coding))})


def _container(key: int | str, containers: Iterable[Container]) -> Container:
    for container in containers:
        if key in {container.sid, container.name}:
            return container
    raise Malformed(f"YANG-CBOR: unknown container {key!r:.40}")


def _absolute(key: object, base: int) -> int | str:
    """Return a key as absolute SID or name; deltas count from `base` (D31)."""
    if isinstance(key, int):
        return base + key
    if isinstance(key, str):
        return key
    if isinstance(key, cbor.Tag) and key.tag == ABSOLUTE_SID_TAG and isinstance(key.value, int):
        return key.value
    raise Malformed("YANG-CBOR: a key is neither SID nor name")


def _instance(container: Container, content: dict[object, object]) -> Instance:
    values: dict[str, object] = {}
    unknown: dict[int | str, object] = {}
    for key, item in content.items():
        absolute = _absolute(key, container.sid)
        node = container.by_key.get(absolute)
        if (node.name in values) if node else (absolute in unknown):
            raise Malformed(f"{container.name}: duplicate key")  # D32, after normalisation
        if node:
            values[node.name] = node.from_cbor(item)
        else:
            unknown[absolute] = item
    return Instance(container, values, tuple(unknown.items()))


def _entries(instance: Instance, coding: Coding) -> Iterator[tuple[object, object]]:
    for node in instance.container.nodes:
        if node.name in instance.values:
            key = node.name if coding is Coding.NAMES else node.sid - instance.container.sid
            yield key, node.type.to_cbor(instance.values[node.name])
    for key, item in instance.unknown:
        yield _unknown_key(key), item


def _unknown_key(key: int | str) -> object:
    # A module SID is far from the container's: RFC 9254 4.2.1 has Tag 47 for it.
    return key if isinstance(key, str) else cbor.Tag(ABSOLUTE_SID_TAG, key)
