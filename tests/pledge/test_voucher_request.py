"""The pledge voucher-request: what is in it, and getting the voucher for it."""

import hashlib
from dataclasses import replace

import pytest

from pledge.link import ProvisionalLink, Rejected
from pledge.progress import Progress
from pledge.voucher_request import make_pvr, obtain_voucher, proximity_leaf, sent_request
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.discovery.offers import Endpoint
from sztb.envelope import cose_sign1
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.pki.keys import FileKey, SignatureAlgorithm, spki_der
from sztb.transport.exchange import Answer
from sztb.transport.tls.errors import LinkFailed
from sztb.voucher.model import Assertion
from sztb.voucher.pins import Kind
from tests.fakes.exchange import FakeExchange, FakeWorld
from tests.fakes.pki import NOW, make_pki

REGISTRAR = make_pki().registrar
SPKI = spki_der(REGISTRAR.key.public_key)
NONCE = bytes(range(16))
VOUCHER = Answer(Code.CHANGED, b"voucher", media.VOUCHER_COSE.content_format)
LATER = Answer(Code.SERVICE_UNAVAILABLE, max_age=60)
BROKEN = LinkFailed("gone")


def make(device, kind=Kind.PUBK, created_on=None):
    return make_pvr(device.factory, NONCE, proximity_leaf(REGISTRAR.chain, kind), created_on)


@pytest.mark.rule("P-12", "X-08")
def test_it_is_signed_with_the_idevid_key(device):
    pvr = make(device)
    pvr.envelope.verify(device.factory.key.public_key)
    with pytest.raises(Refused):
        pvr.envelope.verify(REGISTRAR.key.public_key)


@pytest.mark.rule("P-12")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_any_key_type_of_ours_signs(device, algorithm):
    key = FileKey.generate(algorithm)
    pvr = make(replace(device, factory=replace(device.factory, key=key)))
    pvr.envelope.verify(key.public_key)


@pytest.mark.rule("P-13")
def test_it_has_nonce_serial_number_proximity(device):
    pvr = make(device).data
    assert pvr.nonce == NONCE
    assert pvr.serial_number == "SN-1"
    assert pvr.assertion is Assertion.PROXIMITY
    assert pvr.created_on is None
    assert pvr.idevid_issuer is None


@pytest.mark.rule("P-13")
@pytest.mark.parametrize(
    ("kind", "leaf", "value"),
    [
        (Kind.PUBK, "proximity_registrar_pubk", SPKI),
        (Kind.PUBK_SHA256, "proximity_registrar_pubk_sha256", hashlib.sha256(SPKI).digest()),
        (Kind.CERT, "proximity_registrar_cert", REGISTRAR.der),
    ],
)
def test_one_proximity_leaf_names_the_first_certificate(device, kind, leaf, value):
    pvr = make(device, kind).data
    leaves = {name: getattr(pvr, name) for name in dir(pvr) if name.startswith("proximity_")}
    assert {name: found for name, found in leaves.items() if found is not None} == {leaf: value}


@pytest.mark.rule("P-14")
def test_no_certificates_no_kid(device):
    envelope = cose_sign1.decode(make(device).raw)
    assert envelope.unprotected == {}
    assert set(envelope.protected) == {1}
    assert envelope.certificates == ()


def test_created_on_in_whole_seconds_where_the_clock_is_trusted(device):
    assert make(device, created_on=NOW.replace(microsecond=7)).data.created_on == NOW


def test_what_is_remembered_to_judge_the_answer(device, pki):
    leaf = proximity_leaf(REGISTRAR.chain, Kind.PUBK)
    sent = sent_request(device.factory, NONCE, leaf)
    assert (sent.serial_number, sent.nonce, sent.proximity) == ("SN-1", NONCE, leaf)
    assert sent.idevid_issuer == pki.device().ref.idevid_issuer


def test_a_registrar_certificate_that_cannot_be_read():
    with pytest.raises(Malformed):
        proximity_leaf((b"nonsense",), Kind.PUBK)


async def obtain(*connections):
    """Ask over these connections; returns the voucher and the world."""
    world = FakeWorld(connections=list(connections))
    link = await ProvisionalLink.connect(Endpoint("fe80::1", 1, 3), None, world.environment)
    moved, waited = [], []
    progress = Progress(lambda: moved.append(world.now), lambda: waited.append(world.now))
    voucher = await obtain_voucher(link, b"pvr", world.environment, progress)
    assert moved
    return voucher, world, waited


@pytest.mark.rule("P-15")
async def test_request_and_answer_are_in_format_836():
    exchange = FakeExchange([VOUCHER])
    voucher, _, _ = await obtain(exchange)
    [asked] = exchange.asked
    assert voucher == b"voucher"
    assert (asked.content_format, asked.accept) == (836, 836)
    assert asked.path == (".well-known", "brski", "rv")


@pytest.mark.parametrize("content_format", [None, 60])
async def test_a_voucher_in_another_format_is_refused(content_format):
    answer = replace(VOUCHER, content_format=content_format)
    with pytest.raises(Refused) as caught:
        await obtain(FakeExchange([answer]))
    assert caught.value.refusal is Refusal.CONTENT_FORMAT


@pytest.mark.parametrize(
    "code", [Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_ACCEPTABLE, Code.CONTENT]
)
async def test_any_other_answer_is_a_rejection(code):
    with pytest.raises(Rejected, match="no\\?thanks"):
        await obtain(FakeExchange([replace(VOUCHER, code=code, payload=b"no\x1bthanks")]))


@pytest.mark.rule("P-11")
async def test_what_cannot_be_a_voucher_is_not_kept():
    with pytest.raises(Malformed):
        await obtain(FakeExchange([replace(VOUCHER, payload=bytes(8193))]))


@pytest.mark.rule("P-16", "P-44")
async def test_a_broken_connection_is_opened_again_with_the_same_request():
    first, second = FakeExchange([LATER, BROKEN]), FakeExchange([VOUCHER])
    _, world, waited = await obtain(first, second)
    assert waited == [0.0]
    assert first.closed
    assert [each.payload for each in first.asked + second.asked] == [b"pvr"] * 3
    assert [endpoint for endpoint, _ in world.connected] == [Endpoint("fe80::1", 1, 3)] * 2


@pytest.mark.rule("P-44")
async def test_a_ping_that_fails_opens_the_connection_again():
    first, second = FakeExchange([LATER], ping_fails=[BROKEN]), FakeExchange([VOUCHER])
    voucher, _, _ = await obtain(first, second)
    assert voucher == b"voucher"
    assert second.pings == 1


@pytest.mark.rule("P-44")
async def test_after_reconnecting_it_must_be_the_same_registrar():
    other = FakeExchange([VOUCHER], peer_chain=(b"another certificate",))
    with pytest.raises(Refused) as caught:
        await obtain(FakeExchange([LATER, BROKEN]), other)
    assert caught.value.refusal is Refusal.CERTIFICATE_PATH
    assert other.asked == []


async def test_a_registrar_that_is_gone_is_given_up():
    with pytest.raises(LinkFailed):
        await obtain(FakeExchange([BROKEN]), LinkFailed("nobody there"))


@pytest.mark.rule("P-17")
async def test_a_registrar_that_is_never_ready_is_given_up_after_four_days():
    world = FakeWorld([FakeExchange([LATER])])
    link = await ProvisionalLink.connect(Endpoint("::1", 1), None, world.environment)
    with pytest.raises(Unavailable):
        await obtain_voucher(link, b"pvr", world.environment, Progress(list, list))
    assert world.now == 4 * 24 * 3600
