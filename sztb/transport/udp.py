"""UDP sockets on the event loop: many datagrams per wake-up, answers from the address asked.

asyncio's own datagram transport reads one datagram per wake-up and tells nothing of the address
that a datagram came to, which a server on a wildcard address has to answer from.
"""

import asyncio
import errno
import ipaddress
import logging
import socket
import struct
from collections.abc import Callable
from typing import Self

from sztb.transport.association import Address, Path

RECEIVE_BUFFER = 4 << 20  # bytes asked of the kernel; it may give less
BATCH = 64  # datagrams per wake-up, so that timers and other sockets get their turn

_MAX_DATAGRAM = 1 << 16
_IP_RECVERR, _IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h; not named in `socket`
_IP_PKTINFO = 8
_PKTINFO4 = struct.Struct("=I4s4s")  # interface, local address, destination in the header
_PKTINFO6 = struct.Struct("=16sI")  # destination, interface
_ANCILLARY = socket.CMSG_SPACE(max(_PKTINFO4.size, _PKTINFO6.size))
_MAX_LOCAL_ADDRESSES = 1024
_NOBODY_THERE = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)

_log = logging.getLogger(__name__)

Ancillary = list[tuple[int, int, bytes]]


class ServerSocket:
    """An unconnected socket that answers from the address each datagram came to."""

    def __init__(self, bound: socket.socket) -> None:
        """Take over a bound, non-blocking socket."""
        self._socket = bound
        self._loop = asyncio.get_running_loop()
        self._receive: Callable[[bytes, Path], None] | None = None
        self._after: Callable[[], None] | None = None
        self._locals: dict[bytes, Address] = {}
        self._sources: dict[Address, Ancillary] = {}
        self.address: Address = bound.getsockname()
        self._wildcard = ipaddress.ip_address(self.address[0].partition("%")[0]).is_unspecified
        if self._wildcard and bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif self._wildcard:
            bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    @classmethod
    async def bind(cls, host: str, port: int) -> Self:
        """Open a socket on a local address; "::" takes IPv4 too.

        Raises:
            OSError: it cannot be bound.
        """
        family, address = await resolve((host, port))
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            opened.bind(address)
        except OSError:
            opened.close()
            raise
        return cls(opened)

    def start(
        self, receive: Callable[[bytes, Path], None], after: Callable[[], None] | None = None
    ) -> None:
        """Call `receive` with each datagram from now on, and `after` when no more are waiting."""
        self._receive, self._after = receive, after
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, datagram: bytes, path: Path) -> None:
        """Send one datagram from `path.local`; a full buffer loses it, as the network may."""
        try:
            if self._wildcard:
                ancillary = self._sources.get(path.local, [])
                self._socket.sendmsg((datagram,), ancillary, 0, path.peer)
            else:
                self._socket.sendto(datagram, path.peer)
        except OSError as error:
            _log.debug("datagram to %s not sent: %s", path.peer, error)

    def close(self) -> None:
        """Stop and close."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        try:
            self._read_batch()
        finally:
            if self._after is not None:
                self._after()

    def _read_batch(self) -> None:
        receive = self._receive
        for _ in range(BATCH):
            if receive is None or self._socket.fileno() < 0:
                return
            try:
                datagram, path = self._take()
            except BlockingIOError:
                return
            except OSError as error:
                _log.debug("receiving: %s", error)
                continue
            receive(datagram, path)

    def _take(self) -> tuple[bytes, Path]:
        if not self._wildcard:
            datagram, peer = self._socket.recvfrom(_MAX_DATAGRAM)
            return datagram, Path(peer, self.address)
        datagram, ancillary, _flags, peer = self._socket.recvmsg(_MAX_DATAGRAM, _ANCILLARY)
        return datagram, Path(peer, self._local(ancillary))

    def _local(self, ancillary: Ancillary) -> Address:
        """Return our address that the datagram came to."""
        if not ancillary:
            return self.address
        info = ancillary[0][2]
        known = self._locals.get(info)
        if known is not None:
            return known
        if len(self._locals) >= _MAX_LOCAL_ADDRESSES:
            self._locals.clear()
            self._sources.clear()
        local, source = _read_packet_info(info, self.address[1])
        self._locals[info] = local
        self._sources[local] = source
        return local


class ConnectedSocket:
    """A socket with one peer: the kernel keeps others out and reports ICMP errors."""

    def __init__(self, connected: socket.socket) -> None:
        """Take over a connected, non-blocking socket."""
        self._socket = connected
        self._loop = asyncio.get_running_loop()
        self._receive: Callable[[bytes], None] | None = None
        self._unreachable: Callable[[OSError], None] | None = None
        self.peer: Address = connected.getpeername()
        self.local: Address = connected.getsockname()

    @classmethod
    async def connect(cls, address: Address, local: Address | None = None) -> Self:
        """Open a socket to one peer.

        Args:
            address: (host, port) or (host, port, flow, scope).
            local: where to send from; port 0 lets the system choose.

        Raises:
            OSError: no such address or no route to it.
        """
        family, peer = await resolve(address)
        opened = socket.socket(family, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
            if local is not None:
                opened.bind(local)
            opened.connect(peer)
        except OSError:
            opened.close()
            raise
        return cls(opened)

    def start(
        self, receive: Callable[[bytes], None], unreachable: Callable[[OSError], None]
    ) -> None:
        """Call `receive` with each datagram, `unreachable` when ICMP says nobody is there."""
        self._receive = receive
        self._unreachable = unreachable
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, datagram: bytes) -> None:
        """Send one datagram; a full buffer loses it, as the network may."""
        for _ in range(2):  # the first call may report an older error instead of sending
            try:
                self._socket.send(datagram)
            except BlockingIOError:
                return
            except OSError as error:
                self._loop.call_soon(self._report, error)
            else:
                return

    def close(self) -> None:
        """Stop and close."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        for _ in range(BATCH):
            if self._receive is None or self._socket.fileno() < 0:
                return
            try:
                datagram = self._socket.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                self._report(error)
                continue
            self._receive(datagram)
        self._drain_errors()

    def _report(self, error: OSError) -> None:
        if error.errno in _NOBODY_THERE and self._unreachable is not None:
            self._unreachable(error)

    def _drain_errors(self) -> None:
        """Empty the error queue, or the loop would call us for it forever."""
        for _ in range(BATCH):
            if self._socket.fileno() < 0:
                return
            try:
                self._socket.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return


async def resolve(address: Address) -> tuple[socket.AddressFamily, Address]:
    """Return the family and the complete form of a socket address.

    Raises:
        OSError: the name or the scope is unknown.
    """
    host, port, *rest = address
    if rest:
        return socket.AF_INET6, address
    flags = socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)
    except socket.gaierror:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return found[0][0], found[0][4]


def _read_packet_info(info: bytes, port: int) -> tuple[Address, Ancillary]:
    """Return the local address in a pktinfo, and the ancillary data that sends from it.

    The interface is named only for link-local addresses: others may be answered by another way
    than the one they came.
    """
    if len(info) == _PKTINFO4.size:
        _interface, _local, destination = _PKTINFO4.unpack(info)
        source = _PKTINFO4.pack(0, destination, bytes(4))
        host = socket.inet_ntop(socket.AF_INET, destination)
        return (host, port), [(socket.IPPROTO_IP, _IP_PKTINFO, source)]
    destination, interface = _PKTINFO6.unpack(info)
    scope = interface if ipaddress.IPv6Address(destination).is_link_local else 0
    source = _PKTINFO6.pack(destination, scope)
    host = socket.inet_ntop(socket.AF_INET6, destination)
    return (host, port, 0, scope), [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)]
