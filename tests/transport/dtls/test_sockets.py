"""DTLS over real UDP sockets on the loopback."""

import asyncio
import socket
import time
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import pytest

from sztb.errors import Misuse, Unavailable
from sztb.transport.dtls import DtlsClient, DtlsServer, Limits
from sztb.transport.tls.config import ClientTls, ServerTls
from sztb.transport.tls.errors import LinkFailed
from tests.fakes.links import CLIENT, SERVER, Echo, Recorder, tls_identity
from tests.fakes.pki import make_pki


class Waiting(Recorder):
    """A recorder whose entries can be awaited."""

    def __init__(self):
        super().__init__()
        self.changed = asyncio.Event()

    def established(self, association):
        super().established(association)
        self.changed.set()

    def received(self, association, data):
        super().received(association, data)
        self.changed.set()

    def closed(self, association, error):
        super().closed(association, error)
        self.changed.set()

    async def until(self, *names):
        async with asyncio.timeout(5):
            while self.names[-len(names) :] != list(names):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def serving(host="::1", handler=None, **settings):
    server = await DtlsServer.bind(host, 0, SERVER, handler or Echo(), **settings)
    try:
        yield server
    finally:
        await server.close()


@pytest.mark.parametrize(
    ("bound", "called"),
    [
        ("::1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::", "::1"),
        ("::", "127.0.0.1"),
        ("::", "127.0.0.77"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.77"),  # only the address it was asked at is an answer
        ("localhost", "localhost"),
    ],
)
@pytest.mark.rule("R-04")
async def test_an_answer_comes_from_the_address_that_was_asked(bound, called):
    client = Waiting()
    async with serving(bound) as server:
        association = await DtlsClient.connect((called, server.address[1]), CLIENT, client)
        association.send(b"hello")
        await client.until("received")
        assert client.data == [b"hello"]
        assert server.associations == 1
        association.close()


async def test_the_source_port_stays_the_same_and_can_be_chosen():
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]
    client, handler = Waiting(), Echo()
    async with serving(handler=handler) as server:
        association = await DtlsClient.connect(
            server.address, CLIENT, client, local=("::1", port, 0, 0)
        )
        for _ in range(3):
            association.send(b"x")
            await client.until("received")
            client.log.clear()
        assert {a.peer_address[1] for _name, a, _value in handler.log} == {port}
        association.close()


@pytest.mark.parametrize("host", ["::1", "127.0.0.1"])
async def test_a_closed_port_ends_an_attempt_at_once(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(LinkFailed, match="refused"):
        await DtlsClient.connect((host, port), CLIENT, Recorder())
    assert time.monotonic() - began < 0.5


async def test_silence_ends_an_attempt_after_its_time():
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("::1", 0))
        with pytest.raises(LinkFailed, match="handshake"):
            await DtlsClient.connect(deaf.getsockname(), CLIENT, Recorder(), timeout=0.1)


async def test_a_lost_hello_is_sent_again():
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as deaf:
        deaf.bind(("::1", 0))
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        attempt = asyncio.create_task(
            DtlsClient.connect(deaf.getsockname(), CLIENT, Recorder(), timeout=3)
        )
        first = await loop.sock_recv(deaf, 2000)
        again = await loop.sock_recv(deaf, 2000)
        assert first[13:] == again[13:]
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt


async def test_a_failure_names_the_alert():
    config = ClientTls(None)
    async with serving() as server:
        with pytest.raises(LinkFailed) as caught:
            await DtlsClient.connect(server.address, config, Recorder())
        assert caught.value.by_peer
        assert isinstance(caught.value, Unavailable)
        assert server.half_open == 0


async def test_an_unknown_host_is_a_failed_link():
    with pytest.raises(LinkFailed):
        await DtlsClient.connect(("no-such-host.invalid", 5684), CLIENT, Recorder())


async def test_close_notify_goes_both_ways():
    heard, client = Waiting(), Waiting()
    async with serving(handler=heard) as server:
        association = await DtlsClient.connect(server.address, CLIENT, client)
        association.close()
        await heard.until("closed")
        assert heard.log[-1][2] is None
        again = await DtlsClient.connect(server.address, CLIENT, client)
    await client.until("closed")
    assert client.log[-1][2] is None
    assert again.closed


