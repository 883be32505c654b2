"""From an answer to the code, options and payload of the response message (RFC 7252 5.10)."""

import hashlib
from dataclasses import replace

from sztb.codepoints.coap import Code, Option
from sztb.encoding.coap_options import Block, Options, encode_uint
from sztb.transport.exchange import Answer, Request

_ETAG_BYTES = 8  # RFC 7252 5.10.6: at most
_MAX_UINT32 = 0xFFFFFFFF


def etag_of(payload: bytes) -> bytes:
    """Name a representation by its content: 8 bytes, the same for the same bytes."""
    return hashlib.sha256(payload).digest()[:_ETAG_BYTES]


def validated(request: Request, answer: Answer) -> Answer:
    """Turn the answer to a GET into 2.03 when the client holds it (R-12, RFC 7252 5.9.1.3)."""
    if answer.etag in request.etags and answer.code is Code.CONTENT and request.method is Code.GET:
        return replace(answer, code=Code.VALID, payload=b"", content_format=None)
    return answer


def options_of(
    answer: Answer,
    *,
    block1: Block | None = None,
    block2: Block | None = None,
    size2: int | None = None,
) -> Options:
    """Return the options of a response in ascending order.

    Args:
        answer: what is said.
        block1: the block of the request that is acknowledged.
        block2: the block of the answer that the message carries.
        size2: bytes of the whole answer.
    """
    options: list[tuple[int, bytes]] = []
    if answer.etag is not None:
        options.append((Option.ETAG, answer.etag))
    if answer.content_format is not None:
        options.append((Option.CONTENT_FORMAT, encode_uint(answer.content_format)))
    if answer.max_age is not None:
        options.append((Option.MAX_AGE, encode_uint(min(answer.max_age, _MAX_UINT32))))
    if block2 is not None:
        options.append((Option.BLOCK2, block2.encode()))
    if block1 is not None:
        options.append((Option.BLOCK1, block1.encode()))
    if size2 is not None:
        options.append((Option.SIZE2, encode_uint(size2)))
    return tuple(options)
