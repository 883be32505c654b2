"""Nonces in JSON (D15)."""

import pytest

from sztb.errors import Malformed
from sztb.voucher import codec
from sztb.voucher.nonce import Nonce, nonce_text

TEXTS = {
    "standard base64": (
        "f4G6Vi1t8nKo/FieCVgpBg==",
        bytes.fromhex("7f81ba562d6df272a8fc589e09582906"),
    ),
    "base64url without padding": (
        "-_XE9zK9q8Ll1qylMtLKeg",
        bytes.fromhex("fbf5c4f732bdabc2e5d6aca532d2ca7a"),
    ),
    "hexadecimal, read as base64": (
        "62a2e7693d82fcda2624de58fb6722e5",
        bytes.fromhex("eb66b67bbebddddf367dc75adbadb875ee7c7dbebbdb67b9"),
    ),
    "neither": ("a nonce of words", b"a nonce of words"),
}


@pytest.mark.parametrize(("text", "value"), TEXTS.values(), ids=TEXTS.keys())
def test_value_for_comparing_and_text_for_copying(text: str, value: bytes) -> None:
    document = f'{{"ietf-voucher:voucher":{{"nonce":"{text}","serial-number":"A"}}}}'.encode()
    voucher = codec.decode_json(document)
    assert voucher.nonce == value
    assert nonce_text(voucher.nonce or b"") == text
    assert codec.encode_json(voucher) == document


def test_a_nonce_from_cbor_is_written_as_standard_base64() -> None:
    """D17."""
    assert nonce_text(b"\xfb\xff" * 4) == "+//7//v/+/8="


def test_other_spellings_of_one_value_are_equal() -> None:
    assert Nonce.from_text("-_XE9zK9q8Ll1qylMtLKeg") == Nonce.from_text("+/XE9zK9q8Ll1qylMtLKeg==")


@pytest.mark.rule("X-04")
@pytest.mark.parametrize("text", ["", "AAAA", "short", "A" * 100])
def test_length_counts_the_value(text: str) -> None:
    document = f'{{"ietf-voucher:voucher":{{"nonce":"{text}","serial-number":"A"}}}}'.encode()
    with pytest.raises(Malformed, match="nonce"):
        codec.decode_json(document)
