"""A UDP path between devices and a registrar on which the test decides about every datagram."""

import asyncio
import contextlib
import random
import socket
from contextlib import asynccontextmanager

from sztb.discovery.offers import Endpoint

AT_ONCE = (0.0,)
LOST = ()


class Path:
    """Sees every datagram: returns after how many seconds copies of it arrive.

    Attributes:
        count: datagrams so far, both ways.
    """

    count = 0

    def __call__(self, datagram, *, to_server):
        self.count += 1
        return AT_ONCE


class Dies(Path):
    """Is dead from the n-th datagram on; `at_death` is called once."""

    def __init__(self, nth, at_death=lambda: None):
        self.nth, self.at_death = nth, at_death

    def __call__(self, datagram, *, to_server):
        super().__call__(datagram, to_server=to_server)
        if self.count == self.nth:
            self.at_death()
        return LOST if self.dead else AT_ONCE

    @property
    def dead(self):
        return self.count >= self.nth


class Lossy(Path):
    """Loses, doubles and overtakes, by seed.

    Each way `loss` of the datagrams are lost; of the rest `doubled` come twice and `late` are so
    late that the next ones overtake them.
    """

    def __init__(self, seed, loss=0.2, doubled=0.1, late=0.2):
        self.random = random.Random(seed)
        self.loss, self.doubled, self.late = loss, doubled, late
        self.lost = 0

    def __call__(self, datagram, *, to_server):
        super().__call__(datagram, to_server=to_server)
        if self.random.random() < self.loss:
            self.lost += 1
            return LOST
        copies = 2 if self.random.random() < self.doubled else 1
        return [self._delay() for _ in range(copies)]

    def _delay(self):
        return self.random.uniform(0.01, 0.05) if self.random.random() < self.late else 0.0


class Relay:
    """Gives each device a port of its own towards the registrar, or all of them the same one."""

    def __init__(self, server, path, *, one_port):
        self.server, self.path, self.one_port = server, path, one_port
        self.loop = asyncio.get_running_loop()
        self.front = self._open(self._from_devices)
        self.front.bind(("::1", 0))
        self.behind = {}  # device's address, None for all: socket towards the registrar
        self.device = {}  # the same key: the device's address

    @property
    def endpoint(self):
        return Endpoint("::1", self.front.getsockname()[1])

    def close(self):
        """From now on the network says that nobody is there."""
        for each in (self.front, *self.behind.values()):
            if each.fileno() >= 0:
                self.loop.remove_reader(each)
                each.close()

    def _open(self, readable, *arguments):
        opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        opened.setblocking(False)
        self.loop.add_reader(opened, readable, *arguments)
        return opened

    def _from_devices(self):
        for datagram, address in received(self.front):
            key = None if self.one_port else address
            self.device[key] = address
            if key not in self.behind:
                self.behind[key] = self._open(self._from_registrar, key)
                self.behind[key].connect((self.server.host, self.server.port))
            self._carry(datagram, self.behind[key].send, to_server=True)

    def _from_registrar(self, key):
        for datagram, _ in received(self.behind[key]):
            self._carry(datagram, lambda data: self._to_device(key, data), to_server=False)

    def _to_device(self, key, datagram):
        self.front.sendto(datagram, self.device[key])

    def _carry(self, datagram, send, *, to_server):
        for delay in self.path(datagram, to_server=to_server):
            self.loop.call_later(delay, attempt, send, datagram)


def received(opened):
    """Take what is there; closed meanwhile, or nobody behind it: nothing is."""
    while opened.fileno() >= 0:
        try:
            yield opened.recvfrom(65536)
        except OSError:
            return


def attempt(send, datagram):
    """Send as the network does: without a promise."""
    with contextlib.suppress(OSError):
        send(datagram)


@asynccontextmanager
async def relay(server, path, *, one_port=False):
    """Carry datagrams to and from the registrar at `server`, as `path` says."""
    opened = Relay(server, path, one_port=one_port)
    try:
        yield opened
    finally:
        opened.close()
