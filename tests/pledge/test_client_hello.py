"""What the very first datagram of a pledge offers (cbrski.md 4.1, 4.2)."""

import asyncio
import socket

import pytest

from pledge.environment import real_environment
from sztb.discovery.offers import Endpoint
from sztb.transport.tls.errors import LinkFailed

DTLS_1_2 = 0xFEFD
CCM_8 = 0xC0AE
SECP256R1 = 0x0017
EXTENSIONS = {"server_name": 0, "max_fragment_length": 1, "groups": 10, "versions": 43}


class Reader:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, length):
        self.position += length
        return self.data[self.position - length : self.position]

    def number(self, length):
        return int.from_bytes(self.take(length))

    def vector(self, length):
        return self.take(self.number(length))


def parse(datagram):
    """Version, suites and extensions of a ClientHello (RFC 6347 4.2, RFC 5246 7.4.1.2)."""
    record = Reader(datagram)
    assert record.number(1) == 22  # handshake
    record.take(2 + 8)
    message = Reader(record.vector(2))
    assert message.number(1) == 1  # ClientHello
    message.take(3 + 2 + 3 + 3)
    version = message.number(2)
    message.take(32)
    message.vector(1)  # session
    message.vector(1)  # cookie
    suites = Reader(message.vector(2))
    message.vector(1)  # compression
    listed = Reader(message.vector(2))
    extensions = {}
    while listed.position < len(listed.data):
        kind = listed.number(2)
        extensions[kind] = listed.vector(2)
    count = len(suites.data) // 2
    return version, {suites.number(2) for _ in range(count)}, extensions


async def first_datagram(device, **settings):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as listening:
        listening.bind(("::1", 0))
        listening.setblocking(False)
        endpoint = Endpoint("::1", listening.getsockname()[1])
        connect = real_environment(handshake_seconds=5.0, **settings).connect
        connecting = asyncio.ensure_future(connect(endpoint, device.factory.tls))
        async with asyncio.timeout(5):
            datagram = await loop.sock_recv(listening, 2000)
        connecting.cancel()
        with pytest.raises((asyncio.CancelledError, LinkFailed)):
            await connecting
    return datagram


@pytest.mark.rule("P-06", "P-07", "P-09")
async def test_it_offers_dtls_1_2_with_the_one_suite_and_no_name(device):
    version, suites, extensions = parse(await first_datagram(device))
    assert version == DTLS_1_2
    assert suites - {0x00FF, 0x5600} == {CCM_8}  # and signalling values
    assert EXTENSIONS["versions"] not in extensions
    assert EXTENSIONS["server_name"] not in extensions
    groups = extensions[EXTENSIONS["groups"]]
    assert groups == (2).to_bytes(2) + SECP256R1.to_bytes(2)


@pytest.mark.rule("P-08")
@pytest.mark.parametrize(("size", "code"), [(512, b"\x01"), (1024, b"\x02")])
async def test_it_asks_for_small_fragments(device, size, code):
    datagram = await first_datagram(device, max_fragment_length=size)
    _, _, extensions = parse(datagram)
    assert extensions[EXTENSIONS["max_fragment_length"]] == code
    assert len(datagram) <= 1024
