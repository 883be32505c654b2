"""POST /rv that goes to the MASA: the RVR and the answers (cbrski.md 9.2 steps 5 to 8)."""

from dataclasses import replace
from typing import Any

import pytest

from registrar.masa_answers import MasaAnswer
from registrar.records import DeviceState
from sztb.codepoints.coap import Code
from sztb.codepoints.media import VOUCHER_COSE
from sztb.codepoints.resources import Operation
from sztb.envelope import cose_sign1
from sztb.errors import Refusal, Refused, Unavailable
from sztb.pki.idevid import idevid_issuer
from sztb.voucher.formats import open_voucher_request
from sztb.voucher.model import Assertion, VoucherRequest
from tests.fakes.pki import MASA_AUTHORITY, NOW, Identity, make_pki
from tests.fakes.registrar_site import World

RV = Operation.REQUEST_VOUCHER


async def rvr(world: World, **request: Any) -> tuple[VoucherRequest, tuple[bytes, ...]]:
    """Let a device ask, and return the data and certificates the MASA saw."""
    answer = await world.ask(RV, world.pvr(), **request)
    assert answer.code == Code.CHANGED
    sealed = open_voucher_request(VOUCHER_COSE, world.masas.asked[-1].rvr)
    sealed.envelope.verify(world.pki.registrar.key.public_key)
    return sealed.data, sealed.envelope.certificates


# --- the RVR (6) ---------------------------------------------------------------------------------


@pytest.mark.rule("R-17", "R-18", "R-19", "R-20", "R-22", "X-11")
async def test_what_the_rvr_says(world: World) -> None:
    data, _ = await rvr(world)
    assert data.serial_number == "SN-1"
    assert data.idevid_issuer == idevid_issuer(world.device.certificate)
    assert data.assertion is Assertion.PROXIMITY
    assert data.nonce == b"nonce-01"
    assert data.created_on == NOW
    pvr = open_voucher_request(VOUCHER_COSE, data.prior_signed_voucher_request or b"")
    pvr.envelope.verify(world.device.key.public_key)


@pytest.mark.rule("R-22")
async def test_the_pvr_inside_is_byte_for_byte_what_was_sent(world: World) -> None:
    pvr = world.pvr()
    await world.ask(RV, pvr)
    data = open_voucher_request(VOUCHER_COSE, world.masas.asked[-1].rvr).data
    assert data.prior_signed_voucher_request == pvr


@pytest.mark.rule("R-21")
async def test_no_proximity_leaf_goes_to_the_masa(world: World) -> None:
    data, _ = await rvr(world)
    assert data.proximity_registrar_pubk is None
    assert data.proximity_registrar_cert is None
    assert data.proximity_registrar_pubk_sha256 is None


@pytest.mark.rule("R-23")
async def test_the_bag_holds_both_chains_to_their_roots(world: World) -> None:
    _, bag = await rvr(world)
    assert set(bag) == {*world.pki.registrar.chain, *world.device.chain}
    assert len(bag) == len(set(bag))
    assert bag[0] == world.pki.registrar.der


@pytest.mark.rule("R-23")
async def test_the_chain_is_completed_from_our_anchors(world: World) -> None:
    """D21: the pledge left out its root."""
    world.client = Identity(world.device.certificate, world.device.key, world.device.above[:-1])
    _, bag = await rvr(world)
    assert world.pki.manufacturer_root.der in bag


@pytest.mark.rule("R-23")
async def test_certificates_of_the_handshake_that_lead_nowhere_are_in_the_bag(world: World) -> None:
    stray = make_pki("stranger").idevid_ca
    above = (*world.device.above, stray.certificate)
    world.client = Identity(world.device.certificate, world.device.key, above)
    _, bag = await rvr(world)
    assert stray.der in bag


@pytest.mark.rule("R-38")
async def test_no_kid_is_used(world: World) -> None:
    await world.get_voucher()
    assert cose_sign1.decode(world.masas.asked[-1].rvr).kid is None


@pytest.mark.rule("R-24", "R-37")
async def test_where_and_how_the_masa_is_asked(world: World) -> None:
    await world.get_voucher()
    asked = world.masas.asked[-1]
    assert (asked.location, asked.media) == (MASA_AUTHORITY, VOUCHER_COSE)
    assert world.record.masa_url == MASA_AUTHORITY


@pytest.mark.rule("R-27", "R-37")
@pytest.mark.parametrize(
    ("in_idevid", "override", "default", "used"),
    [
        ("in.idevid", "override.example", "default.example", "override.example"),
        ("in.idevid", None, "default.example", "in.idevid"),
        (None, None, "default.example", "default.example"),
    ],
)
async def test_order_of_masa_urls(
    world: World, in_idevid: str | None, override: str | None, default: str, used: str
) -> None:
    world.client = world.pki.device("SN-1", masa_url=in_idevid)
    world.maker(masa_url=override, default_masa_url=default)
    assert (await world.ask(RV, world.pvr())).code == Code.CHANGED
    assert world.masas.asked[-1].location == used


# --- the MASA's answer (8) -----------------------------------------------------------------------


