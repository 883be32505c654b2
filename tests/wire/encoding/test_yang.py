"""YANG types in both codings."""

from datetime import UTC, datetime
from enum import IntEnum

import pytest

from sztb.encoding.yang import (
    BOOLEAN,
    DATE_AND_TIME,
    NAMES_OR_SIDS,
    TEXT,
    YangType,
    binary,
    enumeration,
)
from sztb.errors import Malformed, Misuse


class Colour(IntEnum):
    RED = 0
    DARK_BLUE = 7


BYTES = binary(2, 4)
COLOUR = enumeration(Colour)
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)

BOTH_WAYS = [
    (TEXT, "a", "a", "a"),
    (BOOLEAN, False, False, False),
    (DATE_AND_TIME, NOON, "2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z"),
    (BYTES, b"\xfb\xff", b"\xfb\xff", "+/8="),
    (COLOUR, Colour.DARK_BLUE, 7, "dark-blue"),
    (NAMES_OR_SIDS, ("a", "b"), ["a", "b"], ["a", "b"]),
]


@pytest.mark.parametrize(("kind", "value", "in_cbor", "in_json"), BOTH_WAYS)
def test_both_codings(kind: YangType, value: object, in_cbor: object, in_json: object) -> None:
    assert kind.to_cbor(value) == in_cbor
    assert kind.from_cbor(in_cbor) == value
    assert kind.to_json(value) == in_json
    assert kind.from_json(in_json) == value


NOT_IN_CBOR = [
    (TEXT, b"a"),
    (TEXT, None),
    (BOOLEAN, 0),
    (BOOLEAN, None),
    (DATE_AND_TIME, 1717243200),
    (DATE_AND_TIME, "yesterday"),
    (BYTES, "+/8="),  # RFC 9254 6.8: binary is never base64 in CBOR
    (BYTES, b"\x00"),
    (BYTES, bytes(5)),
    (COLOUR, 1),
    (COLOUR, "red"),
    (COLOUR, False),
    (COLOUR, 0.0),
    (NAMES_OR_SIDS, "a"),
    (NAMES_OR_SIDS, [-1]),
    (NAMES_OR_SIDS, [True]),
    (NAMES_OR_SIDS, [b"a"]),
]


@pytest.mark.parametrize(("kind", "item"), NOT_IN_CBOR)
def test_refuses_cbor_of_another_type(kind: YangType, item: object) -> None:
    with pytest.raises(Malformed):
        kind.from_cbor(item)


NOT_IN_JSON = [
    (TEXT, 1),
    (BOOLEAN, "true"),
    (DATE_AND_TIME, 1717243200),
    (BYTES, "-_8"),
    (BYTES, "AA=="),
    (BYTES, 7),
    (COLOUR, 7),
    (COLOUR, "DARK_BLUE"),
    (NAMES_OR_SIDS, [2450]),
]


@pytest.mark.parametrize(("kind", "value"), NOT_IN_JSON)
def test_refuses_json_of_another_type(kind: YangType, value: object) -> None:
    with pytest.raises(Malformed):
        kind.from_json(value)


def test_sids_are_read_in_cbor_and_have_no_json_form() -> None:
    assert NAMES_OR_SIDS.from_cbor([2450, "a"]) == (2450, "a")
    with pytest.raises(Misuse):
        NAMES_OR_SIDS.to_json((2450,))
