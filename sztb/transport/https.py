"""HTTPS for aiohttp on our TLS engine, which hands up client chains of any CA (design.md 5).

aiohttp brings the keep-alive time, which is also the time for the header of a request; handshakes,
bodies and the number of connections are bounded here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware
from typing_extensions import override

from sztb.transport.association import Address
from sztb.transport.tls.config import ServerTls
from sztb.transport.tls.engines import ServerEngine
from sztb.transport.tls_stream import StreamLimits, TlsStreams

_BACKLOG = 512


class _NotTheirFault(logging.Filter):
    """Drops what aiohttp logs about broken requests: any stranger could fill the log with it."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


_log = logging.getLogger(__name__)
_log.addFilter(_NotTheirFault())


@dataclass(frozen=True, slots=True)
class HttpsLimits:
    """How much strangers may cost.

    Attributes:
        stream: bounds below HTTP.
        keep_alive_seconds: for the next request, and for its whole header.
        body_seconds: for the whole body of a request.
        max_body: bytes of a request body; a longer one is answered 413.
        max_field: bytes of the request line and of one header field.
    """

    stream: StreamLimits = field(default_factory=StreamLimits)
    keep_alive_seconds: float = 60.0
    body_seconds: float = 10.0
    max_body: int = 65536
    max_field: int = 4096


class HttpsServer:
    """A listening HTTPS server; made by `serve`."""

    def __init__(
        self,
        listener: asyncio.Server,
        streams: TlsStreams,
        runner: web.AppRunner,
        server: web.Server,
    ) -> None:
        self._listener = listener
        self._address: Address = listener.sockets[0].getsockname()
        self._streams = streams
        self._runner = runner
        self._server = server

    @property
    def address(self) -> Address:
        """The socket address that requests come to."""
        return self._address

    @property
    def connections(self) -> int:
        """Open TCP connections."""
        return len(self._streams.open)

    def renew(self, tls: ServerTls) -> None:
        """Show this from the next connection on; open ones keep what they have seen.

        Raises:
            Misuse: the identity cannot be used; nothing changed.
        """
        self._streams.engine = ServerEngine(tls, datagram=False)

    async def close(self, grace: float = 10.0) -> None:
        """Stop accepting, let requests finish for ``grace`` seconds, say close_notify."""
        self._listener.close()
        self._streams.abort_handshakes()
        self._server.pre_shutdown()
        await self._server.shutdown(grace)
        await self._runner.cleanup()
        await self._listener.wait_closed()


async def serve(
    application: web.Application,
    host: str,
    port: int,
    tls: ServerTls,
    *,
    limits: HttpsLimits = HttpsLimits(),
) -> HttpsServer:
    """Serve ``application``; handlers find the whole body read.

    They find the connection by ``request.get_extra_info``: ``peer_chain`` (DER certificates, end
    entity first, unverified; empty without any), ``tls_unique`` and ``peername``.

    Args:
        application: not started yet; gets one more middleware.
        host: address to listen on.
        port: TCP port; 0 takes a free one.
        tls: what the server shows, and whether clients are asked for certificates.
        limits: what strangers may cost.

    Raises:
        OSError: the address cannot be bound.
    """
    application.middlewares.insert(0, _body_reader(limits))
    runner = web.AppRunner(
        application,
        access_log=None,
        auto_decompress=False,  # nothing here is worth a decompression bomb
        keepalive_timeout=limits.keep_alive_seconds,
        logger=_log,
        lingering_time=limits.body_seconds,
        max_line_size=limits.max_field,
        max_field_size=limits.max_field,
    )
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 - after `setup`
    streams = TlsStreams(ServerEngine(tls, datagram=False), server, limits.stream)
    listener = await asyncio.get_running_loop().create_server(streams, host, port, backlog=_BACKLOG)
    return HttpsServer(listener, streams, runner, server)


_Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _body_reader(limits: HttpsLimits) -> Middleware:
    """Return the middleware that reads the body within its bounds before anything else runs."""

    @web.middleware
    async def read_body(request: web.Request, handler: _Next) -> web.StreamResponse:
        if request.can_read_body:
            request = await _read(request, limits)
        return await handler(request)

    return read_body


async def _read(request: web.Request, limits: HttpsLimits) -> web.Request:
    length = request.content_length
    if length is None:
        request = request.clone(client_max_size=limits.max_body)
    elif length > limits.max_body:
        raise web.HTTPRequestEntityTooLarge(max_size=limits.max_body, actual_size=length)
    try:
        async with asyncio.timeout(limits.body_seconds):
            await request.read()
    except TimeoutError:
        raise _ended(web.HTTPRequestTimeout(text="body too slow")) from None
    except (ConnectionError, web.RequestPayloadError):
        raise _ended(web.HTTPBadRequest(text="body cut off or malformed")) from None
    return request


def _ended(answer: web.HTTPException) -> web.HTTPException:
    answer.force_close()
    return answer
