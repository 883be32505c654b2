"""The asyncio transport over TLS, used by a protocol that is not aiohttp's."""

import asyncio
import ssl

import pytest

from sztb.transport.tls.config import ServerTls
from sztb.transport.tls.engines import ServerEngine
from sztb.transport.tls_stream import StreamLimits, TlsStreams

from .coaps import eventually, registrar


class Recorder(asyncio.Protocol):
    def __init__(self):
        self.events = []
        self.data = bytearray()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.events.append("eof")

    def connection_lost(self, exc):
        self.events.append(type(exc).__name__ if exc else "lost")

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")


@pytest.fixture
async def world():
    """A server whose one protocol the test holds, and a client of Python's."""
    protocol = Recorder()
    engine = ServerEngine(ServerTls(registrar(), client_certificate="none"), datagram=False)
    streams = TlsStreams(engine, lambda: protocol, StreamLimits())
    server = await asyncio.get_running_loop().create_server(streams, "127.0.0.1", 0)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address, ssl=context)
    await eventually(lambda: protocol.events)
    yield protocol, reader, writer
    writer.close()
    server.close()
    await eventually(lambda: not streams.open)


async def test_data_both_ways(world):
    protocol, reader, writer = world
    writer.write(b"hello")
    await eventually(lambda: protocol.data == b"hello")
    protocol.transport.writelines([b"wor", bytearray(b"l"), memoryview(b"d")])
    assert await reader.readexactly(5) == b"world"
    assert not protocol.transport.can_write_eof()
    assert protocol.transport.get_extra_info("peer_chain") == ()


async def test_another_protocol_takes_over(world):
    protocol, _reader, writer = world
    other = Recorder()
    protocol.transport.set_protocol(other)
    assert protocol.transport.get_protocol() is other
    writer.write(b"hello")
    await eventually(lambda: other.data == b"hello")


async def test_the_peer_ends_the_stream(world):
    protocol, _reader, writer = world
    writer.close()
    await eventually(lambda: protocol.events[-1] == "lost")
    assert protocol.events == ["made", "eof", "lost"]
    protocol.transport.write(b"too late")
    protocol.transport.close()
    assert protocol.transport.is_closing()


async def test_the_peer_breaks_off(world):
    protocol, _reader, writer = world
    writer.transport.abort()
    await eventually(lambda: len(protocol.events) == 2)
    assert protocol.events == ["made", "ConnectionResetError"]


async def test_we_end_the_stream(world):
    protocol, reader, _writer = world
    protocol.transport.write(b"last words")
    protocol.transport.close()
    protocol.transport.write(b"too late")
    assert await reader.read() == b"last words"
    await eventually(lambda: protocol.events == ["made", "lost"])


async def test_we_break_off(world):
    protocol, reader, _writer = world
    protocol.transport.abort()
    with pytest.raises((EOFError, ConnectionError, ssl.SSLError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    await eventually(lambda: protocol.events == ["made", "lost"])


async def test_reading_is_paused(world):
    protocol, _reader, writer = world
    transport = protocol.transport
    assert transport.is_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    writer.write(b"hello")
    await writer.drain()
    assert protocol.data == b""
    transport.resume_reading()
    await eventually(lambda: protocol.data == b"hello")


async def test_writing_is_paused(world):
    protocol, reader, _writer = world
    transport = protocol.transport
    transport.set_write_buffer_limits(high=1000, low=100)
    assert transport.get_write_buffer_limits() == (100, 1000)
    total = 0
    while "pause" not in protocol.events:
        transport.write(b"x" * 100_000)
        total += 100_000
    assert transport.get_write_buffer_size() > 1000
    assert len(await reader.readexactly(total)) == total
    await eventually(lambda: protocol.events == ["made", "pause", "resume"])
    assert transport.get_write_buffer_size() == 0
