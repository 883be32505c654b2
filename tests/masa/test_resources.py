"""The HTTPS side over a real socket: paths, methods, codes, texts, client certificates."""

import hashlib
import json
import ssl
from dataclasses import replace

import aiohttp
import pytest

from masa.resources import MAX_BODY, Resources, tls_client
from sztb.codepoints.media import VOUCHER_COSE
from sztb.errors import REPLY, Refusal, Unavailable
from sztb.pki import certificates
from sztb.transport.https import serve
from sztb.transport.tls.config import ServerTls, TlsIdentity
from sztb.voucher.formats import open_voucher
from tests.fakes.pki import make_pki

PKI, OTHER = make_pki(), make_pki("other")
VOUCHER, LOG = "requestvoucher", "requestauditlog"
COSE = {"Content-Type": "application/voucher+cose", "Accept": "application/voucher+cose"}


class Client:
    """A registrar's HTTP client."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._base = f"https://localhost:{port}"
        self._session = session

    async def ask(self, path, body=b"", headers=None, method="POST"):
        url = f"{self._base}/.well-known/brski/{path}" if path[0] != "/" else self._base + path
        headers = COSE if headers is None else headers
        async with self._session.request(method, url, data=body, headers=headers) as answer:
            return answer.status, dict(answer.headers), await answer.read()


def trusting(**options) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cadata=certificates.pem(PKI.manufacturer_root.certificate).decode()
    )
    for name, value in options.items():
        setattr(context, name, value)
    return context


@pytest.fixture
async def server(world):
    resources = Resources(world.service)
    world.resources = resources
    identity = PKI.tls_server("localhost")
    tls = ServerTls(TlsIdentity(identity.chain, identity.key), client_certificate="requested")
    running = await serve(resources.application(), "127.0.0.1", 0, tls)
    yield running
    await running.close(grace=0.5)


@pytest.fixture
async def client(server):
    connector = aiohttp.TCPConnector(ssl=trusting())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(server.address[1], session)


@pytest.mark.rule("M-28")
async def test_voucher(world, client):
    status, headers, body = await client.ask(VOUCHER, world.ask().raw)
    assert (status, headers["Content-Type"]) == (200, "application/voucher+cose")
    assert open_voucher(VOUCHER_COSE, body).data.serial_number == "SN-1"


@pytest.mark.rule("M-20", "M-34", "M-32")
async def test_audit_log(world, client):
    await client.ask(VOUCHER, world.ask().raw)
    status, headers, body = await client.ask(LOG, world.ask().raw)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert len(json.loads(body)["events"]) == 1


async def test_old_name_of_the_media_type_is_read_and_the_new_one_written(world, client):
    old = {"Content-Type": "application/voucher-cose+cbor"}
    status, headers, _ = await client.ask(VOUCHER, world.ask().raw, old)
    assert (status, headers["Content-Type"]) == (200, "application/voucher+cose")


CMS = "application/voucher-cms+json"
REFUSED = [
    ("get", {"path": VOUCHER, "method": "GET"}, 405, "method not allowed"),
    ("other path", {"path": "/"}, 404, "no such resource"),
    ("other operation", {"path": "simpleenroll"}, 404, "no such resource"),
    ("trailing slash", {"path": f"{VOUCHER}/"}, 404, "no such resource"),
    ("no type", {"path": VOUCHER, "headers": {}}, 415, "content format not understood"),
    ("CMS", {"path": VOUCHER, "headers": {"Content-Type": CMS}}, 415, "content format not"),
    ("garbage", {"path": VOUCHER, "body": b"\xff"}, 400, "malformed"),
    ("nothing", {"path": VOUCHER}, 400, "malformed"),
    ("too large", {"path": VOUCHER, "body": bytes(MAX_BODY + 1)}, 413, "65536"),
    ("log: garbage", {"path": LOG, "body": b"\xff"}, 400, "malformed"),
]


@pytest.mark.rule("M-22", "M-28", "M-38")
@pytest.mark.parametrize(
    ("request_", "status", "text"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_refusals_are_plain_text(client, request_, status, text):
    answered, headers, body = await client.ask(**request_)
    assert (answered, headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert text in body.decode()
    assert ("Allow" in headers) == (status == 405)


@pytest.mark.rule("M-28")
async def test_refusals_by_rule(world, client):
    ask = world.ask()
    for body, headers, status in (
        (ask.raw, {**COSE, "Accept": CMS}, 406),
        (replace(ask, rvr_signer=ask.device.key).raw, COSE, 403),
        (ask.with_rvr(serial_number="x").raw, COSE, 404),
        (ask.with_pvr(serial_number="x").raw, COSE, 400),
    ):
        answered, _, text = await client.ask(VOUCHER, body, headers)
        assert answered == status
        assert text.decode().strip()
    assert (await client.ask(LOG, ask.raw))[0] == 404
    assert world.store.log == []
    refused = [event for event in world.events if event.outcome == "refused"]
    assert [event.rule for event in refused] == ["M-28", "M-05", "M-28", "M-08", "M-32"]
    assert {event.name for event in refused} == {"voucher-refused", "audit-log-refused"}
    assert refused[1].device == ""
    assert refused[-1].device == str(ask.device.ref)


@pytest.mark.rule("M-19", "M-22")
async def test_full_disk_is_503_with_retry_after(world, client):
    world.store.fails = Unavailable("database or disk is full", retry_after=7)
    status, headers, body = await client.ask(VOUCHER, world.ask().raw)
    assert (status, headers["Retry-After"]) == (503, "7")
    assert b"disk" not in body
    assert world.events[-1].outcome == "failed"
    world.store.fails = None
    assert (await client.ask(VOUCHER, world.ask().raw))[0] == 200


@pytest.mark.rule("M-29")
async def test_client_certificate_of_an_unknown_ca_is_recorded(world, server, tmp_path):
    identity = OTHER.registrar
    pem = tmp_path / "client.pem"
    pem.write_bytes(b"".join(map(certificates.pem, identity.path)) + identity.key.to_pem())
    context = trusting()
    context.load_cert_chain(pem)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        assert (await Client(server.address[1], session).ask(VOUCHER, world.ask().raw))[0] == 200
    [entry] = world.store.log
    assert entry.tls_client_sha256 == hashlib.sha256(identity.der).digest()
    assert world.events[-1].fields["client"] == "CN=other registrar"
    assert world.events[-1].fields["address"].startswith("127.0.0.1:")


@pytest.mark.rule("M-01", "M-29")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_versions_and_no_client_certificate(world, server, version):
    context = trusting(minimum_version=version, maximum_version=version)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        assert (await Client(server.address[1], session).ask(VOUCHER, world.ask().raw))[0] == 200
    assert world.store.log[0].tls_client_sha256 is None


@pytest.mark.rule("M-01")
async def test_older_tls_is_not_spoken(server):
    context = trusting()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # what Python lets us offer at all
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # a suite without forward secrecy
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await Client(server.address[1], session).ask(VOUCHER)


async def test_client_certificate_that_cannot_be_read_counts_as_none():
    class Transport:
        def get_extra_info(self, name):
            return {"peer_chain": (b"0",), "peername": None}[name]

    class Request:
        transport: object = Transport()

    assert tls_client(Request()).chain == ()
    Request.transport = None
    assert tls_client(Request()).address == ""


async def test_counts(world, client):
    await client.ask(VOUCHER, world.ask().raw)
    await client.ask(VOUCHER, b"\xff")
    await client.ask("/")
    page = world.service.metrics.exposition().decode()
    assert 'sztb_masa_vouchers_total{assertion="proximity"} 1.0' in page
    assert 'sztb_masa_answers_total{resource="requestvoucher",status="400"} 1.0' in page
    assert 'sztb_masa_answers_total{resource="other",status="404"} 1.0' in page


def test_every_refusal_has_an_http_code():
    assert {refusal for refusal in Refusal if not 400 <= REPLY[refusal].http < 600} == set()


async def test_health_asks_the_database(world):
    resources = Resources(world.service)
    await resources.check()
    world.store.fails = Unavailable("locked")
    with pytest.raises(Unavailable):
        await resources.check()
    await resources.close()
