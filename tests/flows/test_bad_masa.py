"""A MASA that hangs, lies, redirects or is not there: what the device hears (cbrski D26, D27)."""

import asyncio
import socket

import pytest

from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from tests.fakes.https_stub import https_stub, response
from tests.fakes.pki import make_pki

from .lone_registrar import LoneRegistrar
from .worlds import quiet_port

RV = Operation.REQUEST_VOUCHER
PKI = make_pki()
SERVER = PKI.tls_server("localhost")
COSE = {"Content_Type": "application/voucher+cose"}
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n"
MAX_BYTES = 262_144  # of an answer that the registrar reads
LATER, USELESS = Code.SERVICE_UNAVAILABLE, Code.BAD_GATEWAY


SAYS = {
    "403": (response(403, b"no"), Code.FORBIDDEN),
    "404": (response(404), Code.NOT_FOUND),
    "406": (response(406), Code.NOT_ACCEPTABLE),
    "415": (response(415), Code.UNSUPPORTED_CONTENT_FORMAT),
    "202": (response(202, Retry_After="3600"), LATER),
    "429": (response(429), LATER),
    "500": (response(500), LATER),
    "503": (response(503, Retry_After="1"), LATER),
    "nothing": (b"", LATER),
    "half a voucher": (HALF + bytes(9), LATER),
    "401": (response(401), USELESS),
    "400": (response(400), USELESS),
    "301 elsewhere": (response(301, Location="https://elsewhere.example/"), USELESS),
    "307 to itself": (response(307, Location="/.well-known/brski/requestvoucher"), USELESS),
    "201": (response(201, Location="/voucher"), USELESS),
    "HTML": (response(200, b"<p>hello</p>", Content_Type="text/html"), USELESS),
    "no type": (response(200, b"\xd2\x84"), USELESS),
    "JSON voucher": (response(200, b"{}", Content_Type="application/voucher-jws+json"), USELESS),
    "an empty voucher": (response(200, b"", **COSE), USELESS),
    "no COSE": (response(200, b"\xff" * 300, **COSE), USELESS),
    "too much": (response(200, bytes(MAX_BYTES + 1), **COSE), USELESS),
    "no HTTP": (b"\x00\x01 hello\r\n\r\n", USELESS),
    "a broken head": (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", USELESS),
}  # fmt: skip


async def asked_once(registrar, device, nonce=b"nonce-01"):
    """Ask for a voucher over a connection of its own."""
    async with registrar.visited(device) as visit:
        return await visit.ask_voucher(nonce=nonce)


def check_told(answer, code):
    """Nothing of what the MASA said goes to the device."""
    assert answer.code == code
    assert (answer.max_age == 20) is (code == LATER)
    assert len(answer.payload) < 50
    assert answer.payload.decode().isprintable()
    assert b"hello" not in answer.payload


async def alerts(registrar, device):
    return [entry.alert for entry in await registrar.journal(device)]


@pytest.mark.rule("R-30", "R-43", "R-25", "R-24")
@pytest.mark.parametrize("says", SAYS)
async def test_a_masa_that_says(registrar, says):
    said, code = SAYS[says]
    async with https_stub(SERVER, lambda _: said) as masa:
        device = PKI.device(f"SAYS-{list(SAYS).index(says)}", masa.authority)
        check_told(await asked_once(registrar, device), code)
    assert masa.requests
    assert {request.path for request in masa.requests} == {"/.well-known/brski/requestvoucher"}
    assert any(await alerts(registrar, device)) is (code is USELESS)


@pytest.mark.rule("R-25", "R-61")
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(PKI.tls_server("other.example"), id="with the wrong name"),
        pytest.param(make_pki("stranger").tls_server("localhost"), id="of a stranger's CA"),
        pytest.param(PKI.masa_signer, id="without a name"),
    ],
)
async def test_a_masa_with_a_certificate(registrar, server):
    async with https_stub(server, registrar.voucher) as masa:
        device = PKI.device(f"TLS-{masa.port}", masa.authority)
        check_told(await asked_once(registrar, device), USELESS)
    assert masa.requests == []
    assert any(await alerts(registrar, device))


