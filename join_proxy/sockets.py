"""The sockets of the join proxy: join side, upstream side, raw ICMPv6; no rules here."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv6Address

from sztb.errors import Unavailable

from .icmp import error_message
from .limits import Rate, TokenBucket
from .stateful import Left, Unreachable

MAX_BURST = 64  # datagrams read from one socket before the loop gets its turn
MAX_DATAGRAM = 2048  # bytes read; the machine drops what is over its limit
RECEIVE_BUFFER = 1 << 20
_IPV6_RECVERR = 25  # linux/in6.h; the socket module has no name for it
_IP_RECVERR = 11  # linux/in.h
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err: errno, origin, type, code
_ORIGIN_ICMP6 = 3
_ICMP_RATE = Rate(1, 1)  # JD11: per pledge
_MAX_TOLD = 256


class JoinSocket:
    """A UDP socket on one link-local address; the pledge gets answers from where it sent to."""

    def __init__(
        self, address: str, port: int, ifindex: int, arrived: Callable[[bytes, Left], None]
    ) -> None:
        """Bind and start to listen.

        Args:
            address: link-local address of the interface.
            port: join-port, 0 for any.
            ifindex: the interface.
            arrived: called for every datagram.

        Raises:
            OSError: the address is not (yet) there or the port is taken.
        """
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        try:
            self._socket.bind((address, port, 0, ifindex))
        except OSError:
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        self._address, self._ifindex, self._arrived = address, ifindex, arrived
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def send(self, left: Left, datagram: bytes) -> None:
        """Send to a pledge; a full buffer loses the datagram, as a network may."""
        with contextlib.suppress(OSError):
            self._socket.sendto(datagram, (left.pledge, left.pledge_port, 0, left.ifindex))

    def close(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        for _ in range(MAX_BURST):
            try:
                datagram, source = self._socket.recvfrom(MAX_DATAGRAM)
            except OSError:
                return
            host = source[0].partition("%")[0]
            self._arrived(datagram, Left(self._ifindex, host, source[1], self._address, self.port))


class UpstreamSocket:
    """One connected socket per circuit: the kernel keeps foreign sources out (J-01, J-04)."""

    def __init__(
        self,
        registrar: tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]],
        arrived: Callable[[bytes], None],
        failed: Callable[[int, int], None],
    ) -> None:
        """Open and connect.

        Args:
            registrar: address family and socket address.
            arrived: called with every datagram.
            failed: called with type and code of every ICMPv6 error.

        Raises:
            OSError: no route, or no descriptors left.
        """
        family, address = registrar
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(address)
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        except OSError:
            self._socket.close()
            raise
        self._arrived, self._failed = arrived, failed
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def send(self, datagram: bytes) -> None:
        """Send to the registrar; an error that waits on the socket is read first."""
        try:
            self._socket.send(datagram)
        except ConnectionRefusedError:
            self._read_errors()
            with contextlib.suppress(OSError):
                self._socket.send(datagram)
        except OSError:
            return

    def close(self) -> None:
        """Close the socket."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        for _ in range(MAX_BURST):
            try:
                datagram = self._socket.recv(MAX_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:
                self._read_errors()
                return
            self._arrived(datagram)
            if self._socket.fileno() < 0:  # closed by what the datagram led to
                return
        self._read_errors()

    def _read_errors(self) -> None:
        """Hand up what the error queue holds (ICMPv6 only; IPv4 errors have no type here)."""
        for _ in range(MAX_BURST):
            try:
                _, controls, _, _ = self._socket.recvmsg(0, 128, socket.MSG_ERRQUEUE)
            except OSError:
                return
            for _, _, value in controls:
                if len(value) >= _EXTENDED_ERROR.size:
                    _, origin, kind, code, *_ = _EXTENDED_ERROR.unpack_from(value)
                    if origin == _ORIGIN_ICMP6:
                        self._failed(kind, code)
                    if self._socket.fileno() < 0:
                        return


class IcmpSender:
    """Tells pledges of errors by raw ICMPv6, at most once a second each (JD11)."""

    def __init__(self) -> None:
        """Open the raw socket.

        Raises:
            Unavailable: the process lacks CAP_NET_RAW.
        """
        try:
            self._socket = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        except PermissionError as error:
            raise Unavailable("no CAP_NET_RAW: pledges are not told of ICMP errors") from error
        self._socket.setblocking(False)
        self._told: dict[tuple[int, str], TokenBucket] = {}

    def send(self, error: Unreachable, now: float) -> None:
        """Send one error unless this pledge was told within the last second."""
        left = error.left
        key = (left.ifindex, left.pledge)
        bucket = self._told.pop(key, None) or TokenBucket(_ICMP_RATE, filled_at=now)
        self._told[key] = bucket
        if len(self._told) > _MAX_TOLD:
            del self._told[next(iter(self._told))]
        if not bucket.take(now):
            return
        message = error_message(error.icmp_type, error.icmp_code, left, error.datagram)
        source = struct.pack("@16sI", IPv6Address(left.join).packed, left.ifindex)
        with contextlib.suppress(OSError):  # the pledge is gone or the link is down
            self._socket.sendmsg(
                [message],
                [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)],
                0,
                (left.pledge, 0, 0, left.ifindex),
            )

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
