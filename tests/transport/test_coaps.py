"""CoAP over real DTLS on the loopback interface: client and server together."""

import asyncio
import gc
import logging

import pytest

from sztb.codepoints.coap import Code
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.transport.coap import reliability
from sztb.transport.coap.response import etag_of
from sztb.transport.coap.service import format_address
from sztb.transport.coaps_client import CoapsClient
from sztb.transport.exchange import Answer
from sztb.transport.tls.errors import LinkFailed

from .coaps import (
    Nth,
    Relay,
    client_tls,
    connected,
    device,
    eventually,
    nothing,
    registrar,
    serving,
)

RV = (".well-known", "brski", "rv")
CRTS = (".well-known", "est", "crts")
BODY = bytes(range(256)) * 10


async def echo(request):
    code = Code.CONTENT if request.method is Code.GET else Code.CHANGED
    return Answer(code, request.payload, request.content_format)


async def test_a_request_and_its_answer():
    seen = []

    async def handler(request):
        seen.append(request)
        return Answer(Code.CHANGED, b"voucher", 836)

    async with serving(handler) as server, connected(server.address) as client:
        answer = await client.request(
            Code.POST, RV, b"pvr", content_format=836, accept=836, query=("a=b",)
        )
        assert answer == Answer(Code.CHANGED, b"voucher", 836)
        assert client.peer_chain == registrar().chain
        assert client.own_chain == device().chain
        [request] = seen
        assert request.path == RV
        assert (request.payload, request.query) == (b"pvr", ("a=b",))
        assert (request.content_format, request.accept) == (836, 836)
        assert request.peer.chain == device().chain
        assert request.peer.own_chain == registrar().chain
        assert request.peer.channel_binding == client.channel_binding
        assert len(client.channel_binding) == 12


async def test_requests_of_one_connection_have_one_session():
    sessions = []

    async def handler(request):
        sessions.append(request.peer.session)
        return Answer(Code.CHANGED)

    async with serving(handler) as server:
        for _ in range(2):
            async with connected(server.address) as client:
                await client.request(Code.POST, RV)
                await client.request(Code.POST, RV)
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]


@pytest.mark.rule("R-09", "P-38", "E-43", "P-08")
@pytest.mark.parametrize("record", [512, 1024, None])
@pytest.mark.parametrize("size", [0, 1, 400, 900, 1100, 2560])
async def test_bodies_of_any_size_both_ways(record, size):
    async with (
        serving(echo) as server,
        connected(server.address, max_fragment_length=record) as client,
    ):
        answer = await client.request(Code.POST, RV, BODY[:size], content_format=60)
        assert answer == Answer(Code.CHANGED, BODY[:size], 60)


@pytest.mark.rule("R-12")
async def test_what_the_client_holds_is_confirmed():
    async def handler(request):
        return Answer(Code.CONTENT, BODY, 281, etag=etag_of(BODY))

    async with serving(handler) as server, connected(server.address) as client:
        full = await client.request(Code.GET, CRTS, accept=281)
        again = await client.request(Code.GET, CRTS, accept=281, etag=full.etag)
    assert full == Answer(Code.CONTENT, BODY, 281, etag=etag_of(BODY))
    assert again == Answer(Code.VALID, etag=full.etag)


REFUSALS = [
    (Refused(Refusal.VENDOR_NOT_ALLOWED, "secret detail"), Code.FORBIDDEN),
    (Refused(Refusal.CONTENT_FORMAT), Code.UNSUPPORTED_CONTENT_FORMAT),
    (Refused(Refusal.ACCEPT), Code.NOT_ACCEPTABLE),
    (Refused(Refusal.DEVICE_UNKNOWN), Code.NOT_FOUND),
    (Malformed("secret detail"), Code.BAD_REQUEST),
]


@pytest.mark.rule("R-30")
@pytest.mark.parametrize(("error", "code"), REFUSALS)
async def test_what_a_handler_raises_becomes_the_answer(error, code):
    async def handler(request):
        raise error

    async with serving(handler) as server, connected(server.address) as client:
        answer = await client.request(Code.POST, RV, b"pvr")
        assert not client.closed
    assert answer.code is code
    assert b"secret" not in answer.payload


@pytest.mark.rule("R-31")
async def test_try_again_later():
    async def handler(request):
        raise Unavailable("the MASA is slow", retry_after=20)

    async with serving(handler) as server, connected(server.address) as client:
        answer = await client.request(Code.POST, RV, b"pvr")
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 20)


