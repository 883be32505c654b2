"""The two states of a connection (cbrski.md 4.4)."""

from dataclasses import replace

import pytest

from pledge import link as links
from pledge.anchors import ExplicitTrustAnchors
from pledge.link import ProvenLink, ProvisionalLink, Rejected
from sztb.brski.telemetry import VoucherStatus
from sztb.codepoints import media, oid
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import profiles
from sztb.pki.keys import spki_der
from sztb.transport.exchange import Answer
from sztb.transport.tls.errors import LinkFailed
from sztb.voucher.pins import PinnedCert, PinnedKey, PinnedKeyHash
from tests.fakes.exchange import FakeExchange, FakeWorld
from tests.fakes.pki import LIFETIME, NOW, Identity, key, make_pki

PKI = make_pki()
THERE = Endpoint("fe80::1", 5684, 3)
DONE = Answer(Code.CHANGED)


async def provisional(exchange, *, trusted=True):
    world = FakeWorld([exchange], trusted=trusted)
    return await ProvisionalLink.connect(THERE, PKI.device().chain, world.environment)


async def refusal_of(pin, chain=PKI.registrar.chain, *, trusted=True):
    link = await provisional(FakeExchange([DONE], peer_chain=chain), trusted=trusted)
    try:
        link.resolve(pin)
    except Refused as error:
        return error.refusal
    return None


@pytest.mark.rule("P-11")
def test_a_provisional_link_can_ask_for_a_voucher_and_nothing_else():
    able = {name for name in dir(ProvisionalLink) if not name.startswith("_")}
    told = {"endpoint", "bytes_sent", "bytes_received"}
    assert able - told == {
        "connect",
        "request_voucher",
        "report_refused_voucher",
        "reopen",
        "resolve",
        "ping",
        "close",
    }


@pytest.mark.rule("P-11")
async def test_the_whole_presented_chain_is_kept():
    link = await provisional(FakeExchange(peer_chain=PKI.registrar.chain))
    assert link.peer_chain == PKI.registrar.chain


@pytest.mark.rule("P-11")
@pytest.mark.parametrize(
    "chain",
    [
        pytest.param((), id="no certificate"),
        pytest.param((b"x",) * 9, id="nine certificates"),
        pytest.param((bytes(9000), bytes(9000)), id="huge certificates"),
    ],
)
async def test_a_chain_out_of_bounds_ends_the_connection(chain):
    exchange = FakeExchange(peer_chain=chain)
    with pytest.raises(Malformed):
        await provisional(exchange)
    assert exchange.closed


@pytest.mark.rule("P-25", "P-26")
@pytest.mark.parametrize(
    ("pin", "refusal"),
    [
        pytest.param(PinnedCert(PKI.domain_ca.der), None, id="CA"),
        pytest.param(PinnedCert(PKI.registrar.der), None, id="end entity"),
        pytest.param(PinnedKey(spki_der(PKI.registrar.key.public_key)), None, id="key"),
        pytest.param(
            PinnedCert(make_pki("foreign").domain_ca.der), Refusal.PIN_MISMATCH, id="another CA"
        ),
        pytest.param(
            PinnedCert(PKI.another_registrar().der), Refusal.PIN_MISMATCH, id="another registrar"
        ),
        pytest.param(PinnedKeyHash(bytes(32)), Refusal.PIN_MISMATCH, id="another key's hash"),
    ],
)
async def test_the_pin_is_the_only_anchor(pin, refusal):
    assert await refusal_of(pin) is refusal


def device_of_the_domain(validity=LIFETIME, usages=(oid.CLIENT_AUTH,)):
    own = key("member")
    certificate = profiles.make_ldevid(
        profiles.common_name("member"), own.public_key, PKI.domain_ca.issuer, validity, 77,
        usages=usages,
    )  # fmt: skip
    return Identity(certificate, own, PKI.domain_ca.path)


