"""Certificate numbers: random and positive (RFC 5280 4.1.2.2)."""

NUMBER_BYTES = 16  # random octets drawn for a number; two of their bits are fixed


def certificate_number(random: bytes) -> int:
    """Make a certificate number from random octets.

    The top bit is cleared (positive without a leading zero octet) and the one below it is set, so
    that all numbers have the same length on the wire and are never zero.

    Args:
        random: 9 to 20 fresh random octets: 70 to 158 random bits.

    Raises:
        ValueError: too few or too many octets.
    """
    if not 9 <= len(random) <= 20:
        raise ValueError("9 to 20 random octets")
    bits = 8 * len(random)
    value = int.from_bytes(random, "big")
    return value & ~(0b11 << (bits - 2)) | 0b01 << (bits - 2)
