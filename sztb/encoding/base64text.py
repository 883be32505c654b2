"""Base64 in JSON texts: the strict standard form, and the URL form of JOSE (RFC 4648 4 and 5)."""

import base64
import binascii
import re

from sztb.errors import Malformed

_URL_ALPHABET = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def decode_base64(text: str) -> bytes:
    """Read padded standard base64 (RFC 4648 4, RFC 7951 6.6).

    Raises:
        Malformed: a character outside the alphabet, or wrong padding.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None


def encode_base64(data: bytes) -> str:
    """Write padded standard base64 without line breaks."""
    return base64.b64encode(data).decode()


def decode_base64url(text: str) -> bytes:
    """Read unpadded URL-safe base64 (RFC 7515 2).

    Raises:
        Malformed: a character outside the alphabet, padding, or an impossible length.
    """
    if not _URL_ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        raise Malformed("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_base64url(data: bytes) -> str:
    """Write unpadded URL-safe base64."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
