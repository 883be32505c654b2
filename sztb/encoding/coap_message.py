"""CoAP messages over UDP: header, token, options, payload (RFC 7252 3).

For discovery by multicast and for exchanges over a secured association alike; what options mean is
in `sztb.encoding.coap_options`. Decoding is strict and raises `Malformed` only.
"""

from dataclasses import dataclass
from enum import IntEnum

from sztb.codepoints.coap import Option
from sztb.errors import Malformed

MAX_BYTES = 1280  # what fits any IPv6 link
MAX_OPTIONS = 32
_VERSION = 1
_PAYLOAD_MARKER = 0xFF


class MessageType(IntEnum):
    """The two type bits (RFC 7252 3)."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


@dataclass(frozen=True, slots=True)
class CoapMessage:
    """One datagram.

    Attributes:
        type: confirmable, non-confirmable, acknowledgement or reset.
        code: method or response code; numbers without a name stay plain integers.
        message_id: 16 bits.
        token: 0 to 8 bytes.
        options: option number and value, ascending by number.
        payload: the bytes after the marker; empty when there is none.
    """

    type: MessageType
    code: int
    message_id: int
    token: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""

    def texts(self, number: Option) -> tuple[str, ...]:
        """The values of a repeatable string option.

        Raises:
            Malformed: a value is not UTF-8.
        """
        try:
            return tuple(value.decode() for key, value in self.options if key == number)
        except UnicodeDecodeError as error:
            raise Malformed("option is not UTF-8") from error

    def uint(self, number: Option) -> int | None:
        """The value of an unsigned integer option, None when it is absent."""
        values = [value for key, value in self.options if key == number]
        return int.from_bytes(values[0]) if values else None


def encode(message: CoapMessage) -> bytes:
    """Write a message; options must be in ascending order."""
    head = bytes([_VERSION << 6 | message.type << 4 | len(message.token), message.code])
    parts = [head, message.message_id.to_bytes(2), message.token]
    previous = 0
    for number, value in message.options:
        parts.append(_option(number - previous, value))
        previous = number
    if message.payload:
        parts += [bytes([_PAYLOAD_MARKER]), message.payload]
    return b"".join(parts)


def decode(datagram: bytes) -> CoapMessage:
    """Read a datagram.

    Raises:
        Malformed: not a CoAP message, or larger than `MAX_BYTES`.
    """
    if not 4 <= len(datagram) <= MAX_BYTES or datagram[0] >> 6 != _VERSION:
        raise Malformed("not a CoAP message")
    token_length = datagram[0] & 0x0F
    if token_length > 8 or len(datagram) < 4 + token_length:
        raise Malformed("CoAP token length")
    options, payload = _decode_options(datagram, 4 + token_length)
    return CoapMessage(
        type=MessageType(datagram[0] >> 4 & 3),
        code=datagram[1],
        message_id=int.from_bytes(datagram[2:4]),
        token=datagram[4 : 4 + token_length],
        options=options,
        payload=payload,
    )


def _decode_options(data: bytes, position: int) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    options: list[tuple[int, bytes]] = []
    number = 0
    while position < len(data):
        first = data[position]
        if first == _PAYLOAD_MARKER:
            if position + 1 == len(data):
                raise Malformed("CoAP payload marker without payload")
            return tuple(options), data[position + 1 :]
        delta, position = _extended(data, position + 1, first >> 4)
        length, position = _extended(data, position, first & 0x0F)
        number += delta
        if position + length > len(data) or number > 0xFFFF or len(options) == MAX_OPTIONS:
            raise Malformed("CoAP option")
        options.append((number, data[position : position + length]))
        position += length
    return tuple(options), b""


def _extended(data: bytes, position: int, nibble: int) -> tuple[int, int]:
    """Resolve the 13 and 14 forms of an option's delta or length (RFC 7252 3.1)."""
    if nibble < 13:
        return nibble, position
    size = nibble - 12
    if size == 3 or position + size > len(data):
        raise Malformed("CoAP option header")
    base = 13 if size == 1 else 269
    return base + int.from_bytes(data[position : position + size]), position + size


def _option(delta: int, value: bytes) -> bytes:
    delta_nibble, delta_extra = _nibble(delta)
    length_nibble, length_extra = _nibble(len(value))
    return bytes([delta_nibble << 4 | length_nibble]) + delta_extra + length_extra + value


def _nibble(number: int) -> tuple[int, bytes]:
    if number < 13:
        return number, b""
    if number < 269:
        return 13, bytes([number - 13])
    return 14, (number - 269).to_bytes(2)
