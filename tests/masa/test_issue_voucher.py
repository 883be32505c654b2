"""What vouchers say: assertion, pin, dates, and the log entry behind each (cbrski.md 9.3)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from masa.policy.ownership import OWNERSHIP
from masa.records import Abilities, Keys, Pins
from sztb.codepoints.media import VOUCHER_COSE
from sztb.encoding import cbor
from sztb.envelope import cose_sign1
from sztb.errors import Refusal, Refused, Unavailable
from sztb.pki.idevid import idevid_issuer
from sztb.pki.keys import SignatureAlgorithm, spki_der
from sztb.voucher.codec import Coding
from sztb.voucher.formats import open_voucher
from sztb.voucher.model import Assertion
from sztb.voucher.pins import PinnedCert, PinnedKey, PinnedKeyHash, choose_pin
from tests.fakes.masa import NONCE, make_ask, make_world
from tests.fakes.pki import NOW, make_pki

WEEK = timedelta(days=7)


@pytest.mark.rule("M-09", "M-12", "M-19", "M-37", "M-14", "M-31")
async def test_proximity(world):
    voucher = await world.issue(world.ask())
    assert voucher.serial_number == "SN-1"
    assert voucher.nonce == NONCE
    assert voucher.assertion is Assertion.PROXIMITY
    assert voucher.created_on == NOW
    assert voucher.expires_on is None
    assert voucher.idevid_issuer is None
    assert choose_pin(voucher) == PinnedCert(world.pki.domain_ca.der)
    [entry] = world.store.log
    assert (entry.device, entry.assertion) == (world.pki.device().ref, Assertion.PROXIMITY)
    assert entry.nonce == "AAECAwQFBgcICQoLDA0ODw=="


@pytest.mark.rule("M-16", "M-17")
async def test_signing_chain_is_unprotected_and_nothing_else_is_added(world):
    message = cose_sign1.decode(await world.issue_raw(world.ask()))
    assert message.certificates == world.pki.masa_signer.chain
    assert set(message.protected) == {1}
    assert set(message.unprotected) == {32}
    assert message.kid is None


@pytest.mark.rule("M-15", "M-26", "M-27")
async def test_nothing_of_the_request_but_nonce_and_serial_number_goes_in(world):
    later = NOW + timedelta(days=1)
    ask = world.ask().with_rvr(
        assertion=Assertion.VERIFIED,
        pinned_domain_cert=b"0",
        last_renewal_date=later,
        domain_cert_revocation_checks=True,
        expires_on=later,
        est_domain="evil.example",
        additional_configuration_url="https://evil.example",
        manufacturer_proprietary=b"x",
    )
    assert await world.issue(ask) == await world.issue(world.ask())


@pytest.mark.rule("M-03")
@pytest.mark.parametrize("coding", Coding)
@pytest.mark.parametrize("keys", Keys)
async def test_reads_any_coding_and_writes_the_pledges(world, coding, keys):
    world.record(world.pki.device(), abilities=Abilities(keys=keys))
    raw = await world.issue_raw(replace(world.ask(), coding=coding))
    [top] = cbor.decode(cose_sign1.decode(raw).payload)
    assert top == (2451 if keys is Keys.SID else "ietf-voucher:voucher")


@pytest.mark.rule("M-08", "X-08")
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
async def test_every_algorithm(algorithm):
    world = make_world(make_pki(f"all {algorithm.value}", algorithm=algorithm))
    voucher = await world.issue(world.ask())
    assert voucher.assertion is Assertion.PROXIMITY


async def test_proximity_by_certificate_and_by_hash(world):
    import hashlib

    registrar = world.pki.registrar
    none = {"proximity_registrar_pubk": None}
    for leaf in (
        {"proximity_registrar_cert": registrar.der},
        {
            "proximity_registrar_pubk_sha256": hashlib.sha256(
                spki_der(registrar.key.public_key)
            ).digest()
        },
    ):
        voucher = await world.issue(world.ask().with_pvr(**(none | leaf)))
        assert voucher.assertion is Assertion.PROXIMITY


@pytest.mark.rule("M-12")
async def test_pins_the_lowest_ca_of_a_longer_chain():
    world = make_world(make_pki("long", intermediate=True))
    voucher = await world.issue(world.ask())
    assert choose_pin(voucher) == PinnedCert(world.pki.domain_ca.der)
    assert world.pki.domain_ca != world.pki.domain_root


@pytest.mark.rule("M-12", "M-13")
@pytest.mark.parametrize(
    ("pins", "kind"),
    [
        (Pins.CERTIFICATE, PinnedCert),
        (Pins.CERTIFICATE_OR_KEY, PinnedKey),
        (Pins.KEY, PinnedKey),
        (Pins.KEY_SHA256, PinnedKeyHash),
    ],
)
async def test_a_bare_registrar_certificate_is_pinned_as_the_device_can(world, pins, kind):
    world.record(world.pki.device(), abilities=Abilities(pins=pins))
    ask = world.ask()
    ask = replace(ask, bag=(world.pki.registrar.der, *world.pki.device().chain))
    pin = choose_pin(await world.issue(ask))
    assert type(pin) is kind
    if kind is PinnedCert:
        assert pin == PinnedCert(world.pki.registrar.der)


@pytest.mark.rule("M-13")
async def test_a_pledge_without_pkix_gets_the_end_entity_key_although_there_is_a_ca(world):
    world.record(world.pki.device(), abilities=Abilities(pins=Pins.KEY))
    voucher = await world.issue(world.ask())
    assert choose_pin(voucher) == PinnedKey(spki_der(world.pki.registrar.key.public_key))


@pytest.mark.rule("M-09", "M-13")
async def test_registrar_that_signs_with_another_key_than_it_shows(world):
    shown = world.pki.another_registrar("dtls registrar", 777)
    ask = world.ask().with_pvr(proximity_registrar_pubk=spki_der(shown.key.public_key))
    with pytest.raises(Refused, match="another registrar"):
        await world.issue(ask)
    world.record(world.pki.device(), abilities=Abilities(pins=Pins.KEY))
    voucher = await world.issue(replace(ask, bag=(*ask.bag, shown.der)))
    assert voucher.assertion is Assertion.PROXIMITY
    assert choose_pin(voucher) == PinnedKey(spki_der(shown.key.public_key))


@pytest.mark.rule("M-09")
async def test_without_proof_the_voucher_says_logged_where_policy_lets_it(world):
    other = spki_der(world.pki.device().key.public_key)
    asks = [
        world.ask().with_pvr(proximity_registrar_pubk=other),
        world.ask().with_pvr(assertion=Assertion.LOGGED),
        world.ask().with_pvr(proximity_registrar_pubk=None),
        replace(world.ask(), pvr=None),
    ]
    world.rules(proximity_required=False)
    for ask in asks:
        assert (await world.issue(ask)).assertion is Assertion.LOGGED


@pytest.mark.rule("M-14")
async def test_names_the_issuer_where_serial_numbers_repeat(world):
    world.rules(serials_unique=False)
    voucher = await world.issue(world.ask())
    assert voucher.idevid_issuer == idevid_issuer(world.pki.device().certificate)


@pytest.mark.rule("M-06", "M-12", "M-18", "M-34", "M-35", "M-36")
async def test_nonceless_for_a_known_registrar():
    world = make_world(make_pki("nonceless", intermediate=True))
    world.rules(nonceless=True, nonceless_lifetime=WEEK)
    world.customers(acme=world.pki.domain_root.certificate)
    voucher = await world.issue(world.ask().nonceless())
    assert (voucher.nonce, voucher.assertion) == (None, Assertion.LOGGED)
    assert voucher.expires_on == NOW + WEEK
    assert choose_pin(voucher) == PinnedCert(world.pki.domain_root.der)
    assert world.store.log[0].nonce is None


@pytest.mark.rule("M-06", "M-12", "M-29")
async def test_nonceless_by_tls_client_certificate_pins_no_higher_than_the_lowest_ca():
    world = make_world(make_pki("nonceless tls", intermediate=True))
    customer = make_pki("some customer")
    world.rules(nonceless=True)
    world.customers(acme=customer.domain_root.certificate)
    world.client = replace(world.client, chain=customer.registrar.path)
    voucher = await world.issue(world.ask().nonceless())
    assert choose_pin(voucher) == PinnedCert(world.pki.domain_ca.der)
    assert world.store.log[0].tls_client_sha256 is not None


@pytest.mark.rule("M-18", "M-35")
@pytest.mark.parametrize("lists_days", [3, 30, None])
async def test_nonceless_ends_with_whatever_ends_first(world, lists_days):
    class Lists:
        async def check(self, chain, now):
            return None if lists_days is None else now + timedelta(days=lists_days)

    world.rules(nonceless=True, nonceless_lifetime=timedelta(days=20_000))
    world.customers(acme=world.pki.domain_root.certificate)
    world.service = replace(world.service, revocation=Lists())
    voucher = await world.issue(world.ask().nonceless())
    ends = world.pki.registrar.certificate.not_valid_after_utc
    assert voucher.expires_on == (ends if lists_days is None else NOW + timedelta(days=lists_days))


@pytest.mark.rule("M-06", "M-07")
async def test_nonceless_although_the_pledge_sent_a_nonce(world):
    """The registrar wants a voucher for later; the pledge's request only shows who it is."""
    world.rules(nonceless=True)
    world.customers(acme=world.pki.domain_root.certificate)
    voucher = await world.issue(world.ask().with_rvr(nonce=None))
    assert (voucher.nonce, voucher.assertion) == (None, Assertion.LOGGED)


