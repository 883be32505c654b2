"""CoAP options as values: what a request asks, what an answer says (RFC 7252 5.4, 5.10; RFC 7959).

Reading applies the rules for lengths, repetition and unknown options: a critical one that is not
understood refuses the message, an elective one is skipped. Uri-Path-Abbrev is spelled out here,
so that nothing above ever sees it (cbrski.md 5.2).
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from sztb.codepoints.coap import Option
from sztb.codepoints.resources import ABBREVIATED_PATHS
from sztb.errors import Malformed, Refusal, Refused

Options = tuple[tuple[int, bytes], ...]

MAX_EXPONENT = 6  # RFC 7959 2.2: blocks of 1024 bytes; 7 is reserved
_MORE = 0x08
_TRANSFER_OPTIONS = frozenset({Option.BLOCK1, Option.BLOCK2, Option.SIZE1, Option.SIZE2})


class _Rule(NamedTuple):
    """Legal lengths in bytes, and whether the option may occur again (RFC 7252 5.10)."""

    shortest: int
    longest: int
    repeatable: bool = False


_REQUEST_RULES: dict[int, _Rule] = {
    Option.URI_HOST: _Rule(1, 255),
    Option.ETAG: _Rule(1, 8, repeatable=True),
    Option.URI_PORT: _Rule(0, 2),
    Option.URI_PATH: _Rule(0, 255, repeatable=True),
    Option.CONTENT_FORMAT: _Rule(0, 2),
    Option.URI_PATH_ABBREV: _Rule(0, 4),
    Option.URI_QUERY: _Rule(0, 255, repeatable=True),
    Option.ACCEPT: _Rule(0, 2),
    Option.BLOCK2: _Rule(0, 3),
    Option.BLOCK1: _Rule(0, 3),
    Option.SIZE2: _Rule(0, 4),
    Option.SIZE1: _Rule(0, 4),
}
_RESPONSE_RULES: dict[int, _Rule] = {
    Option.ETAG: _Rule(1, 8),
    Option.CONTENT_FORMAT: _Rule(0, 2),
    Option.MAX_AGE: _Rule(0, 4),
    Option.BLOCK2: _Rule(0, 3),
    Option.BLOCK1: _Rule(0, 3),
    Option.SIZE2: _Rule(0, 4),
    Option.SIZE1: _Rule(0, 4),
}


class Block(NamedTuple):
    """The value of a Block1 or Block2 option (RFC 7959 2.2).

    Attributes:
        number: which block, from 0, in units of this block's size.
        more: whether blocks follow.
        exponent: the size is 2 to the power of this plus 4; 0 to 6.
    """

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """Bytes in a full block."""
        return 16 << self.exponent

    @property
    def start(self) -> int:
        """Offset of the block's first byte in the body."""
        return self.number << self.exponent + 4

    def encode(self) -> bytes:
        """Return the option value, 0 to 3 bytes."""
        return encode_uint(self.number << 4 | (_MORE if self.more else 0) | self.exponent)

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Read an option value.

        Raises:
            Malformed: the reserved exponent (RFC 7959 2.2: 4.00).
        """
        number = int.from_bytes(value)
        if number & 7 > MAX_EXPONENT:
            raise Malformed("reserved block size")
        return cls(number >> 4, bool(number & _MORE), number & 7)


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """What the options of a request say; see `sztb.transport.exchange.Request`."""

    path: tuple[str, ...]
    query: tuple[str, ...]
    content_format: int | None
    accept: int | None
    etags: tuple[bytes, ...]
    block1: Block | None
    block2: Block | None
    size1: int | None
    size2: int | None


@dataclass(frozen=True, slots=True)
class ResponseOptions:
    """What the options of a response say; see `sztb.transport.exchange.Answer`."""

    etag: bytes | None
    content_format: int | None
    max_age: int | None
    block1: Block | None
    block2: Block | None
    size2: int | None


def encode_uint(number: int) -> bytes:
    """Write an unsigned integer option in the fewest bytes (RFC 7252 3.2)."""
    return number.to_bytes((number.bit_length() + 7) >> 3)


def read_request_options(options: Options) -> RequestOptions:
    """Read the options of a request.

    Raises:
        Refused: BAD_OPTION for a critical option that is unknown, repeated or of a wrong length,
            and for an abbreviated path that is unknown or mixed with Uri-Path (R-08);
            PROXYING when we are taken for a proxy.
        Malformed: a block size that is reserved.
    """
    known = _sort(options, _REQUEST_RULES)
    return RequestOptions(
        path=_path(known),
        query=_texts(known.get(Option.URI_QUERY, ())),
        content_format=_uint(known, Option.CONTENT_FORMAT),
        accept=_uint(known, Option.ACCEPT),
        etags=tuple(known.get(Option.ETAG, ())),
        block1=_block(known, Option.BLOCK1),
        block2=_block(known, Option.BLOCK2),
        size1=_uint(known, Option.SIZE1),
        size2=_uint(known, Option.SIZE2),
    )


def read_response_options(options: Options) -> ResponseOptions:
    """Read the options of a response.

    Raises:
        Refused: BAD_OPTION for a critical option that is unknown, repeated or of a wrong length.
        Malformed: a block size that is reserved.
    """
    known = _sort(options, _RESPONSE_RULES)
    etags = known.get(Option.ETAG)
    return ResponseOptions(
        etag=etags[0] if etags else None,
        content_format=_uint(known, Option.CONTENT_FORMAT),
        max_age=_uint(known, Option.MAX_AGE),
        block1=_block(known, Option.BLOCK1),
        block2=_block(known, Option.BLOCK2),
        size2=_uint(known, Option.SIZE2),
    )


def transfer_key(options: Options) -> Options:
    """Return what the requests of one block-wise transfer have in common (RFC 7959 2.4, 2.5)."""
    return tuple(option for option in options if option[0] not in _TRANSFER_OPTIONS)


def _sort(options: Options, rules: dict[int, _Rule]) -> dict[int, list[bytes]]:
    """Group the options that are understood; refuse for a critical one that is not."""
    known: dict[int, list[bytes]] = {}
    for number, value in options:
        rule = rules.get(number)
        if rule is None or not rule.shortest <= len(value) <= rule.longest:
            _not_understood(number)  # RFC 7252 5.4.3: a wrong length is like an unknown option
        elif number not in known:
            known[number] = [value]
        elif rule.repeatable:
            known[number].append(value)
        else:
            _not_understood(number)  # RFC 7252 5.4.5: so is a repetition
    return known


def _not_understood(number: int) -> None:
    if number in {Option.PROXY_URI, Option.PROXY_SCHEME}:
        raise Refused(Refusal.PROXYING)
    if number & 1:  # RFC 7252 5.4.6: odd numbers are critical
        raise Refused(Refusal.BAD_OPTION, f"option {number}")


def _path(known: dict[int, list[bytes]]) -> tuple[str, ...]:
    abbreviation = known.get(Option.URI_PATH_ABBREV)
    segments = known.get(Option.URI_PATH)
    if abbreviation is None:
        return _texts(segments or ())
    path = ABBREVIATED_PATHS.get(int.from_bytes(abbreviation[0]))
    if path is None or segments is not None:  # 4.02, never 4.04
        raise Refused(Refusal.BAD_OPTION, "Uri-Path-Abbrev")
    return path


def _texts(values: list[bytes] | tuple[()]) -> tuple[str, ...]:
    try:
        return tuple([value.decode() for value in values])
    except UnicodeDecodeError:
        raise Refused(Refusal.BAD_OPTION, "option is not UTF-8") from None


def _uint(known: dict[int, list[bytes]], number: int) -> int | None:
    values = known.get(number)
    return int.from_bytes(values[0]) if values else None


def _block(known: dict[int, list[bytes]], number: int) -> Block | None:
    values = known.get(number)
    return Block.decode(values[0]) if values else None
