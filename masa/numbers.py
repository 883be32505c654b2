"""Numbers of certificates (RFC 5280 4.1.2.2): positive, unpredictable, at most 20 octets."""

NUMBER_BYTES = 20


def certificate_number(random: bytes) -> int:
    """Make a number from `NUMBER_BYTES` random bytes: 157 bits of them, first bits fixed.

    The top bit stays clear (positive), the next is set (never zero, always 20 octets).
    """
    return int.from_bytes(random, "big") & ((1 << 158) - 1) | (1 << 158)
