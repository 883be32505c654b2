"""The shell of the join proxy: sockets around the machine, interfaces that come and go."""

import asyncio
import socket
from collections.abc import Sequence

import structlog

from sztb.codepoints.coap import COAPS_PORT
from sztb.codepoints.links import ALL_COAP_NODES_LINK_LOCAL
from sztb.daemon.clock import monotonic, random_bytes, random_uniform
from sztb.daemon.run import Lifetime
from sztb.discovery.coap_links import join_port_link
from sztb.discovery.responder import Asked, DelayedAnswer, Responder
from sztb.encoding.link_format import Link
from sztb.errors import Unavailable
from sztb.transport.multicast import Arrival, MulticastAnswerer

from .interfaces import JoinInterface, missing, usable
from .settings import Settings
from .sockets import IcmpSender, JoinSocket, UpstreamSocket
from .stateful import (
    CloseCircuit,
    Effect,
    Left,
    OpenCircuit,
    StatefulProxy,
    ToPledge,
    ToRegistrar,
    Unreachable,
)

log = structlog.get_logger("join-proxy")

LOOK_AGAIN = 5.0  # seconds between looks at the interfaces
RegistrarAddress = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


def resolve_registrar(text: str) -> RegistrarAddress:
    """Turn ``host``, ``host:port`` or ``[v6]:port`` into a socket address.

    Raises:
        Unavailable: the name does not resolve, or the text is no address.
    """
    host, port = text, str(COAPS_PORT)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 0xFFFF):
        raise Unavailable(f"registrar address '{text}': {port} is no port")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unavailable(f"registrar address '{text}': {error}") from error
    family, _, _, _, address = found[0]
    return family, address  # type: ignore[return-value]  # datagram families only