@pytest.mark.rule("P-26")
async def test_a_member_of_the_domain_is_no_registrar():
    member = device_of_the_domain(usages=(oid.SERVER_AUTH,))
    pin = PinnedCert(PKI.domain_ca.der)
    assert await refusal_of(pin, member.chain) is Refusal.CERTIFICATE_PURPOSE


@pytest.mark.rule("P-42")
@pytest.mark.parametrize(("trusted", "refusal"), [(True, Refusal.CERTIFICATE_DATES), (False, None)])
async def test_dates_count_with_a_trusted_clock_only(trusted, refusal):
    over = replace(LIFETIME, not_after=NOW.replace(year=NOW.year - 1))
    over = replace(over, not_before=NOW.replace(year=NOW.year - 2))
    old = device_of_the_domain(over, usages=(oid.CMC_RA,))
    pin = PinnedCert(PKI.domain_ca.der)
    assert await refusal_of(pin, old.chain, trusted=trusted) is refusal


@pytest.mark.rule("P-27", "P-28")
async def test_a_refused_voucher_is_reported_in_cbor():
    exchange = FakeExchange([DONE])
    link = await provisional(exchange)
    await link.report_refused_voucher(VoucherStatus(status=False, reason="voucher not accepted"))
    [asked] = exchange.asked
    assert asked.path == Operation.VOUCHER_STATUS.coap_path
    assert asked.content_format == 60
    assert asked.payload.startswith(b"\xa3gversion\x01fstatus\xf4freasont")


async def test_an_unproven_peer_need_not_listen():
    link = await provisional(FakeExchange([LinkFailed("gone")]))
    await link.report_refused_voucher(VoucherStatus(status=False))


@pytest.mark.rule("P-44")
async def test_counters_go_on_after_reopening():
    first, second = FakeExchange([DONE]), FakeExchange([DONE])
    world = FakeWorld([first, second])
    link = await ProvisionalLink.connect(THERE, None, world.environment)
    await link.request_voucher(b"12345")
    await link.reopen()
    await link.request_voucher(b"12345")
    assert (link.bytes_sent, link.bytes_received) == (10, 0)
    await link.close()
    assert first.closed
    assert second.closed


@pytest.mark.rule("P-54", "E-14")
@pytest.mark.parametrize(
    ("chain", "refusal"),
    [
        pytest.param(PKI.registrar.chain, None, id="registrar of the domain"),
        pytest.param(
            make_pki("foreign").registrar.chain, Refusal.CERTIFICATE_PATH, id="foreign registrar"
        ),
        pytest.param(
            device_of_the_domain().chain, Refusal.CERTIFICATE_PURPOSE, id="member of the domain"
        ),
    ],
)
async def test_a_new_connection_must_lead_to_the_domain(chain, refusal):
    exchange = FakeExchange([DONE], peer_chain=chain)
    world = FakeWorld([exchange])
    anchors = ExplicitTrustAnchors((PKI.domain_root.certificate,))
    connecting = ProvenLink.connect(THERE, None, anchors, world.environment)
    if refusal is None:
        await connecting
        assert not exchange.closed
        return
    with pytest.raises(Refused) as caught:
        await connecting
    assert caught.value.refusal is refusal
    assert exchange.closed


@pytest.mark.rule("D-31")
async def test_answers_are_bounded():
    huge = Answer(Code.CONTENT, bytes(links.MAX_ANSWER + 1))
    link = ProvenLink(FakeExchange([huge]), THERE)
    with pytest.raises(Malformed):
        await link.get(Operation.CACERTS, media.MULTIPART_CORE)
    with pytest.raises(Malformed):
        await link.post(Operation.SIMPLEENROLL, b"", media.PKCS10, media.PKIX_CERT)


def test_the_text_of_a_rejection_is_shown_safely():
    answer = Answer(Code.FORBIDDEN, b"\x1b[2Jgo \xff away" + bytes(500))
    text = str(Rejected(Operation.REQUEST_VOUCHER, answer))
    assert text.startswith("registrar answered 4.03 to rv: ?[2Jgo")
    assert text.isprintable()
    assert len(text) < 130
