"""Strict JSON: UTF-8, bounded in size and depth, as RFC 7493 asks for."""

import json
import math
import re
from typing import Final, NoReturn

from sztb.errors import Malformed

MAX_BYTES: Final = 65536
MAX_DEPTH: Final = 16

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> object:
    """Decode one JSON text.

    Args:
        data: UTF-8 without a byte order mark.
        max_bytes: longer input is refused unread.
        max_depth: how many arrays and objects may be inside one another.

    Raises:
        Malformed: not JSON, too large, too deep, a duplicate name (D32), NaN, half a surrogate.
    """
    if len(data) > max_bytes:
        raise Malformed(f"JSON: {len(data)} bytes, at most {max_bytes}")
    _check_depth(data, max_depth)
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if _SURROGATE.search(data):
            encode(document)  # fails for a half that stands alone
    except ValueError as error:  # also Unicode errors, and numbers of thousands of digits
        raise Malformed(f"JSON: {error}"[:120]) from None
    return document


def encode(value: object) -> bytes:
    """Encode `value` compactly as UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def as_object(value: object, what: str) -> dict[str, object]:
    """Return `value` if it is a JSON object; else raise `Malformed` that names `what` it is of."""
    if not isinstance(value, dict):
        raise Malformed(f"{what}: object expected")
    return value


def as_text(value: object, what: str) -> str:
    """Return `value` if it is a JSON string; else raise `Malformed` that names `what` it is."""
    if not isinstance(value, str):
        raise Malformed(f"{what}: text expected")
    return value


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


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Malformed("JSON: number too large")
    return number


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"JSON: {name} is not a number")
