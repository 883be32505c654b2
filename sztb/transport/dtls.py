"""DTLS over UDP sockets: asyncio shells around the association table and around one session."""

import asyncio
import errno
from typing import Self

from sztb.transport.association import (
    Address,
    Association,
    AssociationHandler,
    Limits,
    Path,
)
from sztb.transport.associations import AssociationTable
from sztb.transport.tls.config import ClientTls, ServerTls
from sztb.transport.tls.engines import ClientEngine, DatagramServerEngine
from sztb.transport.tls.errors import LinkFailed
from sztb.transport.udp import ConnectedSocket, ServerSocket

__all__ = ["Address", "Association", "AssociationHandler", "DtlsClient", "DtlsServer", "Limits"]


class DtlsServer:
    """One UDP address on which peers make DTLS associations (R-04)."""

    def __init__(
        self,
        socket: ServerSocket,
        config: ServerTls,
        handler: AssociationHandler,
        limits: Limits,
    ) -> None:
        """Serve on a bound socket; `bind` makes it."""
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._timer: asyncio.TimerHandle | None = None
        self._engine = DatagramServerEngine(config, self._loop.time())
        self._table = AssociationTable(self._engine, handler, socket.send, limits)
        socket.start(self._receive, self._set_timer)

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        config: ServerTls,
        handler: AssociationHandler,
        *,
        limits: Limits = Limits(),  # noqa: B008  immutable
    ) -> Self:
        """Open a socket and serve on it.

        Args:
            host: address or name to bind to, `%` scope included; "::" is every IPv6 and IPv4
                address, "0.0.0.0" every IPv4 address.
            port: UDP port; 0 lets the system choose.
            config: how to secure associations.
            handler: told what happens.
            limits: what strangers may cost.

        Raises:
            OSError: the address cannot be bound.
            Misuse: the identity cannot be used.
        """
        return cls(await ServerSocket.bind(host, port), config, handler, limits)

    @property
    def address(self) -> Address:
        """The socket address in use."""
        return self._socket.address

    @property
    def associations(self) -> int:
        """Established associations."""
        return len(self._table)

    @property
    def half_open(self) -> int:
        """Handshakes in progress."""
        return self._table.half_open

    def reload(self, config: ServerTls) -> None:
        """Use another configuration for handshakes that start from now on.

        Raises:
            Misuse: the identity cannot be used; the old configuration stays in use.
        """
        self._engine = self._engine.reconfigured(config, self._loop.time())
        self._table.acceptor = self._engine

    async def close(self) -> None:
        """Send close_notify to every peer and close the socket."""
        self._table.close()
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def _receive(self, datagram: bytes, path: Path) -> None:
        self._table.receive(datagram, path, self._loop.time())

    def _handle_timeout(self) -> None:
        self._timer = None
        self._table.handle_timeout(self._loop.time())
        self._set_timer()

    def _set_timer(self) -> None:
        """Keep one timer; a deadline that moved away is noticed when the timer fires."""
        deadline = self._table.next_deadline()
        if deadline is None:
            return
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._handle_timeout)


class DtlsClient:
    """Makes one association over one connected socket; an `Owner` of it.

    The source port stays the same for the life of the connection, and belongs to it alone.
    """

    def __init__(
        self, socket: ConnectedSocket, config: ClientTls, handler: AssociationHandler
    ) -> None:
        """Start a handshake; `connect` waits for its end."""
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._handler = handler
        self._timer: asyncio.TimerHandle | None = None
        self._outcome: asyncio.Future[Association] = self._loop.create_future()
        now = self._loop.time()
        session = ClientEngine(config, datagram=True).session(now)
        self._association = Association(
            session, Path(socket.peer, socket.local), self, Limits().failed_records, now
        )
        socket.start(self._receive, self._unreachable)
        self._association.pump()
        self._set_timer()

    @classmethod
    async def connect(
        cls,
        address: Address,
        config: ClientTls,
        handler: AssociationHandler,
        *,
        timeout: float = 60.0,  # noqa: ASYNC109  the handshake's own limit
        local: Address | None = None,
    ) -> Association:
        """Make an association.

        Args:
            address: (host, port) or (host, port, flow, scope).
            config: how to secure it.
            handler: told what happens, `established` included.
            timeout: seconds for the whole handshake.
            local: address to send from; port 0 lets the system choose.

        Raises:
            LinkFailed: no answer in time, an alert, or ICMP says that nobody is there.
            Misuse: the identity cannot be used.
        """
        try:
            socket = await ConnectedSocket.connect(address, local)
        except OSError as error:
            raise LinkFailed(f"{address[0]}: {error.strerror}") from error
        client = cls(socket, config, handler)
        try:
            async with asyncio.timeout(timeout):
                return await client._outcome
        except TimeoutError:
            raise LinkFailed.timed_out(timeout) from None
        finally:
            client._give_up()

    def transmit(self, datagram: bytes, path: Path) -> None:  # noqa: ARG002  it has one peer
        """Send a datagram; see `Owner`."""
        self._socket.send(datagram)

    def established(self, association: Association) -> None:
        """Report success; see `Owner`."""
        self._handler.established(association)
        if not self._outcome.done():
            self._outcome.set_result(association)

    def received(self, association: Association, data: bytes) -> None:
        """Pass data on; see `Owner`."""
        self._handler.received(association, data)

    def ended(self, association: Association, error: LinkFailed | None) -> None:
        """Release the socket; see `Owner`."""
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()
        if association.was_established:
            self._handler.closed(association, error)
        if not self._outcome.done():
            self._outcome.set_exception(error or LinkFailed("closed"))

    def _give_up(self) -> None:
        if not self._association.was_established:
            self._outcome.cancel()
            self._association.close()

    def _receive(self, datagram: bytes) -> None:
        self._association.receive(datagram, self._loop.time())
        self._set_timer()

    def _unreachable(self, error: OSError) -> None:
        """End an attempt early. Later only a closed port counts: routes come and go."""
        if self._association.was_established and error.errno != errno.ECONNREFUSED:
            return
        self._association.end(LinkFailed(f"{self._socket.peer[0]}: {error.strerror}"))

    def _handle_timeout(self) -> None:
        self._timer = None
        self._association.handle_timeout(self._loop.time())
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._association.next_deadline()
        if deadline is not None and not self._association.closed:
            self._timer = self._loop.call_at(deadline, self._handle_timeout)
