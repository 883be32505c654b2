"""What a DTLS ClientHello says about record sizes (RFC 6347 4.2.2, RFC 6066 4, RFC 8449 4).

Only read, never judged: the library decides about the handshake. It keeps to the size that a
client asked for, but does not tell us that size when record_size_limit was the way of asking.
"""

from sztb.codepoints.tls import EXTENSION_RECORD_SIZE_LIMIT

SMALLEST_LIMIT = 512  # bytes; assumed where the hello came in fragments and cannot be read

_EXTENSIONS_AFTER = 59  # record header 13, handshake header 12, version 2, random 32


def record_limit(hello: bytes) -> int | None:
    """Return the most plaintext bytes per record that a client takes, if it sent that extension.

    Args:
        hello: the datagram with a ClientHello.
    """
    found = extensions(hello)
    if found is None:
        return SMALLEST_LIMIT
    value = found.get(EXTENSION_RECORD_SIZE_LIMIT, b"")
    return int.from_bytes(value, "big") if len(value) == 2 else None


def extensions(hello: bytes) -> dict[int, bytes] | None:
    """Return the extensions of a ClientHello by their number; None when it cannot be read."""
    length, offset, fragment = hello[14:17], hello[19:22], hello[22:25]
    if len(hello) < _EXTENSIONS_AFTER or length != fragment or any(offset):
        return None
    end = 25 + int.from_bytes(length, "big")
    position = _EXTENSIONS_AFTER
    for size in (1, 1, 2, 1):  # session_id, cookie, cipher_suites, compression_methods
        position += size + int.from_bytes(hello[position : position + size], "big")
    return _read(hello[position + 2 : end]) if end <= len(hello) and position <= end else None


def _read(block: bytes) -> dict[int, bytes] | None:
    found: dict[int, bytes] = {}
    position = 0
    while position + 4 <= len(block):
        length = int.from_bytes(block[position + 2 : position + 4], "big")
        following = position + 4 + length
        if following > len(block):
            return None
        found[int.from_bytes(block[position : position + 2], "big")] = block[
            position + 4 : following
        ]
        position = following
    return found if position == len(block) else None