async def test_a_handler_with_a_bug(caplog):
    async def handler(request):
        return 1 / 0

    async with serving(handler) as server, connected(server.address) as client:
        answer = await client.request(Code.POST, RV, b"pvr")
        assert answer.code is Code.INTERNAL_SERVER_ERROR
        assert not client.closed
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.rule("R-16", "R-30")
async def test_the_connection_is_closed_after_4_01_has_arrived():
    async def handler(request):
        raise Refused(Refusal.NOT_PROXIMATE)

    async with serving(handler) as server, connected(server.address) as client:
        answer = await client.request(Code.POST, RV, b"pvr")
        assert answer.code is Code.UNAUTHORIZED
        with pytest.raises(LinkFailed):
            await client.request(Code.POST, RV, b"pvr", timeout=5)
        assert client.closed


@pytest.mark.rule("E-44", "R-31")
async def test_a_slow_handler_answers_by_itself():
    release = asyncio.Event()
    calls = 0

    async def handler(request):
        nonlocal calls
        calls += 1
        await release.wait()
        return Answer(Code.CHANGED, BODY)

    async with serving(handler) as server, connected(server.address) as client:
        asking = asyncio.ensure_future(client.request(Code.POST, RV, b"pvr"))
        await eventually(lambda: calls)
        received = client.bytes_received
        await eventually(lambda: client.bytes_received > received)  # the empty acknowledgement
        release.set()
        assert (await asking).payload == BODY
        assert calls == 1


async def test_a_ping():
    async with serving(echo) as server, connected(server.address) as client:
        await client.ping()
        assert (await client.request(Code.GET, CRTS)).code is Code.CONTENT


async def test_no_answer_in_time():
    async def handler(request):
        await asyncio.sleep(60)

    async with serving(handler, grace=0.0) as server, connected(server.address) as client:
        with pytest.raises(LinkFailed, match="no answer"):
            await client.request(Code.POST, RV, timeout=0.1)


async def test_a_cancelled_request_leaves_the_connection_usable():
    release = asyncio.Event()

    async def handler(request):
        if request.payload == b"slow":
            await release.wait()
        return Answer(Code.CHANGED, request.payload)

    async with serving(handler) as server, connected(server.address) as client:
        slow = asyncio.ensure_future(client.request(Code.POST, RV, b"slow"))
        await eventually(lambda: server._service._tasks)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        release.set()
        for payload in (b"one", b"two"):
            assert (await client.request(Code.POST, RV, payload)).payload == payload


async def test_requests_at_the_same_time_go_one_after_the_other():
    running = 0

    async def handler(request):
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.01)
        running -= 1
        return Answer(Code.CHANGED, request.payload)

    async with serving(handler) as server, connected(server.address) as client:
        bodies = [bytes([number]) for number in range(6)]
        answers = await asyncio.gather(*(client.request(Code.POST, RV, body) for body in bodies))
    assert [answer.payload for answer in answers] == bodies


async def test_the_server_goes_away_during_a_request():
    started = asyncio.Event()

    async def handler(request):
        started.set()
        await asyncio.sleep(60)

    async with serving(handler, grace=0.0) as server:
        client = await CoapsClient.connect(server.address, client_tls(), timeout=10)
        asking = asyncio.ensure_future(client.request(Code.POST, RV, b"pvr"))
        await started.wait()
    with pytest.raises(LinkFailed):
        await asking
    assert client.closed
    await client.close()


async def test_requests_in_hand_are_finished_on_close():
    started = asyncio.Event()

    async def handler(request):
        started.set()
        await asyncio.sleep(0.2)
        return Answer(Code.CHANGED, b"done")

    async with serving(handler, grace=5.0) as server, connected(server.address) as client:
        asking = asyncio.ensure_future(client.request(Code.POST, RV))
        await started.wait()
        closing = asyncio.ensure_future(server.close(5.0))
        assert (await asking).payload == b"done"
        await closing


async def test_new_requests_are_refused_while_closing():
    release = asyncio.Event()

    async def handler(request):
        await release.wait()
        return Answer(Code.CHANGED)

    async with (
        serving(handler) as server,
        connected(server.address) as one,
        connected(server.address) as two,
    ):
        held = asyncio.ensure_future(one.request(Code.POST, RV))
        await eventually(lambda: server._service._tasks)
        closing = asyncio.ensure_future(server.close(5.0))
        await asyncio.sleep(0)
        assert (await two.request(Code.POST, RV)).code is Code.SERVICE_UNAVAILABLE
        release.set()
        assert (await held).code is Code.CHANGED
        await closing


