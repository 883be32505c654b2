"""What an authenticated but hostile peer can send inside DTLS, and what it costs."""

import asyncio
import logging
import os
import random
import tracemalloc

import pytest

from sztb.codepoints.coap import Code, Option
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.encoding.coap_options import Block
from sztb.transport.coap import reliability, service
from sztb.transport.coap.limits import TransferLimits
from sztb.transport.exchange import Answer

from .coaps import RawPeer, connected, eventually, serving

CON, NON, ACK, RST = MessageType
RV = ((Option.URI_PATH_ABBREV, b"\x01\x92"),)


async def echo(request):
    return Answer(Code.CHANGED, request.payload)


def post(message_id, *options, payload=b"pvr", token=b"t"):
    ordered = tuple(sorted(RV + options, key=lambda option: option[0]))
    return encode(CoapMessage(CON, Code.POST, message_id, token, ordered, payload))


def block1(number, *, more=True, exponent=0):
    return (int(Option.BLOCK1), Block(number, more, exponent).encode())


async def test_a_duplicate_is_answered_without_a_second_call():
    calls = 0

    async def handler(request):
        nonlocal calls
        calls += 1
        return Answer(Code.CHANGED, bytes([calls]))

    async with serving(handler) as server:
        peer = await RawPeer.connect(server.address)
        peer.send(post(1))
        first = await peer.receive()
        peer.send(post(1))
        assert await peer.receive() == first
        peer.send(post(2))
        assert decode(await peer.receive()).payload == b"\x02"


async def test_a_duplicate_on_another_association_is_another_request():
    calls = 0

    async def handler(request):
        nonlocal calls
        calls += 1
        return Answer(Code.CHANGED)

    async with serving(handler) as server:
        for _ in range(2):
            peer = await RawPeer.connect(server.address)
            peer.send(post(1))
            await peer.receive()
    assert calls == 2


@pytest.mark.rule("E-43")
async def test_blocks_of_another_association_do_not_count():
    async with serving(echo) as server:
        one = await RawPeer.connect(server.address)
        two = await RawPeer.connect(server.address)
        one.send(post(1, block1(0), payload=b"a" * 16))
        assert decode(await one.receive()).code == Code.CONTINUE
        two.send(post(2, block1(1, more=False), payload=b"b"))
        assert decode(await two.receive()).code == Code.REQUEST_ENTITY_INCOMPLETE
        one.send(post(3, block1(1, more=False), payload=b"b"))
        assert decode(await one.receive()).payload == b"a" * 16 + b"b"


@pytest.mark.rule("E-43", "E-50")
async def test_transfers_never_finished_cost_nothing_in_the_end():
    async with serving(echo, max_body=4096) as server:
        peer = await RawPeer.connect(server.address)
        budget = server._service._budget
        for number in range(50):
            query = (int(Option.URI_QUERY), str(number).encode())
            peer.send(post(number, query, block1(0, exponent=5), payload=b"x" * 512))
            assert decode(await peer.receive()).code == Code.CONTINUE
        assert budget.used <= 2 * (512 + 300)
        peer.association.close()
        await eventually(lambda: not budget.used)


@pytest.mark.rule("E-43", "E-50")
async def test_transfers_never_finished_are_swept_away(monkeypatch):
    monkeypatch.setattr(service, "_SWEEP", 0.05)
    monkeypatch.setattr(TransferLimits.__init__, "__defaults__", (4096, 2, 0.1))
    async with serving(echo) as server:
        peer = await RawPeer.connect(server.address)
        peer.send(post(1, block1(0), payload=b"x" * 16))
        await peer.receive()
        assert server._service._budget.used
        await eventually(lambda: not server._service._budget.used)


@pytest.mark.rule("E-50")
async def test_a_body_without_end():
    async with serving(echo, max_body=4096) as server:
        peer = await RawPeer.connect(server.address)
        for number in range(8):
            peer.send(post(number, block1(number, exponent=5), payload=b"x" * 512))
            assert decode(await peer.receive()).code == Code.CONTINUE
        peer.send(post(99, block1(8, exponent=5), payload=b"x" * 512))
        refused = decode(await peer.receive())
        assert refused.code == Code.REQUEST_ENTITY_TOO_LARGE
        assert (Option.SIZE1, b"\x10\x00") in refused.options


async def test_more_requests_at_once_than_allowed():
    release = asyncio.Event()

    async def handler(request):
        await release.wait()
        return Answer(Code.CHANGED)

    async with serving(handler) as server:
        peer = await RawPeer.connect(server.address)
        for number in range(20):
            peer.send(post(number))
        codes = [decode(await peer.receive()).code for _ in range(16)]
        assert codes == [Code.SERVICE_UNAVAILABLE] * 16
        release.set()
        codes = [decode(await peer.receive()).code for _ in range(4)]
        assert codes == [Code.CHANGED] * 4


@pytest.mark.rule("E-50")
async def test_garbage_neither_ends_nor_fills_the_server(caplog):
    """Random and mutated messages; a second association is served all the while."""
    caplog.set_level(logging.INFO)
    source = random.Random(1)
    good = post(1, block1(0), payload=b"x" * 16)
    async with serving(echo) as server, connected(server.address) as neighbour:
        peer = await RawPeer.connect(server.address)
        for number in range(1500):
            kind = number % 3
            if kind == 0:
                data = source.randbytes(source.randrange(1, 200))
            elif kind == 1:
                data = bytearray(good)
                data[source.randrange(len(data))] = source.randrange(256)
                data = bytes(data)
            else:
                data = good[:2] + source.randbytes(2) + source.randbytes(40)
            peer.send(data)
            if number % 250 == 0:
                answer = await neighbour.request(Code.POST, ("x",), b"alive")
                assert answer.payload == b"alive"
            await asyncio.sleep(0)
        assert (await neighbour.request(Code.POST, ("x",), b"alive")).payload == b"alive"
    assert caplog.records == []


@pytest.mark.rule("E-50")
async def test_memory_stays_flat_under_new_requests():
    async with serving(echo) as server:
        peer = await RawPeer.connect(server.address)

        async def flood(count):
            for number in range(count):
                options = ((300 + 2 * number, os.urandom(8)),)
                peer.send(post(number & 0xFFFF, *options, payload=os.urandom(64)))
                await peer.receive()

        tracemalloc.start()
        try:
            await flood(1000)
            before = tracemalloc.get_traced_memory()[0]
            await flood(2000)
            after = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert after - before < 100_000  # fifty bytes a request; the smallest object has more


async def test_a_peer_that_never_confirms_a_closing_answer_loses_the_connection(monkeypatch):
    monkeypatch.setattr(reliability, "ACK_TIMEOUT", 0.05)

    async def handler(request):
        return Answer(Code.UNAUTHORIZED, close=True)

    async with serving(handler) as server:
        peer = await RawPeer.connect(server.address)
        peer.send(post(1))
        assert decode(await peer.receive()).type is ACK
        assert decode(await peer.receive()).code == Code.UNAUTHORIZED
        async with asyncio.timeout(5):
            await peer.ended.wait()
