"""What the CoAPS tests share: identities, raw associations, a network that loses datagrams."""

import asyncio
from contextlib import asynccontextmanager

from sztb.transport.coaps_client import CoapsClient
from sztb.transport.coaps_server import CoapsServer
from sztb.transport.dtls import DtlsClient
from sztb.transport.tls.config import ClientTls, ServerTls, TlsIdentity
from tests.fakes.pki import make_pki


def device():
    made = make_pki().device("SN-1")
    return TlsIdentity(made.chain, made.key)


def registrar():
    made = make_pki().registrar
    return TlsIdentity(made.chain, made.key)


def client_tls(**changes):
    return ClientTls(device(), **changes)


@asynccontextmanager
async def serving(handler, grace=1.0, **options):
    server = await CoapsServer.bind("127.0.0.1", 0, ServerTls(registrar()), handler, **options)
    try:
        yield server
    finally:
        await server.close(grace)


@asynccontextmanager
async def connected(address, **changes):
    client = await CoapsClient.connect(address, client_tls(**changes), timeout=10)
    try:
        yield client
    finally:
        await client.close()


class RawPeer:
    """An association of which the test writes and reads each record."""

    def __init__(self):
        self.records = asyncio.Queue()
        self.ended = asyncio.Event()

    @classmethod
    async def connect(cls, address, **changes):
        peer = cls()
        tls = client_tls(**changes)
        peer.association = await DtlsClient.connect(address, tls, peer, timeout=10)
        return peer

    def established(self, association):
        pass

    def received(self, association, data):
        self.records.put_nowait(data)

    def closed(self, association, error):
        self.ended.set()

    def send(self, data):
        self.association.send(data)

    async def receive(self):
        async with asyncio.timeout(5):
            return await self.records.get()


def nothing(to_server, datagram):
    """Do not drop this datagram."""
    return False


class Nth:
    """Drops the nth datagram in each direction, or of both together."""

    def __init__(self, nth, *, each_way):
        self.nth = nth
        self.each_way = each_way
        self.counts = {True: 0, False: 0}

    def __call__(self, to_server, datagram):
        direction = to_server if self.each_way else True
        self.counts[direction] += 1
        return self.counts[direction] == self.nth


async def eventually(condition):
    """Wait until a condition holds, a few seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - of no interest to the code under test
            await asyncio.sleep(0.01)


class Relay(asyncio.DatagramProtocol):
    """Carries datagrams between one client and a server; drops those that `drop` picks."""

    def __init__(self, server):
        self.server = server
        self.drop = nothing
        self.dropped = 0
        self.client = None

    @classmethod
    @asynccontextmanager
    async def between(cls, server):
        loop = asyncio.get_running_loop()
        transport, relay = await loop.create_datagram_endpoint(
            lambda: cls(server), local_addr=("127.0.0.1", 0)
        )
        relay.address = transport.get_extra_info("sockname")
        try:
            yield relay
        finally:
            transport.close()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        to_server = addr != self.server
        if to_server:
            self.client = addr
        if self.drop(to_server, data):
            self.dropped += 1
        else:
            self.transport.sendto(data, self.server if to_server else self.client)
