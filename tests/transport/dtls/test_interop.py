"""DTLS and TLS with OpenSSL's command line as the other side."""

import asyncio
import shutil
import socket
import ssl
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import pytest

from sztb.transport.dtls import DtlsClient, DtlsServer
from tests.fakes.links import CLIENT, SERVER, Echo, Recorder

OPENSSL = shutil.which("openssl")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(OPENSSL is None, reason="needs the command openssl"),
]

SUITE = "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"


@pytest.fixture
def files(tmp_path):
    """PEM files of both identities: device.pem, registrar.pem; each with key and chain."""
    for name, identity in (("device", CLIENT.identity), ("registrar", SERVER.identity)):
        chain = "".join(ssl.DER_cert_to_PEM_cert(one) for one in identity.chain)
        (tmp_path / f"{name}.pem").write_text(identity.key.to_pem().decode() + chain)
    return tmp_path


@asynccontextmanager
async def openssl(*arguments):
    """Run the openssl command; end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        OPENSSL, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_until(process, *wanted: str) -> str:
    """Read output until all of `wanted` were in it, or there is no more."""
    seen = ""
    async with asyncio.timeout(15):
        while not all(text in seen for text in wanted):
            piece = await process.stdout.read(4096)
            if not piece:
                break
            seen += piece.decode(errors="replace")
    assert all(text in seen for text in wanted), seen
    return seen


@asynccontextmanager
async def client_of(server, files, *arguments, shows="device.pem"):
    host, port = server.address[:2]
    common = ["s_client", "-dtls1_2", "-connect", f"[{host}]:{port}", "-cipher", SUITE]
    shown = files / shows
    own = ["-cert", shown, "-key", shown, "-cert_chain", shown]
    async with openssl(*common, *own, *arguments) as process:
        yield process


@pytest.mark.rule("R-01")
@pytest.mark.parametrize("size", [None, "512", "1024"])
async def test_s_client_with_an_idevid_is_served(files, size):
    handler = Echo()
    server = await DtlsServer.bind("::1", 0, SERVER, handler)
    extra = ["-maxfraglen", size] if size else []
    async with client_of(server, files, *extra) as process:
        await read_until(process, "ECDHE-ECDSA-AES128-CCM8", "Verify return code")
        process.stdin.write(b"hello\n")
        await read_until(process, "hello")
    assert handler.data == [b"hello\n"]
    [association] = handler.associations
    assert association.peer_chain[0] == CLIENT.identity.chain[0]
    assert association.max_payload <= int(size or 1024)
    await server.close()


async def test_s_client_sees_close_notify(files):
    handler = Echo()
    server = await DtlsServer.bind("::1", 0, SERVER, handler)
    async with client_of(server, files) as process:
        await read_until(process, "Verify return code")
        await server.close()
        await read_until(process, "closed")


async def test_renegotiation_is_refused(files):
    handler = Echo()
    server = await DtlsServer.bind("::1", 0, SERVER, handler)
    async with client_of(server, files) as process:
        await read_until(process, "Verify return code")
        process.stdin.write(b"R\n")
        await read_until(process, "no renegotiation")  # it leaves then, by its own choice
    assert len(handler.associations) == 1
    await server.close()


async def test_another_suite_is_refused_with_an_alert(files):
    server = await DtlsServer.bind("::1", 0, SERVER, Echo())
    async with client_of(server, files, "-cipher", "ECDHE-ECDSA-AES128-SHA256") as process:
        await read_until(process, "alert handshake failure")
    await server.close()


@pytest.mark.parametrize("cookies", [True, False])
@pytest.mark.parametrize("size", [512, 1024, None])
async def test_s_server_takes_our_client(files, cookies, size):
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as free:
        free.bind(("::1", 0))
        port = free.getsockname()[1]
    shown = files / "registrar.pem"
    arguments = [
        "s_server", "-dtls1_2", "-accept", f"[::1]:{port}", "-cipher", SUITE, "-verify", "5",
        "-cert", shown, "-key", shown, "-cert_chain", shown, "-mtu", "1000",
        *(["-listen"] if cookies else []),
    ]  # fmt: skip
    client = Recorder()
    async with openssl(*arguments) as process:
        await read_until(process, "ACCEPT")
        config = replace(CLIENT, max_fragment_length=size)
        association = await DtlsClient.connect(("::1", port), config, client, timeout=10)
        assert association.peer_chain[0] == SERVER.identity.chain[0]
        assert association.max_payload <= (size or 1024)
        association.send(b"from us")
        await read_until(process, "from us")
        association.close()
