"""The client's half of CoAP over one association (RFC 7252), as a machine.

One request at a time (NSTART 1). Requests, datagrams and time go in; datagrams to send and the
outcome of the request come out. Blocks are the business of `sztb.transport.coap.transfers`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sztb.codepoints.coap import Code
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.encoding.coap_options import Options, ResponseOptions, read_response_options
from sztb.errors import Malformed, Misuse, Refused
from sztb.transport.coap.reliability import Transmission, empty, reset_for
from sztb.transport.tls.errors import LinkFailed

_RESPONSE_CLASSES = frozenset({2, 4, 5})
_REMEMBERED = 4  # separate responses whose repetition is acknowledged again


@dataclass(frozen=True, slots=True)
class Response:
    """The peer answered."""

    code: int
    options: ResponseOptions
    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer is there: it reset a ping."""


@dataclass(frozen=True, slots=True)
class Failed:
    """There will be no answer to this request."""

    error: LinkFailed | Malformed


Effect = bytes | Response | Pong | Failed


@dataclass(slots=True)
class _Asked:
    message_id: int
    token: bytes | None  # None: a ping
    transmission: Transmission | None  # None: acknowledged, the answer comes by itself


class Requester:
    """One association as the client sees it."""

    def __init__(self, random_factor: Callable[[], float]) -> None:
        """Start idle; ``random_factor`` gives 1 to ACK_RANDOM_FACTOR (RFC 7252 4.8)."""
        self._random_factor = random_factor
        self._asked: _Asked | None = None
        self._answered: deque[int] = deque(maxlen=_REMEMBERED)
        self._message_id = 0

    def ask(self, code: Code, options: Options, payload: bytes, now: float) -> bytes:
        """Start a confirmable request; return its datagram."""
        message_id = self._next_message_id()
        token = bytes([message_id & 0xFF])  # RFC 7252 5.3.1: nothing to guess inside DTLS
        message = CoapMessage(MessageType.CON, code, message_id, token, options, payload)
        return self._start(message_id, token, encode(message), now)

    def ping(self, now: float) -> bytes:
        """Start a ping (RFC 7252 4.3); return its datagram."""
        message_id = self._next_message_id()
        return self._start(message_id, None, empty(MessageType.CON, message_id), now)

    def give_up(self) -> None:
        """Forget the request in hand; its answer will be reset when it comes."""
        self._asked = None

    def receive(self, datagram: bytes) -> list[Effect]:
        """Take a datagram; never raises on what it holds."""
        try:
            message = decode(datagram)
        except Malformed:
            return list(reset_for(datagram))
        if message.code == Code.EMPTY:
            return self._empty(message)
        if message.code >> 5 in _RESPONSE_CLASSES and message.type is not MessageType.RST:
            return self._response(message)
        return self._reject(message)

    def next_deadline(self) -> float | None:
        """When `expire` wants to be called."""
        if self._asked is None or self._asked.transmission is None:
            return None
        return self._asked.transmission.due

    def expire(self, now: float) -> list[Effect]:
        """Repeat the request, or give it up (RFC 7252 4.2)."""
        asked = self._asked
        if asked is None or asked.transmission is None or asked.transmission.due > now:
            return []
        if asked.transmission.repeat(now):
            return [asked.transmission.datagram]
        self._asked = None
        return [Failed(LinkFailed("no acknowledgement"))]

    def _start(self, message_id: int, token: bytes | None, datagram: bytes, now: float) -> bytes:
        if self._asked is not None:
            raise Misuse("one request at a time")
        transmission = Transmission.start(datagram, now, self._random_factor())
        self._asked = _Asked(message_id, token, transmission)
        return datagram

    def _empty(self, message: CoapMessage) -> list[Effect]:
        asked = self._asked
        if message.type is MessageType.CON:
            return self._reject(message)
        if asked is None or asked.message_id != message.message_id:
            return []
        if message.type is MessageType.ACK:
            asked.transmission = None
            return []
        self._asked = None
        return [Pong() if asked.token is None else Failed(LinkFailed("request was reset"))]

    def _response(self, message: CoapMessage) -> list[Effect]:
        asked = self._asked
        if message.type is MessageType.CON and message.message_id in self._answered:
            return [empty(MessageType.ACK, message.message_id)]
        if asked is None or asked.token != message.token:
            return self._reject(message)
        if message.type is MessageType.ACK and asked.message_id != message.message_id:
            return []
        self._asked = None
        try:
            options = read_response_options(message.options)
        except (Refused, Malformed):  # RFC 7252 5.4.1
            return [*self._reject(message), Failed(Malformed("options of the response"))]
        effects: list[Effect] = []
        if message.type is MessageType.CON:
            self._answered.append(message.message_id)
            effects.append(empty(MessageType.ACK, message.message_id))
        return [*effects, Response(message.code, options, message.payload)]

    def _reject(self, message: CoapMessage) -> list[Effect]:
        if message.type is not MessageType.CON:
            return []
        return [empty(MessageType.RST, message.message_id)]

    def _next_message_id(self) -> int:
        self._message_id = (self._message_id + 1) & 0xFFFF
        return self._message_id
