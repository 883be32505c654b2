"""The server's half of CoAP over one association (RFC 7252, RFC 7959), as a machine.

Datagrams and finished answers go in; datagrams to send and calls to carry out come out. Requests
are recognised when they come twice, blocks are joined and cut, answers travel in the
acknowledgement or, when they take long, in a message of their own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sztb.codepoints.coap import MAX_RETRANSMIT, Code, Option
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.encoding.coap_options import (
    Options,
    RequestOptions,
    encode_uint,
    read_request_options,
    transfer_key,
)
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.transport.coap.downloads import Downloads
from sztb.transport.coap.limits import Budget, ResponderLimits
from sztb.transport.coap.reliability import (
    Deliveries,
    Heard,
    Memory,
    Transmission,
    empty,
    reset_for,
)
from sztb.transport.coap.response import options_of, validated
from sztb.transport.coap.uploads import Uploads
from sztb.transport.exchange import Answer, Peer, Request, answer_refused

_METHODS: dict[int, Code] = {method: method for method in (Code.GET, Code.POST)}
_CONTINUE = Answer(Code.CONTINUE)
_CLOSING_REPETITIONS = 2  # a closing answer is repeated for about 20 s, then the link ends anyway


@dataclass(slots=True, eq=False)
class Call:
    """A complete request that a handler works on.

    Attributes:
        request: what the handler gets.
        message: the request's last, or only, message.
        options: its options.
        heard: what a repetition of the message gets.
        patient_until: when an empty acknowledgement is due; None when it is out, or not wanted.
    """

    request: Request
    message: CoapMessage
    options: RequestOptions
    heard: Heard
    patient_until: float | None


Effect = bytes | Call


class Responder:
    """One association as the server sees it.

    Attributes:
        finished: a closing answer has arrived, or never will: the association is to be closed.
    """

    __slots__ = (
        "_calls",
        "_closing",
        "_deliveries",
        "_downloads",
        "_limits",
        "_memory",
        "_message_id",
        "_peer",
        "_random_factor",
        "_uploads",
        "finished",
    )

    def __init__(
        self,
        peer: Peer,
        max_payload: int,
        limits: ResponderLimits,
        budget: Budget,
        random_factor: Callable[[], float],
    ) -> None:
        """Start without state.

        Args:
            peer: who is at the other end.
            max_payload: bytes of one record (cbrski.md 4.2).
            limits: bounds for this association.
            budget: bytes shared with the other associations.
            random_factor: gives 1 to ACK_RANDOM_FACTOR (RFC 7252 4.8).
        """
        self._peer = peer
        self._limits = limits
        self._random_factor = random_factor
        self._uploads = Uploads(limits.transfers, budget)
        self._downloads = Downloads(max_payload, limits.transfers, budget)
        self._memory = Memory()
        self._deliveries = Deliveries()
        self._calls: set[Call] = set()
        self._message_id = 0
        self._closing = False
        self.finished = False

    def receive(self, datagram: bytes, now: float) -> list[Effect]:
        """Take a datagram; never raises on what it holds."""
        try:
            message = decode(datagram)
        except Malformed:
            return list(reset_for(datagram))
        confirmable = message.type is MessageType.CON
        if message.code >> 5 == 0 and message.code != Code.EMPTY:
            if confirmable or message.type is MessageType.NON:
                return self._request(message, now)
        elif confirmable:  # a ping, or a response nobody waits for (RFC 7252 4.3, 5.3.2)
            return [empty(MessageType.RST, message.message_id)]
        elif message.type is not MessageType.NON:
            self._delivered(message.message_id)
        return []

    def answer(self, call: Call, answer: Answer, now: float) -> list[Effect]:
        """Take the answer to a call and send it, or its first block."""
        self._calls.discard(call)
        return self._send(call, validated(call.request, answer), now)

    def next_deadline(self) -> float | None:
        """When `expire` wants to be called."""
        deadlines = [call.patient_until for call in self._calls if call.patient_until is not None]
        repetition = self._deliveries.next_deadline()
        if repetition is not None:
            deadlines.append(repetition)
        return min(deadlines, default=None)

    def expire(self, now: float) -> list[Effect]:
        """Acknowledge what takes long, repeat what is not acknowledged."""
        return [*self._acknowledgements(now), *self._repetitions(now)]

    def forget(self, now: float) -> None:
        """Drop what is older than the protocol needs; called now and then."""
        self._memory.expire(now)
        self._uploads.expire(now)
        self._downloads.expire(now)

    def end(self) -> None:
        """Release what is shared: the association is gone."""
        self._uploads.clear()
        self._downloads.clear()

    def _request(self, message: CoapMessage, now: float) -> list[Effect]:
        known = self._memory.find(message.message_id)
        if known is not None:  # RFC 7252 4.5: the same answer, the handler is not asked again
            return [known.reply] if known.reply is not None else []
        if self._closing:
            return []
        heard = self._memory.add(message.message_id, now)
        try:
            return self._accept(message, heard, now)
        except (Refused, Malformed, Unavailable) as error:
            return self._refuse(message, heard, error)

    def _accept(self, message: CoapMessage, heard: Heard, now: float) -> list[Effect]:
        options = read_request_options(message.options)
        if message.code not in _METHODS:
            raise Refused(Refusal.METHOD)
        if options.block2 is not None and options.block2.number:
            key = transfer_key(message.options)
            found = self._downloads.other(key, options.block2, now)
            if found is not None:
                part, block2 = found
                return self._reply(message, heard, part, options_of(part, block2=block2))
            if message.code != Code.GET or options.block1 is not None:
                raise Refused(Refusal.BLOCK_MISSING)
        body = self._body(message, options, now)
        if body is None:
            written = options_of(_CONTINUE, block1=options.block1)
            return self._reply(message, heard, _CONTINUE, written)
        return [self._call(message, options, heard, body, now)]

    def _body(self, message: CoapMessage, options: RequestOptions, now: float) -> bytes | None:
        """Return the whole body, None while blocks are missing."""
        if options.block1 is None:
            if len(message.payload) > self._limits.transfers.max_body:
                raise Refused(Refusal.TOO_LARGE)
            return message.payload
        key = transfer_key(message.options)
        return self._uploads.add(key, options.block1, message.payload, options.size1, now)

    def _call(
        self, message: CoapMessage, options: RequestOptions, heard: Heard, body: bytes, now: float
    ) -> Call:
        if len(self._calls) >= self._limits.outstanding:
            raise Unavailable("too many requests at once", retry_after=1)
        request = Request(
            method=_METHODS[message.code],
            path=options.path,
            query=options.query,
            content_format=options.content_format,
            accept=options.accept,
            payload=body,
            etags=options.etags,
            peer=self._peer,
        )
        confirmable = message.type is MessageType.CON
        patient_until = now + self._limits.patience if confirmable else None
        call = Call(request, message, options, heard, patient_until)
        self._calls.add(call)
        return call

    def _send(self, call: Call, answer: Answer, now: float) -> list[Effect]:
        """Send an answer, cut if need be, in the acknowledgement or by itself (RFC 7252 5.2)."""
        asked = call.options
        key = transfer_key(call.message.options)
        try:
            part, block2 = self._downloads.first(key, answer, asked.block2, now)
        except Malformed as error:
            part, block2 = answer_refused(error), None
        block1 = None if asked.block1 is None else asked.block1._replace(more=False)
        sized = block2 is not None or asked.size2 is not None
        options = options_of(
            part, block1=block1, block2=block2, size2=len(answer.payload) if sized else None
        )
        if call.message.type is MessageType.NON:
            self.finished = self._closing = self._closing or answer.close
        elif call.patient_until is None or answer.close:
            return self._send_separately(call, part, options, now)
        return self._reply(call.message, call.heard, part, options)

    def _send_separately(
        self, call: Call, answer: Answer, options: Options, now: float
    ) -> list[Effect]:
        """Send a confirmable response (RFC 7252 5.2.2).

        cbrski D11: a closing answer always goes this way: its acknowledgement says that it has
        arrived, and only then the connection is closed.
        """
        self._closing = self._closing or answer.close
        message_id = self._next_message_id()
        datagram = _write(MessageType.CON, message_id, call.message.token, answer, options)
        repetitions = _CLOSING_REPETITIONS if answer.close else MAX_RETRANSMIT
        transmission = Transmission.start(datagram, now, self._random_factor(), repetitions)
        self._deliveries.start(message_id, transmission, closes=answer.close)
        return [*self._acknowledge(call), datagram]

    def _refuse(
        self, message: CoapMessage, heard: Heard, error: Refused | Malformed | Unavailable
    ) -> list[Effect]:
        answer = answer_refused(error)
        if answer.code is Code.BAD_OPTION and message.type is MessageType.NON:
            return []  # RFC 7252 5.4.1: rejected in silence
        options = options_of(answer)
        if answer.code is Code.REQUEST_ENTITY_TOO_LARGE:  # RFC 7959 4
            options += ((Option.SIZE1, encode_uint(self._limits.transfers.max_body)),)
        return self._reply(message, heard, answer, options)

    def _reply(
        self, message: CoapMessage, heard: Heard, answer: Answer, options: Options
    ) -> list[Effect]:
        """Send a response at once, and whenever the request comes again."""
        if message.type is MessageType.CON:
            kind, message_id = MessageType.ACK, message.message_id
        else:
            kind, message_id = MessageType.NON, self._next_message_id()
        heard.reply = _write(kind, message_id, message.token, answer, options)
        return [heard.reply]

    def _acknowledge(self, call: Call) -> Iterator[bytes]:
        """Promise an answer with an empty acknowledgement, unless that was done."""
        if call.patient_until is None:
            return
        call.patient_until = None
        call.heard.reply = empty(MessageType.ACK, call.message.message_id)
        yield call.heard.reply

    def _acknowledgements(self, now: float) -> Iterator[bytes]:
        for call in self._calls:
            if call.patient_until is not None and call.patient_until <= now:
                yield from self._acknowledge(call)

    def _repetitions(self, now: float) -> Iterator[bytes]:
        for message_id, datagram in self._deliveries.due(now):
            if datagram is None:
                self._delivered(message_id)
            else:
                yield datagram

    def _delivered(self, message_id: int) -> None:
        if self._deliveries.end(message_id):
            self.finished = True

    def _next_message_id(self) -> int:
        self._message_id = (self._message_id + 1) & 0xFFFF
        return self._message_id


def _write(
    kind: MessageType, message_id: int, token: bytes, answer: Answer, options: Options
) -> bytes:
    return encode(CoapMessage(kind, answer.code, message_id, token, options, answer.payload))
