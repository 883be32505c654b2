"""multipart-core: pairs in one flat array."""

from typing import Any

import pytest

from sztb.encoding import cbor, multipart
from sztb.errors import Malformed
from tests.wire.est.est_vectors import read, rows


@pytest.mark.rule("E-35", "E-50")
@pytest.mark.parametrize("row", rows("multipart-core"))
def test_vector(row: dict[str, Any]) -> None:
    data = read(row["file"])
    if row["cfs"] is None:
        with pytest.raises(Malformed):
            multipart.decode(data)
        return
    parts = multipart.decode(data)
    if "null" in row["file"]:
        assert [number for number, _ in parts] == [287]  # the null part is left out
        return
    assert [number for number, _ in parts] == row["cfs"]
    if "lengths" in row:
        assert [len(part) for _, part in parts] == row["lengths"]
    assert multipart.decode(multipart.encode(parts)) == parts


@pytest.mark.rule("R-11")
def test_bytes_as_the_specification_shows_them() -> None:
    encoded = multipart.encode([(287, b"\x30\x00"), (287, b"\x30\x00")])
    assert encoded == bytes.fromhex("84 19011f 423000 19011f 423000")


def test_no_parts() -> None:
    assert multipart.decode(multipart.encode([])) == []


BAD: dict[str, object] = {
    "map": {284: b""},
    "number alone": 284,
    "odd": [284, b"", 287],
    "text as number": ["284", b""],
    "true as number": [True, b""],
    "negative number": [-1, b""],
    "number of 17 bits": [65536, b""],
    "text as representation": [284, "x"],
    "number as representation": [284, 5],
    "array inside": [284, [b""]],
    "33 parts": [284, b""] * 33,
}


@pytest.mark.rule("E-50")
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
def test_refuses(value: object) -> None:
    with pytest.raises(Malformed):
        multipart.decode(cbor.encode(value))


@pytest.mark.rule("E-50")
@pytest.mark.parametrize("data", [b"", b"\x82\x19\x01\x1c", b"\x80\x00"], ids=["", "cut", "after"])
def test_refuses_bytes(data: bytes) -> None:
    with pytest.raises(Malformed):
        multipart.decode(data)


def test_32_parts() -> None:
    assert len(multipart.decode(multipart.encode([(60, b"")] * 32))) == 32
