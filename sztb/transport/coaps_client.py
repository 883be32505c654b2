"""CoAP over DTLS, client side (cbrski.md 5, RFC 7252, RFC 7959): one connection, one server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from sztb.codepoints.coap import Code, Option
from sztb.codepoints.resources import ABBREVIATED_PATHS
from sztb.encoding.coap_options import Options, encode_uint
from sztb.transport.association import Address, Association
from sztb.transport.coap.asker import Asker
from sztb.transport.coap.limits import HEADROOM, largest_exponent
from sztb.transport.coap.transfer import Transfer
from sztb.transport.dtls import DtlsClient
from sztb.transport.exchange import Answer
from sztb.transport.tls.config import ClientTls
from sztb.transport.tls.errors import LinkFailed

_ABBREVIATIONS = {path: number for number, path in ABBREVIATED_PATHS.items()}


class CoapsClient:
    """A DTLS connection to one server; requests go out one after the other (NSTART 1).

    Made by `connect`. Paths that have an abbreviation are abbreviated until the server refuses
    that (cbrski.md 5.2). The server's certificates are not verified here: judge `peer_chain`.
    """

    def __init__(
        self, association: Association, asker: Asker, tls: ClientTls, max_body: int
    ) -> None:
        self._association = association
        self._asker = asker
        self._tls = tls
        self._max_body = max_body
        self._turn = asyncio.Lock()
        self._abbreviates = True

    @classmethod
    async def connect(
        cls,
        address: Address,
        tls: ClientTls,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - part of the call
        local: Address | None = None,
        max_body: int = 16384,
    ) -> Self:
        """Complete the handshake.

        Args:
            address: socket address of the server or join proxy.
            tls: what we show; nothing is verified.
            timeout: seconds for the handshake.
            local: socket address to send from.
            max_body: bytes of an answer that are taken.

        Raises:
            LinkFailed: no answer in time, refused by the network or by the peer.
        """
        asker = Asker()
        association = await DtlsClient.connect(address, tls, asker, timeout=timeout, local=local)
        asker.established(association)
        return cls(association, asker, tls, max_body)

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """What the server presented: DER, end entity first; unverified."""
        return self._association.peer_chain

    @property
    def own_chain(self) -> tuple[bytes, ...]:
        """What we presented: DER, end entity first."""
        return self._tls.identity.chain if self._tls.identity is not None else ()

    @property
    def channel_binding(self) -> bytes | None:
        """The tls-unique value of the connection."""
        return self._association.channel_binding

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes so far, handshake included."""
        return self._association.bytes_sent

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes so far, handshake included."""
        return self._association.bytes_received

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self._association.closed

    async def request(
        self,
        method: Code,
        path: Sequence[str],
        payload: bytes = b"",
        *,
        content_format: int | None = None,
        accept: int | None = None,
        etag: bytes | None = None,
        query: Sequence[str] = (),
        timeout: float = 60.0,  # noqa: ASYNC109 - part of the call
    ) -> Answer:
        """Send one request and return its complete answer, error codes included.

        Args:
            method: GET or POST.
            path: segments without slashes.
            payload: the body; sent in blocks if it exceeds a record.
            content_format: what the body is.
            accept: the wanted format of the answer.
            etag: the representation we hold; 2.03 confirms it.
            query: Uri-Query options.
            timeout: seconds for everything, waiting for an earlier request included.

        Raises:
            LinkFailed: no answer in time, or the connection broke.
            Malformed: the peer answers with something that is not CoAP as agreed.
            Unavailable: the answer changed while its blocks were fetched.
        """
        others = _options(content_format, accept, etag, query)
        async with _within(timeout), self._turn:
            abbreviation = _ABBREVIATIONS.get(tuple(path)) if self._abbreviates else None
            if abbreviation is not None:
                option = (int(Option.URI_PATH_ABBREV), encode_uint(abbreviation))
                answer = await self._exchange(method, (option, *others), payload)
                if answer.code is not Code.BAD_OPTION:
                    return answer
                self._abbreviates = False  # cbrski.md 5.2: on 4.02 the path is spelled out
            spelled = [(int(Option.URI_PATH), segment.encode()) for segment in path]
            return await self._exchange(method, (*spelled, *others), payload)

    async def ping(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - part of the call
        """Send a CoAP ping and wait for its Reset (RFC 7252 4.3, join-proxy.md JD2).

        Raises:
            LinkFailed: no Reset in time, or the connection broke.
        """
        async with _within(timeout), self._turn:
            await self._asker.ping()

    async def close(self) -> None:
        """Say close_notify and free the socket; harmless when that has happened."""
        self._association.close()

    async def _exchange(self, method: Code, options: Options, payload: bytes) -> Answer:
        transfer = self._plan(tuple(sorted(options, key=lambda option: option[0])), payload)
        answer = None
        while answer is None:
            answer = transfer.take(await self._asker.ask(method, *transfer.message()))
        return answer

    def _plan(self, options: Options, payload: bytes) -> Transfer:
        """Plan the messages within the record size that was asked for (cbrski.md 4.2).

        A server that did not agree to it is told the block size with the request.
        """
        agreed, wanted = self._association.max_payload, self._tls.max_fragment_length
        hint = None
        if wanted is not None and agreed > wanted:
            agreed, hint = wanted, largest_exponent(wanted - HEADROOM)
        return Transfer(options, payload, max_payload=agreed, max_body=self._max_body, hint=hint)


def _options(
    content_format: int | None, accept: int | None, etag: bytes | None, query: Sequence[str]
) -> Options:
    options: list[tuple[int, bytes]] = [(Option.URI_QUERY, item.encode()) for item in query]
    if etag is not None:
        options.append((Option.ETAG, etag))
    if content_format is not None:
        options.append((Option.CONTENT_FORMAT, encode_uint(content_format)))
    if accept is not None:
        options.append((Option.ACCEPT, encode_uint(accept)))
    return tuple(options)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LinkFailed(f"no answer within {seconds:g} s") from None