@pytest.mark.rule("R-28")
async def test_the_voucher_loses_its_unprotected_certificates_only(world: World) -> None:
    answer = await world.get_voucher()
    voucher = cose_sign1.decode(answer.payload)
    assert voucher.certificates == ()
    voucher.verify(world.pki.masa_signer.key.public_key)


MASA_SAYS = [  # D26
    (MasaAnswer(403, "text/plain", b"no"), Code.FORBIDDEN),
    (MasaAnswer(404, "text/plain", b"no"), Code.NOT_FOUND),
    (MasaAnswer(406, "text/plain", b"no"), Code.NOT_ACCEPTABLE),
    (MasaAnswer(415, "text/plain", b"no"), Code.UNSUPPORTED_CONTENT_FORMAT),
    (MasaAnswer(202, "text/plain", b"wait"), Code.SERVICE_UNAVAILABLE),
    (MasaAnswer(429, "", b""), Code.SERVICE_UNAVAILABLE),
    (MasaAnswer(500, "", b""), Code.SERVICE_UNAVAILABLE),
    (MasaAnswer(503, "", b""), Code.SERVICE_UNAVAILABLE),
    (Unavailable("time-out"), Code.SERVICE_UNAVAILABLE),
    (MasaAnswer(401, "text/plain", b"who are you"), Code.BAD_GATEWAY),
    (MasaAnswer(400, "text/plain", b"what"), Code.BAD_GATEWAY),
    (MasaAnswer(302, "", b"", "https://other.example/"), Code.BAD_GATEWAY),
    (MasaAnswer(200, "text/html", b"<html>"), Code.BAD_GATEWAY),
    (MasaAnswer(200, "application/voucher-jws+json", b"{}"), Code.BAD_GATEWAY),
    (MasaAnswer(200, "", b"x"), Code.BAD_GATEWAY),
    (MasaAnswer(200, "application/voucher+cose", b""), Code.BAD_GATEWAY),
    (MasaAnswer(200, "application/voucher+cose", b"not COSE"), Code.BAD_GATEWAY),
    (Refused(Refusal.MASA_FAILED, "wrong name in the certificate"), Code.BAD_GATEWAY),
]


@pytest.mark.rule("R-30", "R-43")
@pytest.mark.parametrize(("says", "code"), MASA_SAYS, ids=str)
async def test_what_the_masa_says_to_the_pledge(world: World, says: Any, code: Code) -> None:
    world.masas.voucher_answer = says
    answer = await world.ask(RV, world.pvr())
    assert answer.code == code
    assert answer.max_age == (20 if code == Code.SERVICE_UNAVAILABLE else None)
    assert answer.payload != b""


@pytest.mark.rule("R-43")
async def test_only_what_an_operator_can_mend_is_an_alert(world: World) -> None:
    world.masas.voucher_answer = MasaAnswer(401, "", b"")
    await world.ask(RV, world.pvr())
    assert world.store.last("masa-failed").alert
    world.masas.voucher_answer = MasaAnswer(503, "", b"")
    await world.ask(RV, world.pvr())
    assert not world.store.last("masa-failed").alert


@pytest.mark.rule("R-31")
@pytest.mark.parametrize("status", [401, 503])
async def test_after_a_failure_the_same_pvr_asks_again(world: World, status: int) -> None:
    world.masas.voucher_answer = MasaAnswer(status, "", b"")
    await world.ask(RV, world.pvr())
    world.masas.voucher_answer = None
    pvr = world.pvr()
    assert (await world.ask(RV, pvr)).code == Code.CHANGED


@pytest.mark.rule("R-30")
async def test_a_denial_is_on_record(world: World) -> None:
    world.masas.voucher_answer = MasaAnswer(404, "text/plain", b"never made")
    await world.ask(RV, world.pvr())
    assert world.record.state is DeviceState.VOUCHER_DENIED
    assert "never made" in world.record.reason


# --- looking at the voucher ----------------------------------------------------------------------


@pytest.mark.rule("R-29", "R-36", "R-64")
@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"serial_number": "SN-2"}, "R-29"),
        ({"nonce": b"another!"}, "R-29"),
        ({"pinned_domain_cert": make_pki("stranger").domain_ca.der}, "R-36"),
        ({"pinned_domain_cert": None}, "R-36"),
    ],
)
async def test_a_voucher_the_pledge_will_refuse_is_forwarded_with_an_alarm(
    world: World, change: dict[str, Any], number: str
) -> None:
    world.masas.change = lambda voucher: replace(voucher, **change)
    assert (await world.ask(RV, world.pvr())).code == Code.CHANGED
    objection = world.store.last("voucher-objection")
    assert (objection.rule, objection.alert) == (number, True)


@pytest.mark.rule("R-64")
async def test_a_voucher_we_cannot_read_is_forwarded(world: World) -> None:
    opaque = cose_sign1.sign(b"a later format", world.pki.masa_signer.key)
    world.masas.voucher_answer = MasaAnswer(200, VOUCHER_COSE.media_type, opaque)
    answer = await world.ask(RV, world.pvr())
    assert (answer.code, answer.payload) == (Code.CHANGED, opaque)
    assert world.store.last("voucher-objection").rule == "R-64"


async def test_a_good_voucher_raises_no_alarm(world: World) -> None:
    await world.get_voucher()
    assert "voucher-objection" not in world.store.events
