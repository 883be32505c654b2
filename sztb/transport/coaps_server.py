"""CoAP over DTLS, server side (cbrski.md 5, RFC 7252, RFC 7959): requests in, answers out."""

from typing import Self

from sztb.transport.association import Address, Limits
from sztb.transport.coap.limits import ResponderLimits, TransferLimits
from sztb.transport.coap.service import CoapService
from sztb.transport.dtls import DtlsServer
from sztb.transport.exchange import Handler
from sztb.transport.tls.config import ServerTls


class CoapsServer:
    """One UDP address and port on which all resources live (R-04). Made by `bind`."""

    def __init__(self, dtls: DtlsServer, service: CoapService) -> None:
        self._dtls = dtls
        self._service = service
        self._closed = False

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
    ) -> Self:
        """Listen and serve.

        Args:
            host: address to listen on.
            port: UDP port; 0 takes a free one, see `address`.
            tls: what the server shows.
            handler: answers requests; what it raises of `sztb.errors` becomes the answer.
            limits: bounds for handshakes and associations.
            max_body: bytes of a request body; a longer one is answered 4.13.
        """
        transfers = TransferLimits(max_body=max_body)
        service = CoapService(handler, tls.identity.chain, ResponderLimits(transfers))
        dtls = await DtlsServer.bind(host, port, tls, service, limits=limits or Limits())
        return cls(dtls, service)

    @property
    def address(self) -> Address:
        """The socket address that requests come to."""
        return self._dtls.address

    @property
    def associations(self) -> int:
        """Established associations."""
        return self._dtls.associations

    @property
    def half_open(self) -> int:
        """Handshakes in progress."""
        return self._dtls.half_open

    def reload(self, tls: ServerTls) -> None:
        """Show something else in handshakes that start from now on.

        Raises:
            Misuse: the identity cannot be used; the old one stays in use.
        """
        self._dtls.reload(tls)
        self._service.own_chain = tls.identity.chain

    async def close(self, grace: float = 10.0) -> None:
        """Answer new requests 5.03, give the others ``grace`` seconds, say close_notify.

        Harmless when that has happened.
        """
        if self._closed:
            return
        self._closed = True
        await self._service.drain(grace)
        await self._dtls.close()
