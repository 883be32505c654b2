"""What a role sees of a request and its answer, whatever carries them (cbrski.md 5).

Handlers take a `Request` and return an `Answer`; CoAPS clients get an `Answer` back. No type of
a CoAP or HTTP library appears here.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from sztb.codepoints.coap import Code
from sztb.errors import REPLY, Malformed, Refusal, Refused, Unavailable


@dataclass(frozen=True, slots=True)
class Peer:
    """The authenticated other end of a secured connection.

    Attributes:
        address: host and port for logs, for example ``[fe80::1%eth0]:5684``.
        chain: the certificates the peer presented, DER, end entity first; empty when it sent none.
            Possession of the end entity's key is proven; nothing else about the chain is.
        own_chain: the certificates we presented on this connection, DER, end entity first.
        session: identity of the connection; equal only for requests of one connection.
        channel_binding: ``tls-unique`` (12 bytes on TLS 1.2), None where there is none.
    """

    address: str
    chain: tuple[bytes, ...]
    own_chain: tuple[bytes, ...]
    session: Hashable
    channel_binding: bytes | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request: blocks are joined, an abbreviated path is spelled out.

    Attributes:
        method: GET or POST.
        path: path segments without slashes, for example ``(".well-known", "brski", "rv")``.
        query: the Uri-Query options.
        content_format: number of the payload's Content-Format, None when absent.
        accept: number of the wanted Content-Format, None when absent.
        payload: the whole body.
        etags: the ETags the client holds, each 1 to 8 bytes.
        peer: who asks.
    """

    method: Code
    path: tuple[str, ...]
    query: tuple[str, ...]
    content_format: int | None
    accept: int | None
    payload: bytes
    etags: tuple[bytes, ...]
    peer: Peer


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete answer.

    Attributes:
        code: response code.
        payload: the whole body; for errors a short diagnostic text.
        content_format: number of the payload's Content-Format, None when there is none.
        max_age: seconds; with 5.03 the time until a repeated request makes sense.
        etag: 1 to 8 bytes naming this representation; a GET that names it is answered 2.03.
        close: the connection is closed once this answer has reached the peer (cbrski D11).
    """

    code: Code
    payload: bytes = b""
    content_format: int | None = None
    max_age: int | None = None
    etag: bytes | None = None
    close: bool = False


Handler = Callable[[Request], Awaitable[Answer]]


def answer_refused(error: Refused | Malformed | Unavailable) -> Answer:
    """Turn an error of the suite into the answer the peer gets (cbrski.md 5.4).

    The payload is the fixed text of the reply table: what was seen stays in the log.
    """
    if isinstance(error, Unavailable):  # cbrski.md 5.5: 5.03 + Max-Age replaces 202 + Retry-After
        return Answer(Code.SERVICE_UNAVAILABLE, b"try again later", max_age=error.retry_after)
    reply = REPLY[error.refusal if isinstance(error, Refused) else Refusal.MALFORMED]
    return Answer(reply.coap, reply.text.encode(), close=reply.close)