async def test_a_server_that_vanishes_is_noticed_by_the_next_datagram():
    client = Waiting()
    server = await DtlsServer.bind("::1", 0, SERVER, Echo())
    association = await DtlsClient.connect(server.address, CLIENT, client)
    server._socket.close()  # as if killed: no close_notify
    association.send(b"anyone?")
    await client.until("closed")
    assert isinstance(client.log[-1][2], LinkFailed)
    await server.close()


async def test_a_client_that_comes_back_on_its_port_is_served():
    async with serving() as server:
        local = None
        for number in range(3):
            client = Waiting()
            association = await DtlsClient.connect(server.address, CLIENT, client, local=local)
            local = association.local_address
            association.send(b"%d" % number)
            await client.until("received")
            association._owner._socket.close()  # as if it lost power


async def test_a_reloaded_server_shows_its_new_chain_to_new_peers_only():
    other = ServerTls(tls_identity(make_pki().another_registrar()))
    client = Waiting()
    async with serving() as server:
        old = await DtlsClient.connect(server.address, CLIENT, client)
        server.reload(other)
        new = await DtlsClient.connect(server.address, CLIENT, client)
        assert (old.peer_chain, new.peer_chain) == (SERVER.identity.chain, other.identity.chain)
        old.send(b"still")
        await client.until("received")
        with pytest.raises(Misuse):
            server.reload(ServerTls(replace(other.identity, key=CLIENT.identity.key)))
        await DtlsClient.connect(server.address, CLIENT, client)


async def test_idle_associations_are_closed_by_the_timer():
    client = Waiting()
    async with serving(limits=Limits(idle_seconds=0.1)) as server:
        await DtlsClient.connect(server.address, CLIENT, client)
        await client.until("closed")
        assert server.associations == 0


async def test_many_clients_at_once():
    client = Waiting()
    async with serving() as server:
        links = await asyncio.gather(
            *(DtlsClient.connect(server.address, CLIENT, client) for _ in range(60))
        )
        assert server.associations == 60
        for link in links:
            link.send(b"x")
        while len(client.data) < 60:
            client.changed.clear()
            await asyncio.wait_for(client.changed.wait(), 5)
        for link in links:
            link.close()


async def test_garbage_from_many_sources_is_survived():
    async with serving() as server:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as noisy:
            for size in range(300):
                noisy.sendto(bytes([size % 256]) * size, server.address)
        association = await DtlsClient.connect(server.address, CLIENT, Recorder())
        assert association.established
        association.close()


async def test_link_local_addresses_need_their_scope():
    scoped = _link_local()
    if scoped is None:
        pytest.skip("no interface with a link-local address")
    host, name, index = scoped
    client = Waiting()
    for bound in (f"{host}%{name}", "::"):
        async with serving(bound) as server:
            port = server.address[1]
            for address in ((host, port, 0, index), (f"{host}%{name}", port)):
                association = await DtlsClient.connect(address, CLIENT, client)
                assert association.peer_address[3] == index
                association.send(b"here")
                await client.until("received")
                association.close()


def _link_local():
    """Return (address, interface name, index) of a link-local address of ours."""
    with open("/proc/net/if_inet6", encoding="ascii") as lines:  # noqa: PTH123
        for line in lines:
            digits, index, _length, scope, _flags, name = line.split()
            if scope == "20":
                address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
                return address, name, int(index, 16)
    return None


async def test_an_address_in_use_is_an_error_at_once():
    async with serving() as server:
        with pytest.raises(OSError, match="in use"):
            await DtlsServer.bind("::1", server.address[1], SERVER, Echo())


async def relay(through, server, seen):
    """Carry datagrams between the first who sends and `server`."""
    loop = asyncio.get_running_loop()
    client = None
    while True:
        datagram, source = await loop.sock_recvfrom(through, 4000)
        client = client or source
        seen.append((source == client, len(datagram)))
        await loop.sock_sendto(through, datagram, server if source == client else client)


async def test_a_slow_path_gets_small_datagrams():
    seen = []
    config = replace(CLIENT, max_fragment_length=512, max_datagram=600)
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as through:
        through.bind(("::1", 0))
        through.setblocking(False)
        async with serving() as server:
            relaying = asyncio.create_task(relay(through, server.address, seen))
            association = await DtlsClient.connect(through.getsockname(), config, Recorder())
            association.close()
            relaying.cancel()
            with pytest.raises(asyncio.CancelledError):
                await relaying
    assert max(size for from_client, size in seen if from_client) <= 600
    assert max(size for from_client, size in seen if not from_client) <= 541