@pytest.mark.rule("M-23")
async def test_renewal_with_the_old_voucher_in_place_of_the_pvr(world):
    world.rules(nonceless=True)
    world.customers(acme=world.pki.domain_root.certificate)
    old = await world.issue_raw(world.ask())
    voucher = await world.issue(replace(world.ask().nonceless(), prior=old))
    assert (voucher.nonce, voucher.assertion) == (None, Assertion.LOGGED)
    assert world.events[-1].fields["renewal"] is True


@pytest.mark.rule("M-23")
@pytest.mark.parametrize("ownership", OWNERSHIP)
async def test_another_registrar_of_the_same_domain_needs_nobody(world, ownership):
    world.customers(acme=world.pki.domain_root.certificate)
    world.record(world.pki.device(), sold_to="acme")
    world.rules(ownership=OWNERSHIP[ownership])
    await world.issue(world.ask())
    other = world.pki.another_registrar()
    await world.issue(world.ask(registrar=other))
    assert len(world.store.log) == 2
    [owner] = {record.owner.key for record in world.store.table.values()}
    assert owner == world.store.log[0].domain_key


async def test_sold_device_is_verified(world):
    world.rules(nonceless=True, ownership=OWNERSHIP["sales-records"])
    world.customers(acme=world.pki.domain_root.certificate)
    world.record(world.pki.device(), sold_to="acme")
    voucher = await world.issue(world.ask().nonceless())
    assert voucher.assertion is Assertion.VERIFIED


