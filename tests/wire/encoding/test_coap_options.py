"""Options of requests and responses: values, lengths, repetition, abbreviation."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import Option
from sztb.encoding.coap_options import (
    Block,
    encode_uint,
    read_request_options,
    read_response_options,
    transfer_key,
)
from sztb.errors import Malformed, Refusal, Refused

OPTIONS = st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=12)), max_size=12).map(
    lambda options: tuple(sorted(options, key=lambda option: option[0]))
)


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, b""), (60, b"\x3c"), (836, b"\x03\x44"), (0x100000, b"\x10\x00\x00")],
)
def test_uints_are_as_short_as_possible(number, written):
    assert encode_uint(number) == written


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (Block(0, more=False, exponent=0), b""),
        (Block(0, more=True, exponent=4), b"\x0c"),
        (Block(1, more=False, exponent=5), b"\x15"),
        (Block(0x1234, more=True, exponent=6), b"\x01\x23\x4e"),
    ],
)
@pytest.mark.rule("R-09", "E-43")
def test_block_values(block, written):
    assert block.encode() == written
    assert Block.decode(written) == block


@pytest.mark.rule("E-43")
def test_a_block_knows_its_place():
    block = Block(3, more=True, exponent=4)
    assert (block.size, block.start) == (256, 768)


@pytest.mark.rule("E-43")
def test_the_reserved_block_size_is_malformed():
    with pytest.raises(Malformed):
        Block.decode(b"\x0f")


def test_a_request_as_a_pledge_writes_it():
    read = read_request_options(
        (
            (Option.ETAG, b"one"),
            (Option.ETAG, b"two"),
            (Option.URI_PATH, b".well-known"),
            (Option.URI_PATH, b"core"),
            (Option.CONTENT_FORMAT, b"\x03\x44"),
            (Option.URI_QUERY, b"rt=brski*"),
            (Option.ACCEPT, b"\x28"),
            (Option.BLOCK2, b"\x04"),
            (Option.BLOCK1, b"\x1c"),
            (Option.SIZE2, b""),
            (Option.SIZE1, b"\x10\x00"),
        )
    )
    assert read.path == (".well-known", "core")
    assert read.query == ("rt=brski*",)
    assert (read.content_format, read.accept) == (836, 40)
    assert read.etags == (b"one", b"two")
    assert read.block1 == Block(1, more=True, exponent=4)
    assert read.block2 == Block(0, more=False, exponent=4)
    assert (read.size1, read.size2) == (4096, 0)


@pytest.mark.rule("R-08")
@pytest.mark.parametrize(
    ("value", "path"),
    [
        (b"", (".well-known", "core")),
        (b"\x01\x2d", (".well-known", "est", "crts")),
        (b"\x01\x2e", (".well-known", "est", "sen")),
        (b"\x01\x2f", (".well-known", "est", "sren")),
        (b"\x01\x30", (".well-known", "est", "skg")),
        (b"\x01\x31", (".well-known", "est", "skc")),
        (b"\x01\x32", (".well-known", "est", "att")),
        (b"\x01\x91", (".well-known", "brski", "es")),
        (b"\x01\x92", (".well-known", "brski", "rv")),
        (b"\x01\x93", (".well-known", "brski", "vs")),
        (b"\x00\x00\x01\x92", (".well-known", "brski", "rv")),
    ],
)
def test_abbreviated_paths_are_spelled_out(value, path):
    assert read_request_options(((Option.URI_PATH_ABBREV, value),)).path == path


R08 = pytest.mark.rule("R-08")
BAD = [
    pytest.param(((13, b"\x01\x94"),), id="abbreviation: unknown value", marks=R08),
    pytest.param(((13, b"\x01"),), id="abbreviation: not ours (rd)", marks=R08),
    pytest.param(((13, b"\x00\x00\x00\x01\x92"),), id="abbreviation: five bytes"),
    pytest.param(((11, b"rv"), (13, b"\x01\x92")), id="abbreviation: beside a path", marks=R08),
    pytest.param(
        ((13, b"\x01\x92"), (13, b"\x01\x92")),
        id="abbreviation: twice",
        marks=R08,
    ),
    pytest.param(((1, b""),), id="If-Match"),
    pytest.param(((5, b""),), id="If-None-Match"),
    pytest.param(((9, b"\x09"),), id="OSCORE"),
    pytest.param(((19, b""),), id="Q-Block1"),
    pytest.param(((0xFFFF, b""),), id="unknown and critical"),
    pytest.param(((17, b"\x3c"), (17, b"\x3c")), id="Accept twice"),
    pytest.param(((17, b"\x00\x00\x3c"),), id="Accept of three bytes"),
    pytest.param(((27, b"\x00\x00\x00\x00"),), id="Block1 of four bytes"),
    pytest.param(((3, b""),), id="empty Uri-Host"),
    pytest.param(((11, b"\xff\xfe"),), id="path not UTF-8"),
    pytest.param(((15, b"\xc3\x28"),), id="query not UTF-8"),
]


@pytest.mark.parametrize("options", BAD)
def test_critical_options_not_understood_are_refused(options):
    with pytest.raises(Refused) as caught:
        read_request_options(options)
    assert caught.value.refusal is Refusal.BAD_OPTION


@pytest.mark.parametrize("number", [35, 39])
def test_we_are_no_proxy(number):
    with pytest.raises(Refused) as caught:
        read_request_options(((number, b"coap"),))
    assert caught.value.refusal is Refusal.PROXYING


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(((6, b""),), id="Observe"),
        pytest.param(((258, b"\x02"),), id="No-Response"),
        pytest.param(((0xFFFE, b"x" * 300),), id="unknown"),
        pytest.param(((12, b"\x00\x00\x3c"),), id="Content-Format of three bytes"),
        pytest.param(((4, b"x" * 9),), id="ETag of nine bytes"),
    ],
)
def test_elective_options_not_understood_are_skipped(options):
    assert read_request_options(options) == read_request_options(())


def test_a_response():
    read = read_response_options(
        (
            (Option.ETAG, b"tag"),
            (Option.CONTENT_FORMAT, b"\x3e"),
            (Option.MAX_AGE, b"\x14"),
            (Option.BLOCK2, b"\x0d"),
            (Option.BLOCK1, b"\x24"),
            (Option.SIZE2, b"\x04\x00"),
        )
    )
    assert (read.etag, read.content_format, read.max_age, read.size2) == (b"tag", 62, 20, 1024)
    assert read.block2 == Block(0, more=True, exponent=5)
    assert read.block1 == Block(2, more=False, exponent=4)


def test_a_response_with_a_critical_option_nobody_understands():
    with pytest.raises(Refused):
        read_response_options(((Option.URI_PATH, b"x"),))


def test_requests_of_one_transfer_have_the_same_key():
    first = ((Option.URI_PATH, b"rv"), (Option.BLOCK1, b"\x0c"), (Option.SIZE1, b"\x01"))
    last = ((Option.URI_PATH, b"rv"), (Option.BLOCK2, b"\x14"))
    other = ((Option.URI_PATH, b"vs"), (Option.BLOCK1, b"\x0c"))
    assert transfer_key(first) == transfer_key(last) != transfer_key(other)


@given(OPTIONS)
@pytest.mark.rule("E-50")
def test_any_options_are_read_or_refused(options):
    for read in (read_request_options, read_response_options):
        with suppress(Refused, Malformed):
            read(options)


@given(st.integers(0, (1 << 20) - 1), st.booleans(), st.integers(0, 6))
def test_blocks_round_trip(number, more, exponent):
    block = Block(number, more, exponent)
    assert Block.decode(block.encode()) == block
