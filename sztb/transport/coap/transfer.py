"""One request of a client, in as many messages as it takes (RFC 7959 2.4, 2.5, 2.7).

The caller sends what `Transfer.message` returns and hands each response to `Transfer.take` until
that returns the answer.
"""

from sztb.codepoints.coap import Code, Option
from sztb.encoding.coap_options import Block, Options
from sztb.errors import Malformed, Unavailable
from sztb.transport.coap.limits import largest_exponent
from sztb.transport.coap.requester import Response
from sztb.transport.exchange import Answer

_FRAME = 18  # bytes: header, token, payload marker, Block1 and Block2
_OPTION_HEADER = 2  # bytes, most of the time one
_GENERIC = {4: Code.BAD_REQUEST, 5: Code.INTERNAL_SERVER_ERROR}  # RFC 7252 5.2: x.00


class Transfer:
    """The state of one request and its answer."""

    __slots__ = ("_answer", "_body", "_exponent", "_hint", "_max_body", "_options", "_payload",
                 "_room", "_start", "_wanted")  # fmt: skip

    def __init__(
        self,
        options: Options,
        payload: bytes,
        *,
        max_payload: int,
        max_body: int,
        hint: int | None = None,
    ) -> None:
        """Plan the messages.

        Args:
            options: of every message, ascending, without blocks.
            payload: the body of the request.
            max_payload: bytes of one record.
            max_body: bytes of an answer; a longer one is an error.
            hint: exponent of the largest block the answer may use, when the server cannot know
                that from the record size (RFC 7959 2.4).
        """
        overhead = _FRAME + sum(len(value) + _OPTION_HEADER for _, value in options)
        self._options = options
        self._payload = payload
        self._room = max_payload - overhead
        self._exponent = largest_exponent(self._room)
        self._max_body = max_body
        self._hint = hint
        self._start = 0
        self._wanted: Block | None = None
        self._answer: Answer | None = None
        self._body = bytearray()

    def message(self) -> tuple[Options, bytes]:
        """Return options and payload of the message that is to be sent."""
        if self._wanted is not None:
            return self._with((Option.BLOCK2, self._wanted.encode())), b""
        if len(self._payload) <= self._room and not self._start:
            return self._final(), self._payload
        block = self._block1()
        part = self._payload[self._start : self._start + block.size]
        if block.more:
            return self._with((Option.BLOCK1, block.encode())), part
        return self._final((Option.BLOCK1, block.encode())), part

    def take(self, response: Response) -> Answer | None:
        """Take a response; return the answer when it is complete, None to go on.

        Raises:
            Malformed: the peer does not keep to the block-wise rules.
            Unavailable: the answer changed while it was fetched.
        """
        if response.code == Code.CONTINUE:
            self._advance(response.options.block1)
            return None
        answer = _answer(response)
        if not answer.code.is_success:
            return answer
        block = response.options.block2
        if block is None and self._answer is None:
            return answer
        if block is None or block.start != len(self._body):
            raise Malformed("not the block that was asked for")
        return self._collect(answer, block)

    def _block1(self) -> Block:
        size = 16 << self._exponent
        more = self._start + size < len(self._payload)
        return Block(self._start >> self._exponent + 4, more, self._exponent)

    def _advance(self, acknowledged: Block | None) -> None:
        block = self._block1()
        if acknowledged is None or not block.more or self._wanted is not None:
            raise Malformed("2.31 where no block was sent")
        if acknowledged.start != block.start:
            raise Malformed("2.31 for another block")
        self._start += block.size
        self._exponent = min(self._exponent, acknowledged.exponent)  # RFC 7959 2.5

    def _collect(self, answer: Answer, block: Block) -> Answer | None:
        first = self._answer = self._answer or answer
        if answer.etag != first.etag:  # RFC 7959 2.4
            raise Unavailable("the answer changed while it was fetched", retry_after=1)
        if block.more and len(answer.payload) != block.size:
            raise Malformed("block and payload differ in size")
        self._body += answer.payload
        if len(self._body) > self._max_body:
            raise Malformed(f"answer longer than {self._max_body} bytes")
        if block.more:
            self._wanted = Block(block.number + 1, more=False, exponent=block.exponent)
            return None
        return Answer(
            first.code, bytes(self._body), first.content_format, first.max_age, first.etag
        )

    def _final(self, *extra: tuple[int, bytes]) -> Options:
        """Return the options of the message that the answer comes to."""
        if self._hint is None:
            return self._with(*extra)
        hint = Block(0, more=False, exponent=self._hint)
        return self._with(*extra, (Option.BLOCK2, hint.encode()))

    def _with(self, *extra: tuple[int, bytes]) -> Options:
        if not extra:
            return self._options
        return tuple(sorted((*self._options, *extra), key=lambda option: option[0]))


def _answer(response: Response) -> Answer:
    try:
        code = Code(response.code)
    except ValueError:
        generic = _GENERIC.get(response.code >> 5)
        if generic is None:
            raise Malformed("unknown response code") from None
        code = generic
    read = response.options
    return Answer(code, response.payload, read.content_format, read.max_age, read.etag)
