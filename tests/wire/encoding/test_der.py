"""The DER reader: lengths, depth, identifiers, integers."""

import pytest

from sztb.encoding import der
from sztb.errors import Malformed

EXAMPLES = [
    pytest.param(b"\x30\x00", 0x30, b"", id="empty sequence"),
    pytest.param(b"\x04\x01x", 0x04, b"x", id="octet string"),
    pytest.param(b"\x04\x81\x80" + bytes(128), 0x04, bytes(128), id="128 bytes"),
    pytest.param(b"\x04\x82\x01\x00" + bytes(256), 0x04, bytes(256), id="256 bytes"),
]


@pytest.mark.parametrize(("data", "tag", "content"), EXAMPLES)
def test_reads_and_writes(data: bytes, tag: int, content: bytes) -> None:
    assert der.read(data) == der.Element(tag, content, data)
    assert der.encode(tag, content) == data


BAD = {
    "empty": b"",
    "tag only": b"\x30",
    "value cut off": b"\x04\x02x",
    "length cut off": b"\x04\x82\x01",
    "trailing byte": b"\x30\x00\x00",
    "tag of several octets": b"\x1f\x81\x01\x00",
    "length not minimal, one octet": b"\x04\x81\x01x",
    "length not minimal, leading zero": b"\x04\x82\x00\x80" + bytes(128),
    "length of length 5": b"\x04\x85\x00\x00\x00\x00\x01x",
    "length 4 GiB": b"\x04\x84\xff\xff\xff\xff",
    "indefinite": b"\x30\x80\x00\x00",
    "reserved length": b"\x04\xff",
}


@pytest.mark.rule("E-50")
@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_refuses(data: bytes) -> None:
    with pytest.raises(Malformed):
        der.read(data)


@pytest.mark.rule("E-50")
def test_refuses_unread_what_is_too_long() -> None:
    data = der.encode(der.OCTET_STRING, bytes(100))
    assert der.read(data, max_bytes=102).content == bytes(100)
    with pytest.raises(Malformed):
        der.read(data, max_bytes=101)


def test_children() -> None:
    row = der.read(b"\x30\x06\x02\x01\x05\x04\x01x")
    assert [one.raw for one in der.children(row)] == [b"\x02\x01\x05", b"\x04\x01x"]
    assert der.children(der.read(b"\x30\x00")) == ()


@pytest.mark.rule("E-50")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x04\x02\x30\x00", id="primitive"),
        pytest.param(b"\x30\x03\x02\x05\x05", id="not a row"),
        pytest.param(b"\x30\x82\x02\x02" + b"\x05\x00" * 257, id="257 elements"),
    ],
)
def test_refuses_children(data: bytes) -> None:
    with pytest.raises(Malformed):
        der.children(der.read(data))


def test_expect() -> None:
    element = der.read(b"\x30\x00")
    assert element.expect(der.SEQUENCE) is element
    with pytest.raises(Malformed):
        element.expect(der.SET)


def test_context_tags() -> None:
    assert der.context(0) == 0xA0
    assert der.context(3, constructed=False) == 0x83


BER = [
    pytest.param(b"\x30\x80\x00\x00", b"", id="empty"),
    pytest.param(b"\x30\x80\x05\x00\x00\x00", b"\x05\x00", id="one element"),
    pytest.param(
        b"\x30\x80\x31\x80\x00\x00\x00\x00", b"\x31\x80\x00\x00", id="one inside the other"
    ),
    pytest.param(b"\x30\x81\x02\x05\x00", b"\x05\x00", id="length not minimal"),
]


@pytest.mark.parametrize(("data", "content"), BER)
def test_ber_lengths_are_taken_on_request(data: bytes, content: bytes) -> None:
    assert der.read(data, ber=True) == der.Element(0x30, content, data)
    with pytest.raises(Malformed):
        der.read(data)


@pytest.mark.rule("E-50")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x30\x80", id="never ends"),
        pytest.param(b"\x30\x80\x05\x00\x00", id="half an end"),
        pytest.param(b"\x04\x80\x00\x00", id="primitive"),
        pytest.param(b"\x30\x80" * 17 + b"\0\0" * 17, id="17 deep"),
        pytest.param(b"\x30\x80" * 5000, id="5000 deep"),
    ],
)
def test_ber_refuses(data: bytes) -> None:
    with pytest.raises(Malformed):
        der.read(data, ber=True)


def test_ber_16_deep() -> None:
    data = b"\x30\x80" * 16 + b"\0\0" * 16
    assert der.read(data, ber=True).raw == data


OIDS = {
    "1.2.840.113549.1.1.11": "06092a864886f70d01010b",
    "2.5.4.5": "0603550405",
    "0.9.2342.19200300.100.1.5": "060a0992268993f22c640105",
    "2.999.1": "0603883701",
    "2.39": "060177",
    "1.39": "06014f",
    "0.0": "060100",
}


@pytest.mark.parametrize(("dotted", "hexadecimal"), OIDS.items())
def test_object_identifiers(dotted: str, hexadecimal: str) -> None:
    raw = bytes.fromhex(hexadecimal)
    assert der.encode_oid(dotted) == raw
    assert der.oid(der.read(raw)) == dotted


@pytest.mark.parametrize(
    "data",
    ["0600", "060180", "06028001", "0603550480", "060b2aa0808080808080808001", "0402550a"],
    ids=["empty", "unfinished", "arc not minimal", "last arc unfinished", "arc too large", "tag"],
)
def test_bad_object_identifiers(data: str) -> None:
    with pytest.raises(Malformed):
        der.oid(der.read(bytes.fromhex(data)))


INTEGERS = {0: "020100", 127: "02017f", 128: "02020080", -1: "0201ff", -128: "020180",
            -129: "0202ff7f", 65537: "0203010001"}  # fmt: skip


@pytest.mark.parametrize(("value", "hexadecimal"), INTEGERS.items())
def test_integers(value: int, hexadecimal: str) -> None:
    raw = bytes.fromhex(hexadecimal)
    assert der.integer(der.read(raw)) == value
    assert der.encode_integer(value) == raw


@pytest.mark.parametrize("data", ["0200", "02020001", "0202ff80", "040101"])
def test_bad_integers(data: str) -> None:
    with pytest.raises(Malformed):
        der.integer(der.read(bytes.fromhex(data)))


def test_set_of_is_sorted() -> None:
    assert der.encode_set_of([b"\x02\x01\x02", b"\x02\x01\x01"]) == bytes.fromhex(
        "3106020101020102"
    )
