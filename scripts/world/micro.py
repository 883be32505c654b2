"""Figures of single parts: DTLS handshakes, idle associations, the join proxy, a pledge's start."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from pledge.daemon import parse_endpoint
from pledge.identity import load_factory
from sztb.transport.association import AssociationHandler
from sztb.transport.dtls import DtlsClient
from sztb.transport.memory import MemoryNetwork
from sztb.transport.tls.config import ClientTls, ServerTls

from .build import World
from .processes import Daemon, WorldError

HANDSHAKES = 300
CLIENTS = 30  # of one server in memory
SERVER = ("2001:db8::1", 5684, 0, 0)
IDLE = 1000
DATAGRAM = bytes(200)
WINDOW = 64  # datagrams under way at once through the join proxy


class Quiet(AssociationHandler):
    """Wants to know nothing."""

    def established(self, association: object) -> None:
        """Nothing."""

    def received(self, association: object, data: bytes) -> None:
        """Nothing."""

    def closed(self, association: object, error: Exception | None) -> None:
        """Nothing."""


def handshakes_per_second(factory: Path) -> float:
    """Full mutual DTLS handshakes per second and core, both ends and the cookie included."""
    identity = load_factory(factory, None).tls
    began = time.process_time()
    for _ in range(HANDSHAKES // CLIENTS):
        network = MemoryNetwork()
        network.serve(SERVER, ServerTls(identity), Quiet())
        for number in range(CLIENTS):
            local = (SERVER[0], 10_000 + number, 0, 0)
            client = network.connect(local, SERVER, ClientTls(identity), Quiet())
            network.run(0.1)
            if not client.was_established:
                raise WorldError("a handshake in memory failed")
    return HANDSHAKES / (time.process_time() - began)


async def _open_idle(world: World, factory: Path) -> list[object]:
    identity = load_factory(factory, None).tls
    endpoint = parse_endpoint(f"[::1]:{world.registrar_port}")
    opened: list[object] = []
    for _ in range(IDLE // 20):
        opened += await asyncio.gather(*(
            DtlsClient.connect(endpoint.address, ClientTls(identity), Quiet(), timeout=20)
            for _ in range(20)
        ))  # fmt: skip
    return opened


def bytes_per_idle_association(world: World, factory: Path) -> float:
    """Memory of the registrar per association that is open and silent."""
    registrar = world.daemons["registrar"]

    async def measure() -> float:
        before = registrar.usage().rss_bytes
        opened = await _open_idle(world, factory)
        grown = registrar.usage().rss_bytes - before
        for association in opened:
            association.close()  # type: ignore[attr-defined]
        return grown / len(opened)

    return asyncio.run(measure())


def proxy_datagrams_per_second(world: World, seconds: float) -> float:
    """Datagrams relayed per second of the join proxy's CPU time, both directions counted."""
    proxy, link = world.daemons["join_proxy"], world.link
    assert link is not None
    scope = socket.if_nametoindex(link.devices)
    target = _join_socket_address(proxy, scope)
    echo = _udp("::1", world.registrar_port)
    pledges = [_udp() for _ in range(8)]
    relayed, before = 0, proxy.usage().cpu_seconds
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        relayed += sum(_volley(pledge, echo, target) for pledge in pledges)
    return relayed / max(proxy.usage().cpu_seconds - before, 1e-9)


def _volley(pledge: socket.socket, echo: socket.socket, target: tuple[str, int, int, int]) -> int:
    """Send a window of datagrams up and what arrived down again; count what came out."""
    for _ in range(WINDOW):
        pledge.sendto(DATAGRAM, target)
    return _drain(echo, echo_back=True) + _drain(pledge, echo_back=False)


def _drain(receiving: socket.socket, *, echo_back: bool) -> int:
    count = 0
    while count < WINDOW:
        try:
            datagram, source = receiving.recvfrom(2048)
        except TimeoutError:
            break
        count += 1
        if echo_back:
            receiving.sendto(datagram, source)
    return count


def _udp(address: str = "::", port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.bind((address, port))
    made.settimeout(0.2)
    return made


def _join_socket_address(proxy: Daemon, scope: int) -> tuple[str, int, int, int]:
    found = re.search(r"join_port=(?:\x1b\[\d+m)*(\d+)", proxy.log.read_text())
    table = Path("/proc/net/if_inet6").read_text()
    if found is None:
        raise WorldError("the join proxy does not serve its link")
    address = next(row.split()[0] for row in table.splitlines() if row.endswith("sztb0"))
    host = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
    return host, int(found[1]), 0, scope


def pledge_start(config: Path, registrar_port: int) -> tuple[float, float]:
    """Peak resident memory in MB of one whole onboarding, and seconds to the first packet."""
    listener = _udp("::1")
    listener.settimeout(10)
    port = listener.getsockname()[1]
    command = [sys.executable, "-m", "pledge", "run", "--config", str(config)]
    began = time.monotonic()
    first = subprocess.Popen([*command, "--registrar", f"[::1]:{port}"])
    listener.recvfrom(2048)
    seconds = time.monotonic() - began
    first.kill()
    first.wait()
    # Without --once the pledge stays: its memory can be read when it is onboarded.
    pledge = subprocess.Popen([*command, "--registrar", f"[::1]:{registrar_port}"])
    state = config.parent / "state" / "current"
    try:
        while not state.exists():
            if pledge.poll() is not None:
                raise WorldError(f"pledge: exit {pledge.returncode}")
            time.sleep(0.05)
        time.sleep(0.5)
        return _peak_mb(pledge.pid), seconds
    finally:
        pledge.terminate()
        pledge.wait()


def _peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise WorldError("no VmHWM in /proc")
    return int(found[1]) / 1024
