"""SID deltas, Tag 47 and names in any mix, with a container of two leaves."""

import pytest

from sztb.encoding import cbor, yang_cbor
from sztb.encoding.cbor import Tag
from sztb.encoding.yang import BOOLEAN, TEXT, Container, Instance, Node
from sztb.encoding.yang_cbor import Coding
from sztb.errors import Malformed

BOX = Container("m:box", 1000, (Node("label", 1001, TEXT), Node("full", 1003, BOOLEAN)))
BAG = Container("m:bag", 900, (Node("label", 901, TEXT),))
BOTH = (BAG, BOX)


def decode(document: object) -> Instance:
    return yang_cbor.decode(cbor.encode(document), BOTH)


MIXES = {
    "deltas": {1000: {1: "a", 3: True}},
    "absolute": {1000: {Tag(47, 1001): "a", Tag(47, 1003): True}},
    "names": {"m:box": {"label": "a", "full": True}},
    "name inside a SID": {1000: {"label": "a", 3: True}},
    "deltas inside a name": {"m:box": {1: "a", 3: True}},  # D31
    "all at once": {"m:box": {Tag(47, 1001): "a", "full": True}},
    "absolute on top": {Tag(47, 1000): {1: "a", 3: True}},
}


@pytest.mark.rule("X-01", "X-16")
@pytest.mark.parametrize("document", MIXES.values(), ids=MIXES.keys())
def test_every_mix_is_the_same_instance(document: object) -> None:
    assert decode(document) == Instance(BOX, {"label": "a", "full": True})


@pytest.mark.rule("X-01")
def test_the_same_delta_is_another_leaf_in_another_container() -> None:
    assert decode({900: {1: "a"}}) == Instance(BAG, {"label": "a"})


@pytest.mark.rule("X-05")
def test_unknown_keys_are_kept_as_absolute_sid_or_name() -> None:
    document = {1000: {1: "a", 5: [1], -3: b"x", Tag(47, 77): {1: 2}, "new": None}}
    assert decode(document).unknown == ((1005, [1]), (997, b"x"), (77, {1: 2}), ("new", None))


DUPLICATES = {
    "delta and name": {1000: {1: "a", "label": "a"}},
    "delta and absolute": {1000: {1: "a", Tag(47, 1001): "b"}},
    "name and absolute": {1000: {"label": "a", Tag(47, 1001): "b"}},
    "unknown delta and absolute": {1000: {5: 1, Tag(47, 1005): 1}},
}


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("document", DUPLICATES.values(), ids=DUPLICATES.keys())
def test_refuses_the_same_leaf_twice(document: object) -> None:
    with pytest.raises(Malformed, match="duplicate"):
        decode(document)


REFUSED = {
    "no map": [1000, {}],
    "empty": {},
    "two containers": {1000: {}, 900: {}},
    "unknown SID": {1001: {}},
    "unknown name": {"box": {}},
    "name without module": {"m:crate": {}},
    "content is no map": {1000: []},
    "content is null": {1000: None},
    "byte string as key": {1000: {b"label": "a"}},
    "another tag as key": {1000: {Tag(48, 1001): "a"}},
    "another tag on top": {Tag(48, 1000): {}},
    "wrong type": {1000: {1: 7}},
}


@pytest.mark.rule("X-01")
@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(document: object) -> None:
    with pytest.raises(Malformed):
        decode(document)


def test_a_wrong_type_names_the_leaf() -> None:
    with pytest.raises(Malformed, match="full: boolean expected"):
        decode({1000: {3: "yes"}})


def test_writes_deltas_or_names_and_tag_47_for_foreign_sids() -> None:
    instance = Instance(BOX, {"full": True, "label": "a"}, ((77, 1), ("extension:x", 2)))
    by_sid = cbor.decode(yang_cbor.encode(instance))
    assert by_sid == {1000: {1: "a", 3: True, Tag(47, 77): 1, "extension:x": 2}}
    by_name = cbor.decode(yang_cbor.encode(instance, Coding.NAMES))
    assert by_name == {"m:box": {"label": "a", "full": True, Tag(47, 77): 1, "extension:x": 2}}
