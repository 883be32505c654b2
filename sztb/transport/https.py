"""HTTPS for aiohttp on our TLS engine, which hands up client chains of any CA (design.md 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from sztb.transport.tls.config import ServerTls


class HttpsServer:
    """A listening HTTPS server."""

    address: tuple[str, int]

    async def close(self, grace: float = 10.0) -> None:
        """Stop accepting, let requests finish for ``grace`` seconds, close_notify."""
        raise NotImplementedError


async def serve(
    application: web.Application, host: str, port: int, tls: ServerTls, *, max_body: int = 65536
) -> HttpsServer:
    """Serve ``application``.

    Handlers find the connection by ``request.transport.get_extra_info``: ``peer_chain`` (DER,
    end entity first; empty without a client certificate), ``own_chain``, ``tls_unique`` and
    ``peername``.
    """
    raise NotImplementedError
