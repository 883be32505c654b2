"""CoAP messages: header, options, payload (RFC 7252 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import Code, Option
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.errors import Malformed

OPTIONS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=4).map(
    lambda options: tuple(sorted(options, key=lambda option: option[0]))
)
MESSAGES = st.builds(
    CoapMessage,
    st.sampled_from(MessageType),
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.binary(max_size=8),
    OPTIONS,
    st.binary(max_size=60),
).filter(lambda message: len(encode(message)) <= 1280)


@given(MESSAGES)
def test_round_trip(message):
    assert decode(encode(message)) == message


@given(st.binary(max_size=1400))
def test_any_bytes_decode_or_are_malformed(datagram):
    try:
        message = decode(datagram)
    except Malformed:
        return
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param("", id="empty"),
        pytest.param("510100", id="three bytes"),
        pytest.param("91010001aa", id="version 2"),
        pytest.param("59010001" + "00" * 9, id="token of nine bytes"),
        pytest.param("5401000100", id="token cut off"),
        pytest.param("50010001ff", id="marker without payload"),
        pytest.param("50010001f0", id="option delta 15"),
        pytest.param("500100010f", id="option length 15"),
        pytest.param("50010001d0", id="extended delta cut off"),
        pytest.param("50010001e000", id="two-byte delta cut off"),
        pytest.param("50010001b5aa", id="option value cut off"),
        pytest.param("50010001e0ffff", id="option number above 65535"),
        pytest.param("50010001" + "00" * 33, id="33 options"),
        pytest.param("50010001" + "ff" + "00" * 1300, id="larger than any packet"),
    ],
)
def test_malformed(datagram):
    with pytest.raises(Malformed):
        decode(bytes.fromhex(datagram))


def test_reads_option_values():
    message = CoapMessage(
        MessageType.NON, Code.GET, 1, options=((Option.URI_PATH, b"a"), (Option.URI_PATH, b"b"),
                                               (Option.ACCEPT, b"\x28")),
    )  # fmt: skip
    assert message.texts(Option.URI_PATH) == ("a", "b")
    assert message.uint(Option.ACCEPT) == 40
    assert message.uint(Option.MAX_AGE) is None


def test_text_option_must_be_utf8():
    message = CoapMessage(MessageType.NON, Code.GET, 1, options=((Option.URI_PATH, b"\xff"),))
    with pytest.raises(Malformed):
        message.texts(Option.URI_PATH)
