"""HTTPS on our TLS engine: foreign clients, hostile clients, the end of a server."""

import asyncio
import contextlib
import gc
import logging
import shutil
import ssl
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientError, ClientSession, TCPConnector, web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sztb.transport.https import HttpsLimits, serve
from sztb.transport.tls.config import ServerTls, TlsIdentity
from sztb.transport.tls_stream import StreamLimits
from tests.fakes.pki import make_pki

from .coaps import device, eventually, registrar

PATH = "/.well-known/brski/requestvoucher"
BODY = bytes(range(256)) * 40


def masa():
    made = make_pki().tls_server("masa.example")
    return TlsIdentity(made.chain, made.key)


def application(handler):
    made = web.Application()
    made.router.add_post(PATH, handler)
    made.router.add_get(PATH, handler)
    return made


async def echo(request):
    return web.Response(body=await request.read())


@asynccontextmanager
async def serving(handler=echo, client_certificate="requested", grace=0.0, **limits):
    tls = ServerTls(masa(), client_certificate=client_certificate)
    server = await serve(application(handler), "127.0.0.1", 0, tls, limits=HttpsLimits(**limits))
    try:
        yield server
    finally:
        await server.close(grace)


def write_pem(path, identity):
    chain = map(x509.load_der_x509_certificate, identity.chain)
    parts = [certificate.public_bytes(Encoding.PEM) for certificate in chain]
    path.write_bytes(b"".join([*parts, identity.key.to_pem()]))
    return path


def context(path=None, identity=None, version=None):
    """Python's own TLS, verifying the MASA and showing a certificate when it has one."""
    anchor = x509.load_der_x509_certificate(masa().chain[-1]).public_bytes(Encoding.PEM).decode()
    made = ssl.create_default_context(cadata=anchor)
    if identity is not None:
        made.load_cert_chain(write_pem(path / "client.pem", identity))
    if version is not None:
        made.maximum_version = version
    return made


async def open_raw(server, tls=None):
    return await asyncio.open_connection(
        *server.address, ssl=tls or context(), server_hostname="masa.example"
    )


def session(tls):
    return ClientSession(connector=TCPConnector(ssl=tls, force_close=False))


def url(server):
    return f"https://127.0.0.1:{server.address[1]}{PATH}"


async def ask(client, server, **arguments):
    async with client.post(url(server), server_hostname="masa.example", **arguments) as response:
        return response.status, await response.read()


@pytest.mark.rule("M-01", "M-29")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_chain_of_an_unknown_ca_is_handed_up(tmp_path, version):
    seen = {}

    async def handler(request):
        for name in ("peer_chain", "tls_unique", "peername", "nothing"):
            seen[name] = request.get_extra_info(name)
        seen["scheme"] = request.scheme
        return web.Response()

    async with (
        serving(handler) as server,
        session(context(tmp_path, registrar(), version)) as client,
    ):
        assert await ask(client, server) == (200, b"")
    assert seen["peer_chain"] == registrar().chain
    assert seen["scheme"] == "https"
    assert seen["peername"][0] == "127.0.0.1"
    assert seen["nothing"] is None
    expected = 12 if version is ssl.TLSVersion.TLSv1_2 else None
    assert (len(seen["tls_unique"]) if seen["tls_unique"] else None) == expected


@pytest.mark.rule("M-29")
async def test_a_client_without_certificate():
    async def handler(request):
        assert request.get_extra_info("peer_chain") == ()
        return web.Response(text="welcome")

    async with serving(handler) as server, session(context()) as client:
        assert await ask(client, server) == (200, b"welcome")


@pytest.mark.rule("E-03")
async def test_a_client_without_certificate_where_one_is_required():
    async with serving(client_certificate="required") as server, session(context()) as client:
        with pytest.raises(ClientError):
            await ask(client, server)


@pytest.mark.parametrize("size", [0, 1, 5000, 65536])
async def test_bodies(size):
    body = (BODY * 7)[:size]
    async with serving() as server, session(context()) as client:
        assert await ask(client, server, data=body) == (200, body)


