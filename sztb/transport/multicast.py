"""Link-local multicast over IPv6: asking on several interfaces, and answering (discovery.md 11).

Two small sockets around callbacks. What is asked and who is answered is decided by
`sztb.discovery`; the roles join both. Linux only: scopes are interface indexes.
"""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Protocol

from sztb.codepoints.coap import COAP_PORT
from sztb.codepoints.links import ALL_COAP_NODES_LINK_LOCAL
from sztb.errors import Unavailable

MAX_DATAGRAM = 1280  # bytes looked at; longer ones are cut by the kernel and then refused
MAX_BURST = 64  # datagrams read before the loop gets its turn
LINK_LOCAL_SCOPE = 0x20  # in /proc/net/if_inet6

_IF_INET6 = Path("/proc/net/if_inet6")
_IPV6_MULTICAST_ALL = 29  # linux/in6.h: 0 = only the groups this socket joined
_PKTINFO = struct.Struct("@16sI")  # struct in6_pktinfo: address, ifindex
_NO_ADDRESS = bytes(16)

SocketAddress = tuple[str, int, int, int]  # host, port, flow, scope: IPv6 addresses as Python's


@dataclass(frozen=True, slots=True)
class Arrival:
    """One received datagram.

    Attributes:
        datagram: at most `MAX_DATAGRAM` bytes.
        source: socket address of the sender, with its scope when link-local.
        ifindex: the interface it came in by.
        destination: IPv6 address it was sent to; empty on an asking socket.
    """

    datagram: bytes
    source: SocketAddress
    ifindex: int
    destination: str = ""

    @property
    def host(self) -> str:
        """The sender's address without scope."""
        return self.source[0].partition("%")[0]

    @property
    def is_multicast(self) -> bool:
        """True when the datagram was sent to a group."""
        return bool(self.destination) and IPv6Address(self.destination).is_multicast


class Delayed(Protocol):
    """A datagram to send to where a query came from, some seconds later."""

    @property
    def datagram(self) -> bytes:
        """What to send."""

    @property
    def delay(self) -> float:
        """Seconds to wait."""


