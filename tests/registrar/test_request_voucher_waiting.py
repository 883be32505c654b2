"""POST /rv repeated, waiting, or cut short (cbrski.md 5.5; D26, D27)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from registrar.background import Background
from registrar.masa_answers import MasaAnswer
from registrar.policy.admission import Mode, SiteAdmission
from registrar.records import DeviceState, Standing
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.errors import Unavailable
from sztb.pki import certificates
from sztb.transport.exchange import Answer
from tests.fakes.pki import NOW
from tests.fakes.registrar_site import World

RV = Operation.REQUEST_VOUCHER


@pytest.mark.rule("R-31", "R-47")
async def test_the_same_pvr_gets_the_same_answer_and_the_masa_is_asked_once(world: World) -> None:
    pvr = world.pvr()
    first = await world.ask(RV, pvr)
    world.clock.advance(minutes=9)
    assert await world.ask(RV, pvr) == first
    assert len(world.masas.asked) == 1


@pytest.mark.rule("R-31")
async def test_a_denial_is_repeated_too(world: World) -> None:
    world.masas.voucher_answer = MasaAnswer(403, "", b"")
    pvr = world.pvr()
    first = await world.ask(RV, pvr)
    world.masas.voucher_answer = None
    assert await world.ask(RV, pvr) == first


@pytest.mark.rule("R-30")
async def test_a_replay_after_the_answer_was_dropped_is_stale(world: World) -> None:
    pvr = world.pvr()
    await world.ask(RV, pvr)
    world.clock.advance(minutes=11)
    assert (await world.ask(RV, pvr)).code == Code.FORBIDDEN


@pytest.mark.rule("R-14")
async def test_a_replay_by_another_device_is_no_replay(world: World) -> None:
    """The signature is checked with the key of whoever is on the connection."""
    pvr = world.pvr()
    await world.ask(RV, pvr)
    world.client = world.pki.device("SN-2")
    assert (await world.ask(RV, pvr)).code == Code.FORBIDDEN


async def hanging(world: World, **rules: Any) -> tuple[bytes, Answer]:
    """Let a request run into a MASA that does not answer."""
    world.rule(answer_within=0.01, **rules)
    world.masas.gate.clear()
    pvr = world.pvr()
    return pvr, await world.ask(RV, pvr)


@pytest.mark.rule("R-31", "E-44")
async def test_a_slow_masa(world: World) -> None:
    """D27: 5.03, then the same PVR gets what came meanwhile."""
    pvr, answer = await hanging(world)
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 20)
    assert (await world.ask(RV, pvr)).code == Code.SERVICE_UNAVAILABLE
    world.rule(answer_within=5.0)
    again = asyncio.ensure_future(world.ask(RV, pvr))
    await asyncio.sleep(0)
    world.masas.gate.set()
    assert (await again).code == Code.CHANGED
    assert len(world.masas.asked) == 1


@pytest.mark.rule("R-30")
async def test_two_vouchers_outstanding(world: World) -> None:
    await hanging(world)
    answer = await world.ask(RV, world.pvr(nonce=b"nonce-02"))
    assert answer.code == Code.FORBIDDEN


async def test_another_instance_asks_already(world: World) -> None:
    pvr, _ = await hanging(world)
    async with Background() as other:
        world.change(background=other)
        answer = await world.ask(RV, pvr)
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 20)
    assert len(world.masas.asked) == 1


async def test_the_lease_of_an_instance_that_died_is_taken_over(world: World) -> None:
    pvr, _ = await hanging(world, masa_lease=timedelta(seconds=75))
    world.clock.advance(seconds=76)
    async with Background(grace=0.01) as survivor:
        world.change(background=survivor)
        await world.ask(RV, pvr)
        assert len(world.masas.asked) == 2


@pytest.mark.rule("R-31")
async def test_waiting_for_the_operator(world: World) -> None:
    world.change(admission=SiteAdmission(Mode.APPROVE))
    pvr = world.pvr()
    for _ in range(3):
        answer = await world.ask(RV, pvr)
        assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 20)
    assert world.record.standing is Standing.WAITING
    assert world.store.events == ["admission"]  # the operator is told once
    assert world.masas.asked == []
    world.edit_record(standing=Standing.APPROVED)
    assert (await world.ask(RV, pvr)).code == Code.CHANGED


async def test_the_disk_is_full(world: World) -> None:
    await world.site.clients.directory(NOW)
    world.store.fail = Unavailable("database or disk is full")
    assert (await world.ask(RV, world.pvr())).code == Code.SERVICE_UNAVAILABLE
    assert world.masas.asked == []


async def test_a_voucher_that_could_not_be_stored_does_not_leave(world: World) -> None:
    world.masas.gate.clear()
    asking = asyncio.ensure_future(world.ask(RV, world.pvr()))
    await world.masas.arrival(asking)
    world.store.fail = Unavailable("database or disk is full")
    world.masas.gate.set()
    assert (await asking).code == Code.SERVICE_UNAVAILABLE


async def test_the_newer_of_two_requests_counts(world: World) -> None:
    """A device gave up on a slow MASA and came back; the late answer changes nothing."""
    await hanging(world)
    world.clock.advance(seconds=76)
    world.masas.gate.set()
    world.rule(answer_within=5.0)
    world.masas.gate.clear()
    world.masas.arrived.clear()
    newer = asyncio.ensure_future(world.ask(RV, world.pvr(nonce=b"nonce-02")))
    await world.masas.arrival(newer)
    world.masas.gate.set()
    assert (await newer).code == Code.CHANGED
    assert world.record.state is DeviceState.VOUCHER_ISSUED
    assert certificates.load(world.record.idevid or b"") == world.device.certificate