async def test_large_answers_to_a_slow_reader():
    large = BODY * 400

    async def handler(request):
        return web.Response(body=large)

    async with serving(handler) as server:
        reader, writer = await open_raw(server)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < len(large):
            received += len(await reader.read(4096))
        assert received == len(large)
        writer.close()


async def test_one_connection_carries_many_requests():
    async with serving() as server, session(context()) as client:
        for number in range(5):
            assert await ask(client, server, data=str(number)) == (200, str(number).encode())
        assert server.connections == 1


async def test_pipelined_requests_are_answered_in_order():
    async with serving() as server:
        reader, writer = await open_raw(server)
        for number in range(5):
            head = f"POST {PATH} HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\n\r\n{number}"
            writer.write(head.encode())
        for number in range(5):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(1) == str(number).encode()
        writer.close()


async def test_expect_100_continue():
    async with serving() as server:
        reader, writer = await open_raw(server)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"ok")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


# -- hostile clients -------------------------------------------------------------------------


async def until_closed(reader):
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
        return b""


@pytest.mark.rule("E-50")
async def test_a_body_that_says_it_is_too_large():
    async with serving(max_body=1000) as server, session(context()) as client:
        assert (await ask(client, server, data=b"x" * 1000))[0] == 200
        assert (await ask(client, server, data=b"x" * 1001))[0] == 413


@pytest.mark.rule("E-50")
async def test_a_body_in_chunks_that_becomes_too_large():
    async def chunks(count):
        for _ in range(count):
            yield b"x" * 100

    async with serving(max_body=1000) as server, session(context()) as client:
        assert (await ask(client, server, data=chunks(10)))[0] == 200
        assert (await ask(client, server, data=chunks(11)))[0] == 413


async def test_chunks_that_are_none(caplog):
    caplog.set_level(logging.INFO)
    async with serving() as server:
        reader, writer = await open_raw(server)
        head = f"POST {PATH} HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        writer.write(head.encode())
        assert b" 400 " in (await until_closed(reader)).partition(b"\r\n")[0]
        writer.close()
    assert caplog.records == []


async def test_compressed_bodies_stay_compressed():
    headers = {"Content-Encoding": "deflate", "Content-Length": "3"}
    async with serving() as server, session(context()) as client:
        assert await ask(client, server, data=b"abc", headers=headers) == (200, b"abc")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["binary", "long field", "long target", "negative length", "two lengths"],
)
@pytest.mark.rule("E-50")
async def test_requests_that_are_no_http(request_bytes, caplog):
    caplog.set_level(logging.INFO)
    async with serving() as server:
        reader, writer = await open_raw(server)
        writer.write(request_bytes)
        assert b" 400 " in (await until_closed(reader)).partition(b"\r\n")[0]
        writer.close()
    assert caplog.records == []


async def test_nobody_speaks_tls():
    async with serving() as server:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await until_closed(reader)
        assert answer[:1] in {b"", b"\x15"}  # nothing, or an alert
        writer.close()


async def test_a_handshake_that_never_ends():
    async with serving(stream=StreamLimits(handshake_seconds=0.1)) as server:
        reader, writer = await asyncio.open_connection(*server.address)
        assert await until_closed(reader) == b""
        writer.close()
        await eventually(lambda: server.connections == 0)


async def test_a_header_that_never_ends():
    async with serving(keep_alive_seconds=0.3) as server:
        reader, writer = await open_raw(server)
        writer.write(b"GET / HTTP/1.1\r\n")

        async def trickle():
            for number in range(100):
                writer.write(f"X-{number}: y\r\n".encode())
                await asyncio.sleep(0.05)

        trickling = asyncio.ensure_future(trickle())
        assert await until_closed(reader) == b""
        trickling.cancel()
        writer.close()


async def test_a_second_header_that_never_ends():
    async with serving(keep_alive_seconds=0.3) as server:
        reader, writer = await open_raw(server)
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET / HTTP/1.1\r\n")
        assert await until_closed(reader) == b""
        writer.close()