async def test_idevid_of_the_device_table_when_the_bag_has_none(world):
    ask = replace(world.ask(), bag=world.pki.registrar.chain)
    assert (await world.issue(ask)).assertion is Assertion.PROXIMITY


async def test_unregistered_device_is_added_where_policy_lets_it(world):
    world.store.table.clear()
    with pytest.raises(Refused) as refused:
        await world.issue(world.ask())
    assert refused.value.refusal is Refusal.DEVICE_UNKNOWN
    world.rules(unregistered=True)
    await world.issue(world.ask())
    assert world.store.table[world.pki.device().ref].vouchers == 1


@pytest.mark.rule("M-19")
async def test_no_voucher_without_its_entry_on_disk(world):
    world.store.fails = Unavailable("disk full")
    with pytest.raises(Unavailable):
        await world.issue_raw(world.ask())
    assert world.store.log == []


async def test_the_event_says_who_what_and_why(world):
    await world.issue(world.ask())
    [event] = world.events
    assert (event.name, event.outcome, event.rule) == ("voucher-issued", "accepted", "M-19")
    assert event.device == str(world.pki.device().ref)
    assert event.fields["assertion"] == "proximity"


async def test_a_pledge_of_this_suite_takes_it(world):
    from pledge.identity import VoucherAnchors
    from pledge.policy import PledgePolicy
    from pledge.voucher_check import check_voucher
    from pledge.voucher_request import SentRequest, proximity_leaf
    from sztb.voucher.pins import Kind

    ask = world.ask()
    raw = cose_sign1.without_unprotected_certs(await world.issue_raw(ask))
    sent = SentRequest(
        serial_number="SN-1",
        idevid_issuer=ask.device.ref.idevid_issuer,
        nonce=NONCE,
        proximity=proximity_leaf(ask.registrar.chain, Kind.PUBK),
    )
    anchors = VoucherAnchors(certificates=world.service.voucher_key.chain)
    pin = check_voucher(raw, sent, anchors, PledgePolicy(), NOW)
    assert pin == PinnedCert(world.pki.domain_ca.der)


def test_request_of_a_device_without_aki():
    """D5: the key of the device itself stands for the issuer."""
    from cryptography import x509

    from sztb.pki.idevid import device_ref
    from sztb.pki.keys import certificate_hash
    from tests.fakes.pki import LIFETIME, Device, key

    pki, own = make_pki(), key("no aki")
    builder = x509.CertificateBuilder(
        issuer_name=pki.idevid_ca.certificate.subject,
        subject_name=x509.Name([x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, "NO-AKI")]),
        public_key=own.public_key,
        serial_number=9,
        not_valid_before=LIFETIME.not_before,
        not_valid_after=LIFETIME.not_after,
    )
    certificate = builder.sign(
        pki.idevid_ca.key.certificate_key(), certificate_hash(pki.idevid_ca.key.algorithm)
    )
    device = Device(certificate, own, pki.idevid_ca.path)
    ask = make_ask(pki, device)
    assert ask.rvr.idevid_issuer is not None
    from masa.rvr import open_rvr

    world = make_world(pki)
    rvr = open_rvr(VOUCHER_COSE, ask.raw, world.service.manufacturer, NOW)
    assert rvr.device == device_ref(certificate)
    assert world.service.manufacturer.find_idevid(rvr.bag, rvr.device) == certificate


async def test_voucher_opens_as_what_it_is(world):
    assert (
        open_voucher(VOUCHER_COSE, await world.issue_raw(world.ask())).data.serial_number == "SN-1"
    )