@pytest.mark.rule("R-31")
async def test_a_busy_server_says_so():
    release = asyncio.Event()

    async def handler(request):
        await release.wait()
        return Answer(Code.CHANGED)

    async with (
        serving(handler) as server,
        connected(server.address) as one,
        connected(server.address) as two,
    ):
        server._service._max_calls = 1
        held = asyncio.ensure_future(one.request(Code.POST, RV))
        await eventually(lambda: server._service._tasks)
        assert (await two.request(Code.POST, RV)).code is Code.SERVICE_UNAVAILABLE
        release.set()
        assert (await held).code is Code.CHANGED
        assert (await two.request(Code.POST, RV)).code is Code.CHANGED


async def test_nobody_is_there():
    async with serving(echo) as server:
        address = server.address
    with pytest.raises(LinkFailed):
        await CoapsClient.connect(address, client_tls(), timeout=5)


async def test_closing_twice_and_asking_afterwards():
    async with serving(echo) as server, connected(server.address) as client:
        await client.close()
        await client.close()
        with pytest.raises(LinkFailed):
            await client.request(Code.GET, CRTS)
        with pytest.raises(LinkFailed):
            await client.ping()


async def test_no_task_and_no_association_is_left():
    before = asyncio.all_tasks()
    async with serving(echo) as server:
        for _ in range(3):
            async with connected(server.address) as client:
                await client.request(Code.POST, RV, BODY)
        await eventually(lambda: not server._service._connections)
        assert server._service._budget.used == 0
    gc.collect()
    assert asyncio.all_tasks() == before


@pytest.mark.rule("E-44", "E-47")
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
async def test_any_one_datagram_of_a_block_wise_exchange_may_be_lost(nth, monkeypatch):
    monkeypatch.setattr(reliability, "ACK_TIMEOUT", 0.1)
    calls = 0

    async def handler(request):
        nonlocal calls
        calls += 1
        return Answer(Code.CHANGED, request.payload)

    async with (
        serving(handler) as server,
        Relay.between(server.address) as relay,
        connected(relay.address) as client,
    ):
        relay.drop = Nth(nth, each_way=True)
        answer = await client.request(Code.POST, RV, BODY[:1200], timeout=10)
        assert answer.payload == BODY[:1200]
        assert relay.dropped >= 1
    assert calls == 1


@pytest.mark.rule("R-16", "E-44")
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_closing_answer_survives_loss(nth, monkeypatch):
    monkeypatch.setattr(reliability, "ACK_TIMEOUT", 0.1)

    async def handler(request):
        raise Refused(Refusal.NOT_PROXIMATE)

    async with (
        serving(handler) as server,
        Relay.between(server.address) as relay,
        connected(relay.address) as client,
    ):
        relay.drop = Nth(nth, each_way=False)
        answer = await client.request(Code.POST, RV, b"pvr", timeout=10)
        assert answer.code is Code.UNAUTHORIZED


def nothing_back(to_server, datagram):
    return not to_server


async def test_nothing_comes_back(monkeypatch):
    monkeypatch.setattr(reliability, "ACK_TIMEOUT", 0.01)
    async with (
        serving(echo) as server,
        Relay.between(server.address) as relay,
        connected(relay.address) as client,
    ):
        relay.drop = nothing_back
        with pytest.raises(LinkFailed, match="acknowledgement"):
            await client.request(Code.POST, RV, b"pvr", timeout=30)
        relay.drop = nothing


@pytest.mark.rule("R-08")
async def test_the_client_spells_the_path_out_when_the_server_wants_that():
    paths = []

    async def handler(request):
        paths.append(request.path)
        if len(paths) == 1:
            raise Refused(Refusal.BAD_OPTION)
        return Answer(Code.CHANGED)

    async with serving(handler) as server, connected(server.address) as client:
        sent = client.bytes_sent
        assert (await client.request(Code.POST, RV)).code is Code.CHANGED
        both = client.bytes_sent - sent
        assert (await client.request(Code.POST, RV)).code is Code.CHANGED
        spelled = client.bytes_sent - sent - both
    assert paths == [RV, RV, RV]
    assert both - spelled < spelled  # the first of the two attempts was abbreviated


async def test_nothing_is_logged_of_normal_life(caplog):
    caplog.set_level(logging.INFO)
    async with serving(echo) as server, connected(server.address) as client:
        await client.request(Code.POST, RV, BODY)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("192.0.2.1", 5684), "192.0.2.1:5684"),
        (("fe80::1%eth0", 5684, 0, 2), "[fe80::1%eth0]:5684"),
    ],
)
def test_addresses_are_written_as_in_uris(address, text):
    assert format_address(address) == text
