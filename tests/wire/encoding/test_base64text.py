"""Base64 as JSON artifacts carry it."""

import pytest

from sztb.encoding.base64text import (
    decode_base64,
    decode_base64url,
    encode_base64,
    encode_base64url,
)
from sztb.errors import Malformed


@pytest.mark.parametrize(
    ("data", "standard", "url"),
    [(b"", "", ""), (b"\xfb\xff", "+/8=", "-_8"), (b"abc", "YWJj", "YWJj")],
)
def test_both_forms(data: bytes, standard: str, url: str) -> None:
    assert encode_base64(data) == standard
    assert decode_base64(standard) == data
    assert encode_base64url(data) == url
    assert decode_base64url(url) == data


@pytest.mark.parametrize("text", ["YWJ", "-_8=", "YW Jj", "YWJj\n", "ü===", "=", "A==="])
def test_standard_form_is_strict(text: str) -> None:
    with pytest.raises(Malformed):
        decode_base64(text)


@pytest.mark.parametrize("text", ["+/8", "YQ==", "A", "YW J", "ü"])
def test_url_form_is_strict(text: str) -> None:
    with pytest.raises(Malformed):
        decode_base64url(text)
