"""Strict JSON: what is read, what is refused."""

import pytest

from sztb.encoding import strict_json
from sztb.errors import Malformed


def test_reads() -> None:
    text = '{"a":[1,2.5,true,null,"\\u00fc\\/"],"b":{}}'
    assert strict_json.decode(text.encode()) == {"a": [1, 2.5, True, None, "ü/"], "b": {}}


REFUSED = {
    "nothing": b"",
    "two texts": b"{}{}",
    "unquoted name": b"{a:1}",
    "trailing comma": b"[1,]",
    "duplicate name": b'{"a":1,"a":2}',
    "duplicate name written differently": b'{"a":1,"\\u0061":2}',
    "nested duplicate": b'[{"a":1,"a":2}]',
    "NaN": b"[NaN]",
    "Infinity": b"-Infinity",
    "not UTF-8": b'"\xff"',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "number too large": b"1e400",
    "half a surrogate": b'"\\ud800"',
    "half a surrogate in a name": b'{"\\uDBFFx":1}',
    "digits without end": b"1" * 5000,
}


@pytest.mark.rule("X-06")
@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_refuses(text: bytes) -> None:
    with pytest.raises(Malformed):
        strict_json.decode(text)


def test_reads_a_pair_of_surrogates() -> None:
    assert strict_json.decode(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_depth_is_bounded() -> None:
    strict_json.decode(b"[" * 16 + b"]" * 16)
    with pytest.raises(Malformed, match="levels"):
        strict_json.decode(b"[" * 17 + b"]" * 17)
    with pytest.raises(Malformed, match="levels"):
        strict_json.decode(b'{"a":' * 10000)


def test_brackets_in_texts_are_no_depth() -> None:
    assert strict_json.decode(b'"' + b"[" * 100 + b'"') == "[" * 100
    assert strict_json.decode(rb'["\"[[[[[[[[[[[[[[[[[[[[[[[["]')
    assert strict_json.decode(b"[" + b"[]," * 30 + b"[]]")


def test_size_is_bounded() -> None:
    with pytest.raises(Malformed, match="at most 3"):
        strict_json.decode(b"1234", max_bytes=3)


def test_writes_compact_utf8() -> None:
    assert strict_json.encode({"a": ["ü", 1]}) == '{"a":["ü",1]}'.encode()
