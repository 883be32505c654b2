"""Confirmable messages on their way, and requests that come twice (RFC 7252 4.2, 4.5)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from sztb.codepoints.coap import ACK_TIMEOUT, EXCHANGE_LIFETIME, MAX_RETRANSMIT, Code
from sztb.encoding.coap_message import CoapMessage, MessageType, encode

REMEMBERED = 8  # requests per association whose repetition is recognised


@dataclass(slots=True)
class Transmission:
    """One confirmable message until it is acknowledged.

    Attributes:
        datagram: what is sent, every time the same bytes.
        due: monotonic time of the next step.
        timeout: seconds between the last step and `due`.
        left: how many repetitions remain.
    """

    datagram: bytes
    due: float
    timeout: float
    left: int

    @classmethod
    def start(
        cls, datagram: bytes, now: float, random_factor: float, repetitions: int = MAX_RETRANSMIT
    ) -> Self:
        """Note that ``datagram`` goes out; ``random_factor`` is 1 to ACK_RANDOM_FACTOR."""
        timeout = ACK_TIMEOUT * random_factor
        return cls(datagram, now + timeout, timeout, repetitions)

    def repeat(self, now: float) -> bool:
        """Take the step that is due: True to send again, False when it is time to give up."""
        if not self.left:
            return False
        self.left -= 1
        self.timeout *= 2
        self.due = now + self.timeout
        return True


class Deliveries:
    """Responses that travel in confirmable messages of their own (RFC 7252 5.2.2)."""

    __slots__ = ("_closing", "_open")

    def __init__(self) -> None:
        self._open: dict[int, Transmission] = {}
        self._closing: int | None = None

    def start(self, message_id: int, transmission: Transmission, *, closes: bool) -> None:
        """Wait for the acknowledgement of ``message_id``."""
        self._open[message_id] = transmission
        if closes:
            self._closing = message_id

    def end(self, message_id: int) -> bool:
        """Stop repeating; True when that was the answer the connection closes with."""
        self._open.pop(message_id, None)
        return message_id == self._closing

    def next_deadline(self) -> float | None:
        """When the next message is to be repeated or given up."""
        return min((transmission.due for transmission in self._open.values()), default=None)

    def due(self, now: float) -> Iterator[tuple[int, bytes | None]]:
        """Yield what is due: message ID and datagram to repeat, or None to give up."""
        for message_id, transmission in list(self._open.items()):
            if transmission.due <= now:
                again = transmission.repeat(now)
                yield message_id, transmission.datagram if again else None


@dataclass(slots=True)
class Heard:
    """What a repetition of a request gets; nothing while there is no reply yet."""

    since: float
    reply: bytes | None = None


class Memory:
    """The last requests of one association by Message ID (RFC 7252 4.5)."""

    __slots__ = ("_heard",)

    def __init__(self) -> None:
        self._heard: dict[int, Heard] = {}

    def find(self, message_id: int) -> Heard | None:
        """Return the request that came with this Message ID before."""
        return self._heard.get(message_id)

    def add(self, message_id: int, now: float) -> Heard:
        """Remember a request; when there are too many, the oldest answered one goes."""
        if len(self._heard) >= REMEMBERED:
            answered = (key for key, heard in self._heard.items() if heard.reply is not None)
            del self._heard[next(answered, next(iter(self._heard)))]
        heard = self._heard[message_id] = Heard(now)
        return heard

    def expire(self, now: float) -> None:
        """Forget what is older than EXCHANGE_LIFETIME."""
        oldest = now - EXCHANGE_LIFETIME
        for message_id in [key for key, heard in self._heard.items() if heard.since < oldest]:
            del self._heard[message_id]


def empty(kind: MessageType, message_id: int) -> bytes:
    """Write an Empty message: an acknowledgement, a Reset or a ping (RFC 7252 4.1)."""
    return encode(CoapMessage(kind, Code.EMPTY, message_id))


def reset_for(datagram: bytes) -> list[bytes]:
    """Return the Reset for a datagram that is no valid message, if it asks for one.

    RFC 7252 4.2, 4.3: a confirmable message with a format error is rejected, all else is ignored.
    """
    if len(datagram) < 4 or datagram[0] >> 4 != 0b0100:  # version 1, confirmable
        return []
    return [empty(MessageType.RST, int.from_bytes(datagram[2:4]))]
