"""The HTTPS client towards MASAs against a server that misbehaves on real sockets (R-25, D26)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registrar.masa_answers import check_audit_answer, check_voucher_answer
from registrar.masa_client import ClientCertificate, MasaClient, MasaLimits, same_origin
from registrar.records import Manufacturer
from sztb.codepoints.media import VOUCHER_COSE
from sztb.errors import Refusal, Refused, Unavailable
from tests.fakes.https_stub import (
    Behaviour,
    HttpRequest,
    HttpsStub,
    https_stub,
    response,
    write_pem,
)
from tests.fakes.pki import Identity, make_pki

PKI = make_pki()
SERVER = PKI.tls_server("localhost")
MAKER = Manufacturer(
    "Example Works",
    anchors=(make_pki("stranger").manufacturer_root.certificate,),  # other anchors
    masa_tls_anchors=(PKI.manufacturer_root.certificate,),
)
QUICK = MasaLimits(connect=0.5, total=0.5, max_body=4096)
VOUCHER = response(200, b"voucher", Content_Type="application/voucher+cose")


@asynccontextmanager
async def masa(
    behaviour: Behaviour, server: Identity = SERVER, limits: MasaLimits = QUICK,
    certificate: ClientCertificate | None = None,
) -> AsyncIterator[tuple[MasaClient, HttpsStub]]:  # fmt: skip
    async with https_stub(server, behaviour) as stub, MasaClient(limits, certificate) as client:
        yield client, stub


async def ask(client: MasaClient, stub: HttpsStub, maker: Manufacturer = MAKER) -> bytes:
    answer = await client.request_voucher(stub.authority, maker, VOUCHER_COSE, b"the RVR")
    return check_voucher_answer(answer, VOUCHER_COSE)


@pytest.mark.rule("R-24", "R-25", "R-27", "R-48")
async def test_a_voucher_is_asked_for_and_comes() -> None:
    async with masa(lambda _: VOUCHER) as (client, stub):
        assert await ask(client, stub) == b"voucher"
    [request] = stub.requests
    assert (request.method, request.path) == ("POST", "/.well-known/brski/requestvoucher")
    assert request.headers["content-type"] == "application/voucher+cose"
    assert request.headers["accept"] == "application/voucher+cose"
    assert request.body == b"the RVR"


@pytest.mark.rule("R-25")
async def test_connections_are_kept_open() -> None:
    async with masa(lambda _: VOUCHER) as (client, stub):
        for _ in range(3):
            await ask(client, stub)
    assert {request.connection for request in stub.requests} == {1}


async def test_a_kept_connection_that_was_closed_is_no_failure() -> None:
    """The MASA closes after each answer without saying so."""

    def answer(request: HttpRequest) -> bytes:
        return b"" if request.connection == 1 and len(stub.requests) == 2 else VOUCHER

    async with masa(answer) as (client, stub):
        await ask(client, stub)
        assert await ask(client, stub) == b"voucher"
    assert stub.connections == 2


async def forever(_request: HttpRequest) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


def endless(_request: HttpRequest) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/voucher+cose\r\n\r\n" + bytes(100_000)


UNAVAILABLE, FAILED = Unavailable, Refusal.MASA_FAILED
MISBEHAVIOUR: dict[str, tuple[Behaviour, Any]] = {
    "hangs": (forever, UNAVAILABLE),
    "closes without an answer": (lambda _: b"", UNAVAILABLE),
    "closes in the middle": (
        lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\nxx",
        UNAVAILABLE,
    ),
    "is overloaded": (lambda _: response(503), UNAVAILABLE),
    "wants to think": (lambda _: response(202, Retry_After="3600"), UNAVAILABLE),
    "speaks no HTTP": (lambda _: b"\x00\x01garbage\r\n\r\nConnection: close", FAILED),
    "sends a broken head": (lambda _: b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", FAILED),
    "sends too much": (endless, FAILED),
    "announces too much": (
        lambda _: response(200, bytes(5000), Content_Type="application/voucher+cose"),
        FAILED,
    ),
    "redirects": (lambda _: response(302, Location="https://elsewhere.example/"), FAILED),
    "redirects to itself": (lambda _: response(307, Location="/other"), FAILED),
    "does not know us": (lambda _: response(401), FAILED),
    "answers HTML": (lambda _: response(200, b"<p>", Content_Type="text/html"), FAILED),
    "refuses": (lambda _: response(403, b"outstanding"), Refusal.MASA_FORBIDDEN),
    "does not know the device": (lambda _: response(404), Refusal.MASA_NOT_FOUND),
    "has no such format": (lambda _: response(406), Refusal.MASA_NOT_ACCEPTABLE),
    "does not understand": (lambda _: response(415), Refusal.MASA_UNSUPPORTED),
}


@pytest.mark.rule("R-25", "R-30", "R-43")
@pytest.mark.parametrize("name", MISBEHAVIOUR)
async def test_a_masa_that(name: str) -> None:
    behaviour, expected = MISBEHAVIOUR[name]
    async with masa(behaviour) as (client, stub):
        with pytest.raises((Refused, Unavailable)) as caught:
            await ask(client, stub)
    error = caught.value
    assert (error.refusal if isinstance(error, Refused) else type(error)) is expected


WRONG_SERVERS = {
    "wrong name": (PKI.tls_server("other.example"), MAKER),
    "name only in the subject": (
        replace(PKI.registrar),  # its alternative name is another one
        replace(MAKER, masa_tls_anchors=(PKI.domain_root.certificate,)),
    ),
    "unknown anchor": (make_pki("stranger").tls_server("localhost"), MAKER),
    "anchor of IDevIDs only": (
        SERVER,
        replace(MAKER, anchors=MAKER.masa_tls_anchors, masa_tls_anchors=MAKER.anchors),
    ),
    "system anchors": (SERVER, replace(MAKER, masa_tls_anchors=())),
}


@pytest.mark.rule("R-25", "R-61")
@pytest.mark.parametrize("name", WRONG_SERVERS)
async def test_tls_server_with(name: str) -> None:
    server, maker = WRONG_SERVERS[name]
    async with masa(lambda _: VOUCHER, server) as (client, stub):
        with pytest.raises(Refused) as caught:
            await ask(client, stub, maker)
    assert caught.value.refusal is Refusal.MASA_FAILED
    assert stub.requests == []


@pytest.mark.rule("R-25", "R-59")
async def test_nobody_listens() -> None:
    async with masa(lambda _: VOUCHER) as (client, stub):
        stub.port = 1
        with pytest.raises(Unavailable):
            await ask(client, stub)


def say_hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    writer.close()


@pytest.mark.rule("R-25")
async def test_something_else_listens() -> None:
    async with masa(lambda _: VOUCHER) as (client, stub):
        plain = await asyncio.start_server(say_hello, "127.0.0.1", 0)
        async with plain:
            stub.port = plain.sockets[0].getsockname()[1]
            with pytest.raises(Refused) as caught:
                await ask(client, stub)
    assert caught.value.refusal is Refusal.MASA_FAILED


@pytest.mark.rule("R-26", "R-59")
@pytest.mark.parametrize("wanted", [True, False])
async def test_client_certificate_per_manufacturer(tmp_path: Path, wanted: bool) -> None:
    certificate = ClientCertificate(*write_pem(PKI.registrar, tmp_path))
    maker = replace(MAKER, masa_client_certificate=wanted)
    async with masa(lambda _: VOUCHER, certificate=certificate) as (client, stub):
        await ask(client, stub, maker)
    assert stub.requests[0].client == (PKI.registrar.der if wanted else None)


@pytest.mark.rule("R-27")
@pytest.mark.parametrize("location", ["", "user@host", "host/../x", "host:0", "a b"])
async def test_unusable_masa_url(location: str) -> None:
    async with MasaClient(QUICK, None) as client:
        with pytest.raises(Refused) as caught:
            await client.request_voucher(location, MAKER, VOUCHER_COSE, b"")
    assert caught.value.refusal is Refusal.MASA_FAILED


async def test_a_client_that_is_not_open() -> None:
    with pytest.raises(Unavailable):
        await MasaClient(QUICK, None).request_voucher("x.example", MAKER, VOUCHER_COSE, b"")


# --- the audit log -------------------------------------------------------------------------------

LOG = response(200, b"{}", Content_Type="application/json")


async def audit(client: MasaClient, stub: HttpsStub) -> bytes:
    answer = await client.request_audit_log(stub.authority, MAKER, VOUCHER_COSE, b"the RVR")
    return check_audit_answer(answer)


@pytest.mark.rule("R-52")
async def test_the_log_in_the_answer() -> None:
    async with masa(lambda _: LOG) as (client, stub):
        assert await audit(client, stub) == b"{}"
    [request] = stub.requests
    assert request.path == "/.well-known/brski/requestauditlog"
    assert (request.headers["content-type"], request.body) == (
        "application/voucher+cose",
        b"the RVR",
    )


@pytest.mark.rule("R-52")
@pytest.mark.parametrize("form", ["/slug", "https://{authority}/slug"])
async def test_the_log_at_another_place(form: str) -> None:
    def answer(request: HttpRequest) -> bytes:
        if request.method == "GET":
            return LOG
        return response(201, Location=form.format(authority=stub.authority))

    async with masa(answer) as (client, stub):
        assert await audit(client, stub) == b"{}"
    assert [request.path for request in stub.requests][-1] == "/slug"
    assert stub.requests[-1].body == b""


@pytest.mark.rule("R-52")
@pytest.mark.parametrize(
    "location", [None, "https://elsewhere.example/log", "http://localhost/log", "ftp://x/"]
)
async def test_the_log_at_a_foreign_place(location: str | None) -> None:
    fields = {} if location is None else {"Location": location}
    async with masa(lambda _: response(201, **fields)) as (client, stub):
        with pytest.raises(Refused) as caught:
            await audit(client, stub)
    assert caught.value.refusal is Refusal.MASA_FAILED
    assert len(stub.requests) == 1


@pytest.mark.rule("R-52")
@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        (response(404), Refusal.MASA_NOT_FOUND),
        (response(200, b"{}", Content_Type="text/plain"), Refusal.MASA_FAILED),
        (response(201), Refusal.MASA_FAILED),
    ],
)
async def test_no_log(said: bytes, refusal: Refusal) -> None:
    async with masa(lambda _: said) as (client, stub):
        with pytest.raises(Refused) as caught:
            await audit(client, stub)
    assert caught.value.refusal is refusal


def test_same_origin() -> None:
    assert same_origin("https://a:1/x/y", "z") == "https://a:1/x/z"
    with pytest.raises(Refused):
        same_origin("https://a:1/x", "https://a:2/x")