def link_local_interfaces(table: Path = _IF_INET6) -> tuple[int, ...]:
    """The indexes of the interfaces that have a link-local IPv6 address now, ascending."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()]
    except OSError:
        return ()
    return tuple(sorted({int(row[1], 16) for row in rows if int(row[3], 16) == LINK_LOCAL_SCOPE}))


class MulticastQuerier:
    """Asks a group on chosen interfaces and hands up every answer.

    One socket per interface, so that an answer is known to come from the link that was asked.
    """

    def __init__(self, on_answer: Callable[[Arrival], None]) -> None:
        """Prepare without opening anything.

        Args:
            on_answer: called in the event loop for each datagram that arrives.
        """
        self._on_answer = on_answer
        self._sockets: dict[int, socket.socket] = {}

    @property
    def interfaces(self) -> tuple[int, ...]:
        """The interfaces that have been asked."""
        return tuple(self._sockets)

    def ask(
        self,
        ifindex: int,
        datagram: bytes,
        group: str = ALL_COAP_NODES_LINK_LOCAL,
        port: int = COAP_PORT,
    ) -> None:
        """Send a query on one interface; answers come to ``on_answer`` until `close`.

        Raises:
            Unavailable: the interface cannot send now.
        """
        try:
            if ifindex not in self._sockets:
                self._sockets[ifindex] = self._open(ifindex)
            self._sockets[ifindex].sendto(datagram, (group, port, 0, ifindex))
        except OSError as error:
            self.forget(ifindex)
            raise Unavailable(f"cannot ask on interface {ifindex}: {error.strerror}") from error

    def forget(self, ifindex: int) -> None:
        """Close the socket of one interface; nothing happens when there is none."""
        gone = self._sockets.pop(ifindex, None)
        if gone is not None:
            _unwatch(gone)

    def close(self) -> None:
        """Stop listening for answers."""
        for ifindex in self.interfaces:
            self.forget(ifindex)

    def _open(self, ifindex: int) -> socket.socket:
        asking = _udp_socket()
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, ifindex)
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
        asking.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
        asking.bind(("::", 0))
        _watch(asking, lambda arrival: self._arrived(ifindex, arrival))
        return asking

    def _arrived(self, ifindex: int, arrival: Arrival) -> None:
        if arrival.ifindex == ifindex:  # a link cannot answer for another one
            self._on_answer(arrival)


class MulticastAnswerer:
    """Listens on one port for queries to groups and to this host, and sends answers after a delay.

    The port is opened with SO_REUSEADDR: join proxy and registrar of one host both hear
    multicast, while unicast reaches the one that started last (discovery.md 11).
    """

    def __init__(
        self, listening: socket.socket, handler: Callable[[Arrival], Delayed | None]
    ) -> None:
        """Use `open`."""
        self._socket = listening
        self._handler = handler
        self._pending: set[asyncio.TimerHandle] = set()

    @classmethod
    async def open(
        cls,
        memberships: Iterable[tuple[str, int]],
        handler: Callable[[Arrival], Delayed | None],
        *,
        port: int = COAP_PORT,
    ) -> "MulticastAnswerer":
        """Join the groups and start to answer.

        Args:
            memberships: group address and interface index, for example ``("ff02::fd", 3)``.
            handler: decides on each datagram; None is silence. Must not raise.
            port: UDP port (RFC 7252 7.1 names 5683; D-16).

        Raises:
            OSError: the port is taken, or an interface is not there.
        """
        listening = _udp_socket()
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            listening.bind(("::", port))
            answerer = cls(listening, handler)
            for group, ifindex in memberships:
                answerer.join(group, ifindex)
        except OSError:
            listening.close()
            raise
        _watch(listening, answerer._arrived)
        return answerer

    @property
    def port(self) -> int:
        """The UDP port in use."""
        return int(self._socket.getsockname()[1])

    def join(self, group: str, ifindex: int) -> None:
        """Listen to a group on an interface, for example after the interface came back.

        Raises:
            OSError: no such interface, or already joined.
        """
        membership = _PKTINFO.pack(IPv6Address(group).packed, ifindex)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)

    async def close(self) -> None:
        """Stop; answers that wait for their delay are dropped."""
        for timer in self._pending:
            timer.cancel()
        self._pending.clear()
        _unwatch(self._socket)

    def _arrived(self, arrival: Arrival) -> None:
        answer = self._handler(arrival)
        if answer is None:
            return
        self._pending = {timer for timer in self._pending if not _is_over(timer)}
        loop = asyncio.get_running_loop()
        self._pending.add(loop.call_later(answer.delay, self._send, answer, arrival))

    def _send(self, answer: Delayed, to: Arrival) -> None:
        # The address that was asked answers; for a group the kernel takes the link-local one.
        own = _NO_ADDRESS if to.is_multicast else IPv6Address(to.destination).packed
        control = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PKTINFO.pack(own, to.ifindex))
        try:
            self._socket.sendmsg([answer.datagram], [control], 0, to.source)
        except OSError:
            return  # a lost answer: the asker repeats its query


def _is_over(timer: asyncio.TimerHandle) -> bool:
    return timer.when() < asyncio.get_running_loop().time()


def _udp_socket() -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return made


def _watch(watched: socket.socket, arrived: Callable[[Arrival], None]) -> None:
    asyncio.get_running_loop().add_reader(watched, _read, watched, arrived)


def _unwatch(watched: socket.socket) -> None:
    asyncio.get_running_loop().remove_reader(watched)
    watched.close()


def _read(watched: socket.socket, arrived: Callable[[Arrival], None]) -> None:
    for _ in range(MAX_BURST):
        try:
            data, controls, flags, source = watched.recvmsg(
                MAX_DATAGRAM, socket.CMSG_SPACE(_PKTINFO.size)
            )
        except OSError:  # nothing left, or closed by a callback
            return
        if flags & socket.MSG_TRUNC:
            continue
        for level, kind, value in controls:
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                address, ifindex = _PKTINFO.unpack(value[: _PKTINFO.size])
                arrived(Arrival(data, source, ifindex, str(IPv6Address(address))))
