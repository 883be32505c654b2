"""application/multipart-core: several representations in one CBOR array (RFC 8710)."""

from collections.abc import Sequence

from sztb.encoding import cbor
from sztb.errors import Malformed

MAX_PARTS = 32
MAX_CONTENT_FORMAT = 0xFFFF  # RFC 7252 12.3


def encode(parts: Sequence[tuple[int, bytes]]) -> bytes:
    """Write Content-Format numbers and representations, in this order."""
    return cbor.encode([item for part in parts for item in part])


def decode(data: bytes) -> list[tuple[int, bytes]]:
    """Read the parts in their order; a part given as null is left out (RFC 8710 2).

    Raises:
        Malformed: not one flat array of at most 32 pairs (number, byte string or null).
    """
    array = cbor.decode(data, max_depth=1)
    if not isinstance(array, list) or len(array) % 2 or len(array) > 2 * MAX_PARTS:
        raise Malformed("multipart-core: not an array of pairs")
    pairs = zip(array[::2], array[1::2], strict=True)
    return [part for number, body in pairs if (part := _part(number, body)) is not None]


def _part(number: object, body: object) -> tuple[int, bytes] | None:
    # bool is an int to Python, not to CBOR
    if not isinstance(number, int) or isinstance(number, bool):
        raise Malformed("multipart-core: content format is not a number")
    if not 0 <= number <= MAX_CONTENT_FORMAT:
        raise Malformed("multipart-core: content format out of range")
    if body is None:
        return None
    if not isinstance(body, bytes):
        raise Malformed("multipart-core: representation is not a byte string")
    return number, body
