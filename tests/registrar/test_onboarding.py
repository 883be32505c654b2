"""The whole way of a device through the registrar's procedures, as the standard tells it."""

import pytest

from registrar.records import DeviceState
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.est.messages import decode_cacerts, decode_enrolled
from sztb.transport.exchange import Answer
from sztb.voucher.formats import open_voucher
from tests.fakes.pki import key
from tests.fakes.registrar_site import World, make_world

rule = pytest.mark.rule


@rule("R-05", "R-06", "R-07", "R-30", "R-32", "R-42", "E-42")
async def test_a_new_device_becomes_a_member(world: World) -> None:
    answer = await world.get_voucher()
    assert answer.content_format == 836
    assert open_voucher(media.VOUCHER_COSE, answer.payload).data.nonce == b"nonce-01"
    assert world.record.state is DeviceState.VOUCHER_ISSUED

    assert await world.say(Operation.VOUCHER_STATUS) == Answer(Code.CHANGED)
    assert world.record.state is DeviceState.AUDITED

    crts = await world.ask(Operation.CACERTS, accept=62)
    assert crts.code == Code.CONTENT
    assert decode_cacerts(media.MULTIPART_CORE, crts.payload) == world.pki.domain_ca.path

    issued = await world.ask(Operation.SIMPLEENROLL, world.csr(), accept=287)
    assert issued.code == Code.CHANGED
    ldevid = decode_enrolled(media.PKIX_CERT, issued.payload, key("new key").public_key)
    assert ldevid.subject == world.device.certificate.subject
    assert world.record.state is DeviceState.ENROLLED

    assert await world.say(Operation.ENROLL_STATUS) == Answer(Code.CHANGED)
    assert world.store.events == [
        "voucher-issued", "voucher-status", "audit", "certificate-issued", "enroll-status",
    ]  # fmt: skip


async def test_every_answer_waits_for_the_disk_few_times(world: World) -> None:
    """Five transactions for an onboarding: the budget of design.md 8 rests on it."""
    await world.become_enrolled()
    await world.say(Operation.ENROLL_STATUS)
    assert world.store.writes == 5


async def test_a_reset_member_onboards_again(world: World) -> None:
    world.client = await world.become_enrolled()
    world.client = world.device
    answer = await world.ask(Operation.REQUEST_VOUCHER, world.pvr(nonce=b"nonce-02"))
    assert answer.code == Code.CHANGED
    assert world.record.state is DeviceState.VOUCHER_ISSUED


async def test_with_an_intermediate_ca() -> None:
    async with make_world(intermediate=True) as world:
        ldevid = await world.become_enrolled()
        assert ldevid.certificate.issuer == world.pki.domain_ca.certificate.subject
