"""Strict JSON: UTF-8, bounded in size and depth, no duplicate names, no NaN (RFC 7493)."""

import json
import re
from typing import Final, NoReturn

from sztb.errors import Malformed

MAX_BYTES: Final = 65536
MAX_DEPTH: Final = 16

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> object:
    """Decode one JSON text.

    Args:
        data: UTF-8 without a byte order mark.
        max_bytes: longer input is refused unread.
        max_depth: how many arrays and objects may be inside one another.

    Raises:
        Malformed: not JSON, too large, too deep, or with a duplicate name (D32).
    """
    if len(data) > max_bytes:
        raise Malformed(f"JSON: {len(data)} bytes, at most {max_bytes}")
    _check_depth(data, max_depth)
    try:
        return json.loads(
            data.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except ValueError as error:  # also UnicodeDecodeError and numbers of thousands of digits
        raise Malformed(f"JSON: {error}") from None


def encode(value: object) -> bytes:
    """Encode `value` compactly as UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _check_depth(data: bytes, max_depth: int) -> None:
    depth = 0
    for octet in _STRING.sub(b"", data):
        if octet in b"[{":
            depth += 1
            if depth > max_depth:
                raise Malformed(f"JSON: more than {max_depth} levels")
        elif octet in b"]}":
            depth -= 1


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("JSON: duplicate name")
    return result


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"JSON: {name} is not a number")
