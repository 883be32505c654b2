"""CoAP over DTLS, server side (cbrski.md 5, RFC 7252, RFC 7959): requests in, answers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sztb.transport.dtls import Limits
    from sztb.transport.exchange import Handler
    from sztb.transport.tls.config import ServerTls


class CoapsServer:
    """One UDP address and port on which all resources live (R-04)."""

    address: tuple[str, int]

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        tls: ServerTls,
        handler: Handler,
        *,
        limits: Limits | None = None,
        max_body: int = 16384,
    ) -> CoapsServer:
        """Listen; ``port`` 0 takes a free one, see `address`."""
        raise NotImplementedError

    async def close(self, grace: float = 10.0) -> None:
        """Stop accepting, let running handlers finish for ``grace`` seconds, close_notify."""
        raise NotImplementedError