@pytest.mark.rule("R-25")
async def test_a_masa_without_tls(registrar):
    async def greet(reader, writer):
        writer.write(b"220 hello\r\n")
        writer.close()

    plain = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with plain:
        port = plain.sockets[0].getsockname()[1]
        device = PKI.device("PLAIN", f"localhost:{port}")
        check_told(await asked_once(registrar, device), USELESS)


@pytest.mark.rule("R-31", "R-47", "R-20")
async def test_down_then_up(registrar):
    """The same PVR first hears 5.03, then gets its voucher."""
    port = quiet_port(socket.SOCK_STREAM)
    device = PKI.device("DOWN", f"localhost:{port}")
    async with registrar.visited(device) as visit:
        pvr = visit.pvr()
        check_told(await visit.ask(RV, pvr), LATER)
        async with https_stub(SERVER, registrar.voucher, port) as masa:
            answer = await visit.ask(RV, pvr)
            again = await visit.ask(RV, pvr)
    assert answer.code == Code.CHANGED
    assert again.payload == answer.payload
    assert len(masa.requests) == 1
    assert not any(await alerts(registrar, device))


@pytest.mark.rule("R-31", "R-30", "E-44")
async def test_a_masa_that_hangs(registrar):
    """An empty ACK at once, 5.03 after 20 seconds; then the same PVR gets what came meanwhile."""
    release, loop = asyncio.Event(), asyncio.get_running_loop()

    async def hang(request):
        await release.wait()
        return registrar.voucher(request)

    async with https_stub(SERVER, hang) as masa:
        device = PKI.device("HANGS", masa.authority)
        async with registrar.visited(device) as visit:
            pvr, began = visit.pvr(), loop.time()
            check_told(await visit.ask(RV, pvr), LATER)
            assert 19.5 < loop.time() - began < 25.0
            assert (await asked_once(registrar, device, b"nonce-02")).code == Code.FORBIDDEN
            release.set()
            answer = await visit.ask(RV, pvr)
            assert answer.code == Code.CHANGED
            assert (await asked_once(registrar, device, b"nonce-03")).code == Code.CHANGED
    assert len(masa.requests) == 2


@pytest.fixture
def mortal(tmp_path, nursery):
    """A registrar of this test alone."""
    made = LoneRegistrar(tmp_path / "site", nursery, quiet_port(socket.SOCK_DGRAM))
    yield made
    assert made.process.stop() == 0


@pytest.mark.rule("R-31", "R-47")
async def test_the_registrar_dies_while_the_masa_thinks(mortal):
    """Neither the PVR that was in hand nor a new one has to wait; answers survive."""
    arrived = asyncio.Event()

    async def hang(request):
        arrived.set()
        await asyncio.Event().wait()

    async with https_stub(SERVER, hang) as masa:
        patient, restarted = (PKI.device(name, masa.authority) for name in ("SAME", "NEW"))
        pvrs = [await asked_until(mortal, device, arrived) for device in (patient, restarted)]
        await asyncio.to_thread(mortal.kill)
        masa.behaviour = mortal.voucher
        mortal.start()
        async with mortal.visited(patient) as visit:
            answer = await visit.ask(RV, pvrs[0])
            assert answer.code == Code.CHANGED
        assert (await asked_once(mortal, restarted, b"nonce-02")).code == Code.CHANGED
        await asyncio.to_thread(mortal.kill)
        mortal.start()
        async with mortal.visited(patient) as visit:
            assert (await visit.ask(RV, pvrs[0])).payload == answer.payload
    assert len(masa.requests) == 4


async def asked_until(registrar, device, arrived):
    """Ask and leave when the MASA has the request; return the PVR."""
    async with registrar.visited(device) as visit:
        pvr = visit.pvr()
        asking = asyncio.ensure_future(visit.ask(RV, pvr))
        await arrived.wait()
        arrived.clear()
        asking.cancel()
        return pvr