async def test_a_body_that_never_ends():
    async with serving(body_seconds=0.2) as server:
        reader, writer = await open_raw(server)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: m\r\nContent-Length: 9\r\n\r\nx".encode())
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_client_that_does_not_read_its_answer():
    async def handler(request):
        return web.Response(body=BODY * 4000)

    limits = StreamLimits(closing_seconds=0.2)
    async with serving(handler, stream=limits) as server:
        _reader, writer = await open_raw(server)
        writer.transport.pause_reading()
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            await server.close(grace=0.1)
            await eventually(lambda: server.connections == 0)
        writer.transport.abort()


async def test_more_connections_than_allowed():
    async with serving(stream=StreamLimits(connections=2)) as server:
        first, second = await open_raw(server), await open_raw(server)
        with pytest.raises(OSError):  # noqa: PT011 - reset or end, by the kernel's mood
            await open_raw(server)
        for _reader, writer in (first, second):
            writer.close()
        await eventually(lambda: server.connections == 0)
        async with session(context()) as client:
            assert (await ask(client, server, data=b"x"))[0] == 200


async def test_a_stream_that_is_cut_off(caplog):
    caplog.set_level(logging.INFO)
    async with serving() as server:
        _reader, writer = await open_raw(server)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: m\r\nContent-Length: 9\r\n\r\nx".encode())
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await eventually(lambda: server.connections == 0)
    assert caplog.records == []


# -- the end ---------------------------------------------------------------------------------


async def test_a_request_in_hand_is_finished_on_close():
    started = asyncio.Event()

    async def handler(request):
        started.set()
        await asyncio.sleep(0.2)
        return web.Response(text="done")

    async with serving(handler) as server, session(context()) as client:
        asking = asyncio.ensure_future(ask(client, server))
        await started.wait()
        await server.close(grace=5.0)
        assert await asking == (200, b"done")
        with pytest.raises(ClientError):
            await ask(client, server)


async def test_a_request_that_takes_too_long_is_dropped_on_close():
    started = asyncio.Event()

    async def handler(request):
        started.set()
        await asyncio.sleep(60)

    async with serving(handler) as server, session(context()) as client:
        asking = asyncio.ensure_future(ask(client, server))
        await started.wait()
        async with asyncio.timeout(5):
            await server.close(grace=0.1)
        with pytest.raises(ClientError):
            await asking


async def test_idle_connections_end_with_close_notify():
    async with serving() as server:
        reader, writer = await open_raw(server)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\n\r\nx".encode())
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1)
        await server.close(grace=1.0)
        assert await reader.read() == b""  # Python raises when close_notify is missing
        writer.close()


async def test_nothing_is_left():
    before = asyncio.all_tasks()
    async with serving() as server:
        async with session(context()) as client:
            await ask(client, server, data=b"x")
        await eventually(lambda: server.connections == 0)
    await asyncio.sleep(0.05)
    gc.collect()
    assert asyncio.all_tasks() == before


# -- others ----------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.rule("M-01")
@pytest.mark.parametrize("version", ["--tls-max 1.2", "--tlsv1.3"])
async def test_curl(tmp_path, version):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    seen = []

    async def handler(request):
        seen.append(request.get_extra_info("peer_chain"))
        return await echo(request)

    write_pem(tmp_path / "client.pem", device())
    anchor = x509.load_der_x509_certificate(masa().chain[-1])
    (tmp_path / "anchor.pem").write_bytes(anchor.public_bytes(Encoding.PEM))
    (tmp_path / "body").write_bytes(BODY)
    async with serving(handler) as server:
        host = f"masa.example:{server.address[1]}"
        process = await asyncio.create_subprocess_exec(
            curl, "--silent", "--show-error", "--fail", *version.split(), "--noproxy", "*",
            "--resolve", f"{host}:127.0.0.1", "--cacert", "anchor.pem", "--cert", "client.pem",
            "--data-binary", "@body", f"https://{host}{PATH}",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            output, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert output == BODY
    assert seen == [device().chain]
