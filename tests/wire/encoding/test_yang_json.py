"""YANG in JSON, with a container of two leaves."""

import pytest

from sztb.encoding import yang_json
from sztb.encoding.yang import BOOLEAN, TEXT, Container, Instance, Node
from sztb.errors import Malformed, Misuse

BOX = Container("m:box", 1000, (Node("label", 1001, TEXT), Node("full", 1003, BOOLEAN)))


def test_both_ways() -> None:
    instance = Instance(BOX, {"label": "a", "full": True}, (("m2:new", [1]),))
    text = b'{"m:box":{"label":"a","full":true,"m2:new":[1]}}'
    assert yang_json.encode(instance) == text
    assert yang_json.decode(text, (BOX,)) == instance


REFUSED = {
    "array": b"[]",
    "empty": b"{}",
    "two members": b'{"m:box":{},"x":{}}',
    "unknown container": b'{"box":{}}',
    "SID as text": b'{"1000":{}}',
    "content is no object": b'{"m:box":[]}',
    "wrong type": b'{"m:box":{"full":"yes"}}',
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(text: bytes) -> None:
    with pytest.raises(Malformed):
        yang_json.decode(text, (BOX,))


def test_a_sid_cannot_be_written() -> None:
    with pytest.raises(Misuse):
        yang_json.encode(Instance(BOX, {}, ((77, 1),)))
