"""Strict CBOR: what is read, what is refused."""

import math

import pytest

from sztb.encoding import cbor
from sztb.encoding.cbor import Tag
from sztb.errors import Malformed

READ = [  # RFC 8949 appendix A, and the shapes vouchers have
    ("00", 0),
    ("17", 23),
    ("1864", 100),
    ("1903e8", 1000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("1800", 0),  # longer than needed is still well-formed
    ("20", -1),
    ("3863", -100),
    ("3bffffffffffffffff", -18446744073709551616),
    ("40", b""),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
    ("5fff", b""),
    ("62c3bc", "ü"),
    ("7f657374726561646d696e67ff", "streaming"),
    ("80", []),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("9fff", []),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ("a1416101", {b"a": 1}),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("f93c00", 1.0),
    ("fa47c35000", 100000.0),
    ("fb3ff199999999999a", 1.1),
    ("f97c00", math.inf),
    ("d82f1909c7", Tag(47, 2503)),
    ("a1d82f1909c702", {Tag(47, 2503): 2}),
    ("c11a514b67b0", Tag(1, 1363896240)),  # tags are handed up, not acted on
    ("c249010000000000000000", Tag(2, b"\x01" + bytes(8))),
]


@pytest.mark.parametrize(("encoded", "value"), READ, ids=[encoded for encoded, _ in READ])
def test_reads(encoded: str, value: object) -> None:
    decoded = cbor.decode(bytes.fromhex(encoded))
    assert decoded == value
    assert type(decoded) is type(value)


REFUSED = {
    "nothing": "",
    "trailing byte": "0000",
    "two items": "a0a0",
    "truncated head": "19",
    "truncated argument": "1900",
    "truncated byte string": "4401",
    "truncated text": "6261",
    "truncated array": "8201",
    "truncated map": "a101",
    "truncated float": "fb3ff1",
    "array longer than the input": "9b7fffffffffffffff00",
    "map longer than the input": "bb7fffffffffffffff00",
    "byte string longer than the input": "5b7fffffffffffffff00",
    "indefinite array not ended": "9f01",
    "indefinite map not ended": "bf0101",
    "indefinite string not ended": "5f4101",
    "break alone": "ff",
    "break in a definite array": "81ff",
    "break in place of a value": "bf01ff",
    "reserved length": "1c",
    "integer of indefinite length": "1f",
    "negative of indefinite length": "3f",
    "tag of indefinite length": "df00",
    "text chunk in a byte string": "5f6161ff",
    "indefinite chunk in a string": "5f5f4101ffff",
    "character split over chunks": "7f61c361bcff",
    "text is not UTF-8": "61ff",
    "undefined": "f7",
    "unassigned simple value": "f0",
    "simple value in two bytes": "f8ff",
    "true as map key": "a1f501",
    "null as map key": "a1f601",
    "float as map key": "a1f93c0001",
    "array as map key": "a18001",
    "tagged text as map key": "a1d82f616101",
}


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("encoded", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(encoded: str) -> None:
    with pytest.raises(Malformed):
        cbor.decode(bytes.fromhex(encoded))


DUPLICATES = {
    "integers": "a201020103",
    "in an indefinite map": "bf01020103ff",
    "one longer than needed": "a20102180103",
    "texts": "a2616101616102",
    "bytes": "a2416101416102",
    "tags": "a2d82f1909c701d82f1909c702",
    "nested": "a101a201020103",
}


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("encoded", DUPLICATES.values(), ids=DUPLICATES.keys())
def test_refuses_duplicate_keys(encoded: str) -> None:
    with pytest.raises(Malformed, match="duplicate"):
        cbor.decode(bytes.fromhex(encoded))


def nested(levels: int) -> bytes:
    return b"\x81" * levels + b"\x00"


def test_depth_is_bounded_by_the_argument() -> None:
    cbor.decode(nested(8))
    with pytest.raises(Malformed, match="levels"):
        cbor.decode(nested(9))
    cbor.decode(nested(2), max_depth=2)
    with pytest.raises(Malformed, match="levels"):
        cbor.decode(nested(3), max_depth=2)


@pytest.mark.parametrize("opener", [b"\x81", b"\xa1\x00", b"\xc1", b"\x9f", b"\xbf\x00"])
def test_depth_bomb_costs_no_stack(opener: bytes) -> None:
    with pytest.raises(Malformed):
        cbor.decode(opener * 20000)


def test_nested_indefinite_lengths_are_bounded() -> None:
    assert cbor.decode(b"\x9f" * 4 + b"\xff" * 4) == [[[[]]]]
    with pytest.raises(Malformed, match="indefinite"):
        cbor.decode(b"\x9f" * 5 + b"\xff" * 5)
    # one after the other is no nesting
    assert cbor.decode(b"\x86" + b"\x9f\xff" * 6) == [[]] * 6


def test_size_is_bounded_by_the_argument() -> None:
    cbor.decode(b"\x43abc", max_bytes=4)
    with pytest.raises(Malformed, match="at most 3"):
        cbor.decode(b"\x43abc", max_bytes=3)


def test_writes_definite_lengths_in_the_given_order() -> None:
    assert cbor.encode({2: b"a", 1: [True, None]}).hex() == "a202416101" + "82f5f6"
