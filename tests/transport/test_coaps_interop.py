"""CoAP by others against ours: aiocoap both ways, libcoap's clients against our server."""

import asyncio
import shutil

import aiocoap
import pytest
from aiocoap import resource
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import Code
from sztb.encoding import coap_message
from sztb.encoding.coap_message import CoapMessage, MessageType
from sztb.errors import Refusal, Refused
from sztb.transport.exchange import Answer

from .aiocoap_peer import AiocoapClient, AiocoapServer
from .coaps import connected, device, registrar, serving

pytestmark = pytest.mark.interop

BODY = bytes(range(256)) * 8
SEN = (".well-known", "est", "sen")
CRTS = (".well-known", "est", "crts")


async def handler(request):
    if "slow" in request.query:
        await asyncio.sleep(0.7)
    if request.method is Code.GET:
        return Answer(Code.CONTENT, BODY, 281, etag=b"etag")
    return Answer(Code.CHANGED, request.payload, request.content_format)


# -- aiocoap ---------------------------------------------------------------------------------


@pytest.fixture
async def foreign():
    async with serving(handler) as server:
        client = await AiocoapClient.connect(server.address)
        yield client
        await client.close()


@pytest.mark.rule("R-09", "E-43")
@pytest.mark.parametrize("size", [10, 700, 2048])
async def test_aiocoap_posts(foreign, size):
    response = await foreign.request(aiocoap.POST, SEN, BODY[:size], content_format=60)
    assert response.code == aiocoap.CHANGED
    assert response.payload == BODY[:size]
    assert response.opt.content_format == 60


@pytest.mark.rule("R-09", "R-12")
async def test_aiocoap_gets_a_long_answer_and_confirms_it(foreign):
    response = await foreign.request(aiocoap.GET, CRTS, accept=281)
    assert (response.code, response.payload) == (aiocoap.CONTENT, BODY)
    again = await foreign.request(aiocoap.GET, CRTS, etags=[response.opt.etag])
    assert (again.code, again.payload) == (aiocoap.VALID, b"")


@pytest.mark.rule("E-44")
async def test_aiocoap_waits_for_a_separate_response(foreign):
    response = await foreign.request(aiocoap.POST, SEN, BODY, uri_query=["slow"])
    assert response.payload == BODY


@pytest.mark.rule("R-08")
async def test_aiocoap_abbreviates(foreign):
    response = await foreign.request(aiocoap.GET, (), uri_path_abbrev=301)
    assert response.payload == BODY
    response = await foreign.request(aiocoap.GET, ("b",), uri_path_abbrev=301)
    assert response.code == aiocoap.BAD_OPTION


async def test_aiocoap_observes_in_vain(foreign):
    response = await foreign.request(aiocoap.GET, CRTS, observe=0)
    assert response.opt.observe is None


class Echo(resource.Resource):
    async def render_post(self, request):
        if request.opt.uri_query:
            await asyncio.sleep(0.3)
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload)

    async def render_get(self, request):
        return aiocoap.Message(payload=BODY, content_format=281, etag=b"etag")


@pytest.fixture
async def foreign_server():
    site = resource.Site()
    site.add_resource(SEN, Echo())
    server = await AiocoapServer.bind(site)
    yield server
    await server.close()


@pytest.mark.rule("P-38", "E-44")
@pytest.mark.parametrize("query", [(), ("slow",)])
@pytest.mark.parametrize("size", [10, 700, 2048])
async def test_our_client_asks_aiocoap(foreign_server, size, query):
    async with connected(foreign_server.address) as client:
        answer = await client.request(Code.POST, SEN, BODY[:size], query=query)
        assert answer == Answer(Code.CHANGED, BODY[:size])


async def test_our_client_gets_from_aiocoap_and_pings_it(foreign_server):
    async with connected(foreign_server.address) as client:
        answer = await client.request(Code.GET, SEN)
        assert answer == Answer(Code.CONTENT, BODY, 281, etag=b"etag")
        await client.ping()
        assert (await client.request(Code.GET, ("nothing",))).code is Code.NOT_FOUND


@given(
    st.sampled_from(list(MessageType)),
    st.sampled_from([1, 2, 0x44, 0x45, 0x84]),
    st.integers(0, 0xFFFF),
    st.binary(max_size=8),
    st.lists(st.tuples(st.sampled_from([1, 4, 9, 252, 2049]), st.binary(max_size=300)), max_size=5),
    st.binary(max_size=30),
)
def test_aiocoap_reads_and_writes_the_same_bytes(kind, code, message_id, token, options, payload):
    ordered = tuple(sorted(options, key=lambda option: option[0]))
    message = CoapMessage(kind, code, message_id, token, ordered, payload)
    datagram = coap_message.encode(message)
    theirs = aiocoap.Message.decode(datagram)
    theirs.direction = aiocoap.message.Direction.OUTGOING
    assert theirs.encode() == datagram
    assert (theirs.mtype, theirs.code, theirs.mid) == (kind, code, message_id)
    assert (theirs.token, theirs.payload) == (token, payload)
    if len(datagram) <= coap_message.MAX_BYTES:
        assert coap_message.decode(datagram) == message


# -- libcoap ---------------------------------------------------------------------------------


@pytest.fixture(params=["coap-client-openssl", "coap-client-gnutls"])
def libcoap(request, tmp_path):
    """A function that runs one of libcoap's clients with the device's certificate."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip("Debian package libcoap3-bin is not installed")
    (tmp_path / "device.pem").write_bytes(b"".join(map(pem, device().chain)))
    (tmp_path / "device.key").write_bytes(device().key.to_pem())
    (tmp_path / "anchor.pem").write_bytes(pem(registrar().chain[-1]))
    (tmp_path / "body").write_bytes(BODY)

    async def run(server, method, path, *arguments):
        process = await asyncio.create_subprocess_exec(
            program, "-c", "device.pem", "-j", "device.key", "-C", "anchor.pem", "-m", method,
            "-o", "answer", "-B", "10", *arguments,
            f"coaps://127.0.0.1:{server.address[1]}/{path}",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(20):
            output, _none = await process.communicate()
        answer = tmp_path / "answer"
        return output.decode(errors="replace"), answer.read_bytes() if answer.exists() else b""

    return run


def pem(certificate):
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


@pytest.mark.rule("R-09")
@pytest.mark.parametrize("block", [(), ("-b", "64"), ("-b", "256")])
async def test_libcoap_gets(libcoap, block):
    async with serving(handler) as server:
        _output, answer = await libcoap(server, "get", ".well-known/est/crts", "-A", "281", *block)
    assert answer == BODY


@pytest.mark.rule("R-09", "E-43")
@pytest.mark.parametrize("query", ["", "?slow"])
async def test_libcoap_posts_in_blocks(libcoap, query):
    arguments = ("-b", "256", "-t", "60", "-f", "body")
    async with serving(handler) as server:
        _output, answer = await libcoap(server, "post", f".well-known/est/sen{query}", *arguments)
    assert answer == BODY


@pytest.mark.rule("R-16", "R-30")
async def test_libcoap_sees_4_01_before_the_connection_ends(libcoap):
    async def refusing(request):
        raise Refused(Refusal.NOT_PROXIMATE)

    async with serving(refusing) as server:
        output, _answer = await libcoap(server, "post", ".well-known/brski/rv", "-e", "pvr")
    assert "4.01" in output