class JoinProxy:
    """A running stateful join proxy."""

    def __init__(self, settings: Settings, registrar: RegistrarAddress) -> None:
        self.machine = StatefulProxy(settings.limits.machine(settings.mtu))
        self._settings, self._registrar = settings, registrar
        self._joins: dict[JoinInterface, JoinSocket] = {}
        self._by_ifindex: dict[int, JoinSocket] = {}
        self._upstreams: dict[int, UpstreamSocket] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._answerer: MulticastAnswerer | None = None
        answers = settings.limits.answers(settings.leisure_seconds)
        self._responder = Responder(self._links, answers)
        self._icmp = self._open_icmp()

    @property
    def join_ports(self) -> dict[str, int]:
        """Interface name -> join-port of what is served now."""
        return {interface.name: join.port for interface, join in self._joins.items()}

    async def start(self) -> None:
        """Open the discovery port and the interfaces that are there.

        Raises:
            OSError: the discovery port cannot be opened.
        """
        self._answerer = await MulticastAnswerer.open((), self._asked)
        self.look_at_interfaces()

    def look_at_interfaces(self) -> None:
        """Serve what has come, stop what has gone."""
        now_there = usable(self._settings.interfaces)
        for interface in set(self._joins) - now_there:
            self._stop(interface)
        for interface in now_there - set(self._joins):
            self._serve(interface)

    async def close(self) -> None:
        """Close every socket."""
        for interface in list(self._joins):
            self._stop(interface)
        if self._answerer is not None:
            await self._answerer.close()
        if self._icmp is not None:
            self._icmp.close()
        if self._timer is not None:
            self._timer.cancel()

    def _serve(self, interface: JoinInterface) -> None:
        try:
            join = JoinSocket(
                interface.address, self._settings.join_port, interface.ifindex, self._from_pledge
            )
            if self._answerer is not None:
                self._answerer.join(ALL_COAP_NODES_LINK_LOCAL, interface.ifindex)
        except OSError as error:
            log.warning("interface not served", interface=interface.name, error=error.strerror)
            return
        self._joins[interface] = self._by_ifindex[interface.ifindex] = join
        log.info("serving", interface=interface.name, join_port=join.port)

    def _stop(self, interface: JoinInterface) -> None:
        self._joins.pop(interface).close()
        self._by_ifindex.pop(interface.ifindex, None)
        self._do(self.machine.interface_gone(interface.ifindex))
        log.info("no longer serving", interface=interface.name)

    def _links(self, ifindex: int) -> Sequence[Link]:
        """What discovery answers: J-18; nothing where no new pledge can be served (DD1)."""
        join = self._by_ifindex.get(ifindex)
        if join is None or not self.machine.has_room(ifindex):
            return ()
        return (join_port_link(join.port),)

    def _asked(self, arrival: Arrival) -> DelayedAnswer | None:
        asked = Asked(arrival.host, arrival.source[1], arrival.ifindex, arrival.is_multicast)
        return self._responder.receive(
            arrival.datagram,
            asked,
            monotonic(),
            message_id=int.from_bytes(random_bytes(2), "big"),
            spread=random_uniform(0, 1),
        )

    def _from_pledge(self, datagram: bytes, left: Left) -> None:
        self._do(self.machine.from_pledge(datagram, left, monotonic()))

    def _from_registrar(self, circuit: int, datagram: bytes) -> None:
        self._do(self.machine.from_registrar(circuit, datagram, monotonic()))

    def _registrar_error(self, circuit: int, icmp_type: int, icmp_code: int) -> None:
        self._do(self.machine.registrar_error(circuit, icmp_type, icmp_code))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case ToPledge(left, datagram):
                    self._send_down(left, datagram)
                case ToRegistrar(circuit, datagram):
                    self._send_up(circuit, datagram)
                case OpenCircuit(circuit):
                    self._open(circuit)
                case CloseCircuit(circuit):
                    self._close_upstream(circuit)
                case Unreachable():
                    self._tell(effect)
        if self._timer is None:
            self._set_timer()

    def _send_down(self, left: Left, datagram: bytes) -> None:
        join = self._by_ifindex.get(left.ifindex)
        if join is not None:
            join.send(left, datagram)

    def _send_up(self, circuit: int, datagram: bytes) -> None:
        upstream = self._upstreams.get(circuit)
        if upstream is not None:
            upstream.send(datagram)

    def _close_upstream(self, circuit: int) -> None:
        upstream = self._upstreams.pop(circuit, None)
        if upstream is not None:
            upstream.close()

    def _tell(self, error: Unreachable) -> None:
        if self._icmp is not None:
            self._icmp.send(error, monotonic())

    def _open(self, circuit: int) -> None:
        try:
            self._upstreams[circuit] = UpstreamSocket(
                self._registrar,
                lambda datagram: self._from_registrar(circuit, datagram),
                lambda kind, code: self._registrar_error(circuit, kind, code),
            )
        except OSError as error:
            log.warning("no way to the registrar", error=error.strerror)
            self._do(self.machine.upstream_failed(circuit))

    def _set_timer(self) -> None:
        deadline = self.machine.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - monotonic()), self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._do(self.machine.expire(monotonic()))

    @staticmethod
    def _open_icmp() -> IcmpSender | None:
        try:
            return IcmpSender()
        except Unavailable as error:
            log.info(str(error))
            return None


async def serve(settings: Settings, lifetime: Lifetime) -> None:
    """Run a join proxy until it is asked to stop."""
    proxy = JoinProxy(settings, resolve_registrar(settings.registrar))
    for name in missing(settings.interfaces):
        log.warning("no such interface yet, waiting for it", interface=name)
    try:
        await proxy.start()
        lifetime.ready(f"relaying to {settings.registrar}")
        while not lifetime.stop.is_set():
            try:
                await asyncio.wait_for(lifetime.stop.wait(), LOOK_AGAIN)
            except TimeoutError:
                proxy.look_at_interfaces()
    finally:
        await proxy.close()
        dropped = {why.name.lower(): count for why, count in proxy.machine.dropped.items()}
        log.info("stopped", **dropped)
