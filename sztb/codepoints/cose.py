"""COSE tags, header labels and algorithms (RFC 9052, RFC 9053, RFC 9360, RFC 9864)."""

from enum import IntEnum

SIGN1_TAG = 18  # RFC 9052 2

ALG = 1  # RFC 9052 3.1
CRIT = 2  # RFC 9052 3.1
KID = 4  # RFC 9052 3.1
CWT_CLAIMS = 15  # RFC 9597
X5BAG = 32  # RFC 9360 2
X5CHAIN = 33  # RFC 9360 2

CLAIM_IAT = 6  # RFC 8392 3.1.6


class Algorithm(IntEnum):
    """Signature algorithms by COSE number; the first three are written, the rest only read."""

    ES256 = -7  # RFC 9053 2.1
    ES384 = -35  # RFC 9053 2.1
    EDDSA = -8  # RFC 9053 2.2
    ESP256 = -9  # RFC 9864
    ESP384 = -51  # RFC 9864
    ED25519 = -19  # RFC 9864
