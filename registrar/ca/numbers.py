"""Certificate numbers: random, positive, never all from a counter (RFC 5280 4.1.2.2)."""

NUMBER_BYTES = 16
"""Random octets per number: 128 bits, of which the top two are fixed below."""

MAX_BITS = 159  # RFC 5280 4.1.2.2: at most 20 octets, and the sign bit stays clear


def certificate_number(random: bytes) -> int:
    """Make a certificate number from random octets.

    The top bit is cleared (positive without a leading zero octet) and the one below it is set, so
    that every number has the same length on the wire and at least 64 random bits.

    Args:
        random: 9 to 20 fresh random octets.

    Raises:
        ValueError: too few or too many octets.
    """
    if not 9 <= len(random) <= 20:
        raise ValueError("9 to 20 random octets")
    bits = 8 * len(random)
    value = int.from_bytes(random, "big")
    return value & ~(0b11 << (bits - 2)) | 0b01 << (bits - 2)


def number_text(number: int) -> str:
    """Write a certificate number as the store and the command line do: lower-case hex."""
    return f"{number:x}"
