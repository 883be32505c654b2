"""CoAP over DTLS, client side (cbrski.md 5, RFC 7252, RFC 7959): one connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sztb.codepoints.coap import Code
    from sztb.transport.exchange import Answer
    from sztb.transport.tls.config import ClientTls


class CoapsClient:
    """A DTLS connection to one server; requests go out one after the other (NSTART 1)."""

    peer_chain: tuple[bytes, ...]
    own_chain: tuple[bytes, ...]
    channel_binding: bytes | None
    bytes_sent: int
    bytes_received: int

    @classmethod
    async def connect(
        cls,
        address: tuple[str, int],
        tls: ClientTls,
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - part of the call
    ) -> CoapsClient:
        """Complete the handshake.

        Raises:
            LinkFailed: no answer in time, refused by the network or by the peer.
        """
        raise NotImplementedError

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

        Raises:
            LinkFailed: no answer in time, or the connection broke.
            Malformed: the peer answers with something that is not CoAP as agreed.
        """
        raise NotImplementedError

    async def ping(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - part of the call
        """Send a CoAP ping and wait for its Reset (RFC 7252 4.3, join-proxy JD2)."""
        raise NotImplementedError

    async def close(self) -> None:
        """Say close_notify and free the socket."""
        raise NotImplementedError
