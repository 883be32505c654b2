"""Voucher extensions (rfc8366bis 8.6)."""

import pytest

from sztb.voucher import codec
from sztb.voucher.extensions import extension_data
from sztb.voucher.model import Voucher
from tests.wire.vectors import read

SID = 305823299950


@pytest.mark.rule("X-05")
def test_by_sid_from_the_vector() -> None:
    voucher = codec.decode_cbor(read("made/voucher-data-extension.hex"))
    assert voucher.extensions == (SID,)
    assert extension_data(voucher) == {SID: {1: "my-ext-leaf1-data"}}


def test_by_name_in_json() -> None:
    text = (
        b'{"ietf-voucher:voucher":{"serial-number":"A","extensions":["a","b"],'
        b'"extension:a":{"leaf":1},"extension:c":{}}}'
    )
    voucher = codec.decode_json(text)
    assert extension_data(voucher) == {"a": {"leaf": 1}}
    assert codec.encode_json(voucher) == text


def test_none_listed_none_found() -> None:
    assert extension_data(Voucher(serial_number="A", unknown=(("extension:a", 1),))) == {}
