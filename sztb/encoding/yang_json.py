"""YANG data in JSON (RFC 7951): one member with the module's name, bare leaf names inside."""

from collections.abc import Iterable

from sztb.encoding import strict_json
from sztb.encoding.yang import Container, Instance
from sztb.errors import Malformed, Misuse


def decode(data: bytes, containers: Iterable[Container]) -> Instance:
    """Decode one container.

    Args:
        data: the JSON text in UTF-8.
        containers: those that may be at the top.

    Raises:
        Malformed: not such a document, or a leaf of a wrong type.
    """
    document = strict_json.decode(data)
    if not isinstance(document, dict) or len(document) != 1:
        raise Malformed("YANG-JSON: an object with one member expected")
    [(top, content)] = document.items()
    container = next((each for each in containers if each.name == top), None)
    if container is None or not isinstance(content, dict):
        raise Malformed(f"YANG-JSON: unknown container {top!r:.40}")
    known = {name: value for name, value in content.items() if name in container.by_key}
    return Instance(
        container,
        {name: container.by_key[name].from_json(value) for name, value in known.items()},
        tuple((name, value) for name, value in content.items() if name not in known),
    )


def encode(instance: Instance) -> bytes:
    """Encode one container, leaves in the order of its table, unknown names behind them.

    Raises:
        Misuse: an unknown key is a SID, which has no JSON form.
    """
    values = instance.values
    content = {
        node.name: node.type.to_json(values[node.name])
        for node in instance.container.nodes
        if node.name in values
    }
    for key, value in instance.unknown:
        if not isinstance(key, str):
            raise Misuse(f"SID {key} has no JSON form")
        content[key] = value
    return strict_json.encode({instance.container.name: content})
