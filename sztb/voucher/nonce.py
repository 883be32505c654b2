"""Nonces and their JSON text, which the field writes in several alphabets (D15)."""

from typing import Self

from sztb.encoding.base64text import decode_base64, decode_base64url, encode_base64
from sztb.encoding.yang import YangType, as_text, binary
from sztb.errors import Malformed

_BINARY = binary(8, 32)


class Nonce(bytes):
    """A nonce that came as JSON text: its value for comparing, its text for copying.

    Standard base64, unpadded base64url and anything else are seen in the field; an answer has to
    repeat the text as it was.

    Attributes:
        text: exactly as received.
    """

    text: str

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read standard base64, else base64url, else take the characters themselves."""
        nonce = cls(_value(text))
        nonce.text = text
        return nonce


def nonce_text(nonce: bytes) -> str:
    """Return the JSON text of a nonce: as received, else standard base64 (D15, D17)."""
    return nonce.text if isinstance(nonce, Nonce) else encode_base64(nonce)


def _value(text: str) -> bytes:
    for decode in (decode_base64, decode_base64url):
        try:
            return decode(text)
        except Malformed:
            continue
    return text.encode()


def _from_json(value: object) -> bytes:
    nonce = Nonce.from_text(as_text(value))
    _BINARY.from_cbor(nonce)
    return nonce


NONCE = YangType("binary", _BINARY.from_cbor, _BINARY.to_cbor, _from_json, nonce_text)
