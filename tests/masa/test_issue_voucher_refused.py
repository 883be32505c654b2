"""Requests that get no voucher: one defect each, one refusal each, nothing in the log."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masa.policy.ownership import OWNERSHIP
from masa.rvr import open_rvr
from sztb.brski.provisional import resolve
from sztb.codepoints.media import VOUCHER_CMS, VOUCHER_COSE
from sztb.envelope import cose_sign1
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import profiles
from sztb.pki.certificates import der
from sztb.pki.idevid import idevid_issuer
from sztb.pki.profiles import Validity
from sztb.voucher import codec
from sztb.voucher.model import Assertion, Voucher
from sztb.voucher.pins import PinnedCert, choose_pin
from tests.fakes.masa import Ask, make_ask, make_world
from tests.fakes.pki import LIFETIME, NOW, Identity, key, make_pki

PKI = make_pki()
OTHER = make_pki("other")  # another manufacturer, another domain
GOOD = make_ask(PKI, PKI.device())
DEVICE = PKI.device()

rule = pytest.mark.rule


def param(ask: Ask | bytes, why: Refusal, id: str, *rules: str) -> object:  # noqa: A002
    return pytest.param(ask, why, id=id, marks=rule(*rules) if rules else ())


def registrar(
    name: str, *, under: Identity = PKI.domain_ca, validity: Validity = LIFETIME
) -> Identity:
    own = key(name)
    certificate = profiles.make_registrar(name, own.public_key, under.issuer, validity, 88)
    return Identity(certificate, own, under.path)


def ldevid_as_signer() -> Identity:
    """A member of the domain that is no registrar."""
    return PKI.ldevid(DEVICE)


def signed_by_ca() -> Ask:
    """The domain's CA itself signs."""
    return GOOD.signed_by(PKI.domain_ca)


def same_key_twice() -> Ask:
    """Two registrar certificates for the key that signed."""
    twin = profiles.make_registrar(
        "twin", PKI.registrar.key.public_key, PKI.domain_ca.issuer, LIFETIME, 89
    )
    return replace(GOOD, bag=(*GOOD.bag, der(twin)))


def ca_out_of_its_dates() -> Identity:
    own = key("old domain")
    validity = Validity(NOW - timedelta(days=900), NOW - timedelta(days=1))
    ca = Identity(profiles.make_root_ca("old domain", own, validity, 5), own)
    return registrar("registrar of an old domain", under=ca)


def forged_chain() -> Ask:
    """The CA in the bag has the right name and another key."""
    forged = Identity(
        profiles.make_root_ca("example domain root", key("forged"), LIFETIME, 6), key("forged")
    )
    own = (PKI.registrar.der, forged.der)
    return replace(GOOD, bag=(*own, *DEVICE.chain))


def too_long_path() -> Identity:
    """The CA above the registrar's may have no CA below it."""
    middle = Identity(
        profiles.make_intermediate_ca(
            "middle", key("middle").public_key, PKI.domain_root.issuer, LIFETIME, 7, path_length=0
        ),
        key("middle"), PKI.domain_root.path,
    )  # fmt: skip
    low = Identity(
        profiles.make_intermediate_ca(
            "low", key("low").public_key, middle.issuer, LIFETIME, 8, path_length=0
        ),
        key("low"), middle.path,
    )  # fmt: skip
    return registrar("registrar below too many", under=low)


def rsa_root() -> Ask:
    """The domain's root has a key we do not take; it is in the bag and below nobody's proof."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa

    private, name = rsa.generate_private_key(65537, 2048), profiles.common_name("RSA root")
    certificate = (
        x509.CertificateBuilder(
            name, name, private.public_key(), 3, LIFETIME.not_before, LIFETIME.not_after
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    ask = GOOD.with_pvr(proximity_registrar_pubk=bytes(91))
    return replace(ask, bag=(*ask.bag, der(certificate)))


def colleague_of_another_domain() -> Ask:
    """The pledge saw a registrar of another domain, whose certificate is in the bag too."""
    seen = OTHER.registrar
    ask = GOOD.with_pvr(proximity_registrar_pubk=None, proximity_registrar_cert=seen.der)
    return replace(ask, bag=(*ask.bag, *seen.chain))


def self_signed(*, forged: bool) -> Ask:
    """A registrar without any CA; forged: another key made the signature."""
    from cryptography import x509

    from sztb.codepoints import oid
    from sztb.pki.keys import certificate_hash

    own, name = key("lone registrar"), profiles.common_name("lone registrar")
    signer = key("x") if forged else own
    usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(oid.CMC_RA)])
    builder = x509.CertificateBuilder(
        name, name, own.public_key, 4, LIFETIME.not_before, LIFETIME.not_after
    ).add_extension(usage, critical=False)
    certificate = builder.sign(signer.certificate_key(), certificate_hash(signer.algorithm))
    return make_ask(PKI, DEVICE, Identity(certificate, own))


PAST = Validity(NOW - timedelta(days=9), NOW - timedelta(days=1))
FUTURE = Validity(NOW + timedelta(days=1), NOW + timedelta(days=9))
FOREIGN_DEVICE = OTHER.device()
FOREIGN = make_ask(OTHER, FOREIGN_DEVICE, PKI.registrar)
UNREGISTERED = make_ask(PKI, PKI.device("SN-404"))
RAW = GOOD.raw

BAD = [
    # the envelope
    param(b"", Refusal.MALFORMED, "empty"),
    param(RAW[:-1], Refusal.MALFORMED, "truncated", "X-06"),
    param(RAW + b"\x00", Refusal.MALFORMED, "trailing byte", "X-06"),
    param(b"\x81" * 50 + b"\x00", Refusal.MALFORMED, "deep CBOR"),
    param(GOOD.signed_pvr or b"", Refusal.RVR_SIGNATURE, "a PVR without bag"),
    param(
        cose_sign1.sign(
            codec.encode_cbor(Voucher(serial_number="SN-1", pinned_domain_cert=b"0")),
            PKI.registrar.key,
            x5bag=GOOD.bag,
        ),
        Refusal.CONTAINER,
        "a voucher",
        "X-10",
    ),
    # who signed
    param(replace(GOOD, bag=()), Refusal.RVR_SIGNATURE, "no x5bag", "M-04"),
    param(replace(GOOD, rvr_signer=key("x")), Refusal.RVR_SIGNATURE, "signed by nobody", "M-04"),
    param(replace(GOOD, bag=DEVICE.chain), Refusal.RVR_SIGNATURE, "bag without the signer", "M-04"),
    param(replace(GOOD, bag=(b"0", *GOOD.bag)), Refusal.MALFORMED, "no certificate in the bag"),
    param(GOOD.signed_by(ldevid_as_signer()), Refusal.RVR_SIGNER, "signer without cmcRA", "M-05"),
    param(signed_by_ca(), Refusal.RVR_SIGNER, "signer is a CA", "M-05"),
    param(same_key_twice(), Refusal.RVR_SIGNER, "two certificates fit", "M-04"),
    param(replace(GOOD, rvr_signer=DEVICE.key), Refusal.RVR_SIGNER, "signed by the pledge", "M-05"),
    # the registrar's chain
    param(
        GOOD.signed_by(registrar("past", validity=PAST)),
        Refusal.REGISTRAR_CHAIN,
        "registrar expired",
        "M-04",
    ),
    param(
        GOOD.signed_by(registrar("future", validity=FUTURE)),
        Refusal.REGISTRAR_CHAIN,
        "registrar of tomorrow",
        "M-04",
    ),
    param(
        replace(
            GOOD.signed_by(registrar("past", validity=PAST)),
            bag=(registrar("past", validity=PAST).der,),
        ),
        Refusal.REGISTRAR_CHAIN,
        "lone registrar expired",
        "M-04",
    ),
    param(
        GOOD.signed_by(ca_out_of_its_dates()), Refusal.REGISTRAR_CHAIN, "domain CA expired", "M-04"
    ),
    param(forged_chain(), Refusal.REGISTRAR_CHAIN, "domain CA of another key", "M-04"),
    param(GOOD.signed_by(too_long_path()), Refusal.REGISTRAR_CHAIN, "path length exceeded", "M-04"),
    # the manufacturer stays apart
    param(
        GOOD.signed_by(registrar("inside", under=PKI.idevid_ca)),
        Refusal.PIN_IS_MANUFACTURER,
        "registrar under the IDevID CA",
        "M-11",
    ),
    param(
        GOOD.signed_by(registrar("inside 2", under=PKI.manufacturer_root)),
        Refusal.PIN_IS_MANUFACTURER,
        "registrar under the root",
        "M-11",
    ),
    # which device
    param(GOOD.with_rvr(idevid_issuer=None), Refusal.IDEVID_ISSUER, "no idevid-issuer"),
    param(GOOD.with_rvr(idevid_issuer=b"123"), Refusal.IDEVID_ISSUER, "idevid-issuer in no shape"),
    param(
        GOOD.with_rvr(idevid_issuer=idevid_issuer(FOREIGN_DEVICE.certificate)),
        Refusal.DEVICE_UNKNOWN,
        "idevid-issuer of another maker",
    ),
    param(UNREGISTERED, Refusal.DEVICE_UNKNOWN, "device not registered"),
    param(FOREIGN, Refusal.DEVICE_UNKNOWN, "device of another maker", "M-10"),
    param(
        GOOD.with_rvr(serial_number="sn-1"), Refusal.DEVICE_UNKNOWN, "serial: case differs", "M-08"
    ),
    param(
        GOOD.with_rvr(serial_number="SN-404"), Refusal.DEVICE_UNKNOWN, "serial of nobody", "M-08"
    ),
    # the pledge's request
    param(replace(GOOD, pvr=None), Refusal.PRIOR_REQUEST, "no PVR", "M-31"),
    param(replace(GOOD, prior=b"0"), Refusal.PRIOR_REQUEST, "PVR malformed", "M-31"),
    param(
        replace(GOOD, pvr_signer=key("x")), Refusal.PRIOR_REQUEST, "PVR signed by nobody", "M-10"
    ),
    param(
        replace(GOOD, pvr_signer=PKI.device("SN-2").key),
        Refusal.PRIOR_REQUEST,
        "PVR signed by another device",
        "M-10",
    ),
    param(
        replace(GOOD, pvr_signer=PKI.registrar.key),
        Refusal.PRIOR_REQUEST,
        "PVR by the registrar",
        "M-10",
    ),
    param(
        GOOD.with_pvr(serial_number="SN-2"), Refusal.SERIAL_NUMBER, "PVR of another serial", "M-08"
    ),
    param(GOOD.with_pvr(nonce=b"another nonce"), Refusal.NONCE, "PVR with another nonce", "M-07"),
    param(GOOD.with_pvr(nonce=None), Refusal.NONCE, "PVR without nonce", "M-07"),
    param(
        GOOD.signed_by(OTHER.registrar),
        Refusal.PRIOR_REQUEST,
        "PVR replayed by a foreign registrar",
        "M-09",
    ),
    param(
        GOOD.with_pvr(proximity_registrar_pubk=None, proximity_registrar_cert=OTHER.registrar.der),
        Refusal.PRIOR_REQUEST,
        "PVR names another certificate",
        "M-09",
    ),
    param(
        GOOD.with_pvr(proximity_registrar_pubk_sha256=bytes(32)),
        Refusal.PRIOR_REQUEST,
        "the first leaf in order decides",
        "M-09",
    ),
    param(
        GOOD.with_pvr(proximity_registrar_pubk=None, proximity_registrar_cert=b"0"),
        Refusal.PRIOR_REQUEST,
        "PVR names what is no certificate",
        "M-09",
    ),
    param(
        GOOD.with_pvr(assertion=Assertion.LOGGED),
        Refusal.PRIOR_REQUEST,
        "PVR without proximity",
        "M-09",
    ),
    param(GOOD.with_pvr(assertion=None), Refusal.PRIOR_REQUEST, "PVR without assertion", "M-09"),
    param(
        GOOD.with_pvr(proximity_registrar_pubk=None),
        Refusal.PRIOR_REQUEST,
        "no proximity leaf",
        "M-09",
    ),
    param(colleague_of_another_domain(), Refusal.PRIOR_REQUEST, "another domain's", "M-09"),
    param(rsa_root(), Refusal.PRIOR_REQUEST, "an RSA root in the bag", "M-09"),
    param(self_signed(forged=True), Refusal.REGISTRAR_CHAIN, "self-signed and forged", "M-04"),
    # age, nonceless
    param(GOOD.with_rvr(created_on=NOW - timedelta(days=8)), Refusal.PVR_STALE, "stale"),
    param(GOOD.nonceless(), Refusal.NONCELESS, "nonceless is switched off", "M-06"),
]


async def refusal(world, ask) -> Refusal | None:
    try:
        await world.issue(ask)
    except Malformed:
        return Refusal.MALFORMED
    except Refused as error:
        return error.refusal
    return None


@pytest.mark.parametrize(("ask", "why"), BAD)
async def test_refuses(ask, why):
    world = make_world(PKI)
    assert await refusal(world, ask) is why
    assert world.store.log == []
    assert world.store.table[DEVICE.ref].vouchers == 0


async def test_self_signed_registrar_is_pinned_itself(world):
    ask = self_signed(forged=False)
    assert choose_pin(await world.issue(ask)) == PinnedCert(ask.registrar.der)


@rule("M-38", "M-02")
def test_other_formats_are_not_read_as_cose():
    manufacturer = make_world(PKI).service.manufacturer
    with pytest.raises((Malformed, Refused)):
        open_rvr(VOUCHER_CMS, RAW, manufacturer, NOW)


async def test_blocked_device(world):
    world.record(DEVICE, blocked="stolen")
    assert await refusal(world, world.ask()) is Refusal.DEVICE_BLOCKED


async def test_another_certificate_than_the_registered_one(world):
    """A device was made again; its first IDevID is good for nothing any more."""
    again = profiles.make_idevid(
        key("again").public_key, "SN-1", "masa.example", PKI.idevid_ca.issuer, NOW, 99
    )
    world.record(DEVICE, idevid=der(again))
    assert await refusal(world, world.ask()) is Refusal.IDEVID


@rule("M-10")
async def test_registered_certificate_whose_ca_is_an_anchor_no_more(world):
    from masa.manufacturer import Manufacturer
    from sztb.pki.trust_anchors import TrustAnchors

    ask = replace(world.ask(), bag=PKI.registrar.chain)
    other = Manufacturer(TrustAnchors([OTHER.manufacturer_root.certificate]))
    world.service = replace(world.service, manufacturer=other)
    assert await refusal(world, ask) is Refusal.IDEVID


async def test_unknown_device_and_no_certificate_in_the_bag(world):
    ask = replace(UNREGISTERED, bag=PKI.registrar.chain)
    assert await refusal(world, ask) is Refusal.DEVICE_UNKNOWN


@rule("M-06")
async def test_nonceless_needs_somebody_we_know(world):
    world.rules(nonceless=True)
    assert await refusal(world, world.ask().nonceless()) is Refusal.NONCELESS
    world.customers(acme=OTHER.domain_root.certificate)
    assert await refusal(world, world.ask().nonceless()) is Refusal.NONCELESS
    world.client = replace(world.client, chain=PKI.registrar.path)
    assert await refusal(world, world.ask().nonceless()) is Refusal.NONCELESS


@rule("M-23")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"serial_number": "SN-2"}, Refusal.SERIAL_NUMBER),
        ({"signer": PKI.registrar.key}, Refusal.PRIOR_REQUEST),
    ],
)
async def test_renewal_with_what_is_not_our_voucher(world, changes, why):
    world.rules(nonceless=True)
    world.customers(acme=PKI.domain_root.certificate)
    signer = changes.pop("signer", PKI.masa_signer.key)
    old = Voucher(serial_number="SN-1", pinned_domain_cert=b"0")
    prior = cose_sign1.sign(codec.encode_cbor(replace(old, **changes)), signer)
    assert await refusal(world, replace(world.ask().nonceless(), prior=prior)) is why


@rule("M-31")
async def test_old_voucher_in_a_nonced_request(world):
    old = await world.issue_raw(world.ask())
    assert await refusal(world, replace(world.ask(), prior=old)) is Refusal.PRIOR_REQUEST


OWNED = [
    ("open", None, None),
    ("first-come", None, Refusal.OWNED_BY_ANOTHER),
    ("first-come", "acme", None),
    ("first-come", "somebody", Refusal.OWNED_BY_ANOTHER),
    ("sales-records", None, Refusal.OWNED_BY_ANOTHER),
    ("sales-records", "somebody", Refusal.OWNED_BY_ANOTHER),
    ("sales-records", "acme", None),
]


@pytest.mark.parametrize(("ownership", "sold_to", "why"), OWNED)
async def test_second_domain(world, ownership, sold_to, why):
    await world.issue(world.ask())
    world.rules(ownership=OWNERSHIP[ownership])
    world.customers(acme=OTHER.domain_root.certificate)
    world.record(DEVICE, sold_to=sold_to)
    assert await refusal(world, world.ask(registrar=OTHER.registrar)) is why


@rule("M-23")
@pytest.mark.parametrize(
    ("ownership", "sold_to", "why"),
    [
        ("first-come", "acme", Refusal.OWNED_BY_ANOTHER),
        ("sales-records", "acme", Refusal.OWNED_BY_ANOTHER),
        ("sales-records", None, None),
    ],
)
async def test_the_owner_renews_until_the_device_is_sold(world, ownership, sold_to, why):
    await world.issue(world.ask())
    world.rules(ownership=OWNERSHIP[ownership])
    world.record(DEVICE, sold_to=sold_to)
    assert await refusal(world, world.ask()) is why


async def test_a_released_device_goes_to_the_next(world):
    await world.issue(world.ask())
    world.record(DEVICE, owner=None)
    assert await refusal(world, world.ask(registrar=OTHER.registrar)) is None
    assert await refusal(world, world.ask()) is Refusal.OWNED_BY_ANOTHER


async def test_the_domainid_of_the_owner_in_a_foreign_certificate_makes_no_owner(world):
    """Anybody can write our SubjectKeyIdentifier into a certificate; the key is what counts."""
    from cryptography import x509

    from sztb.pki.keys import certificate_hash

    await world.issue(world.ask())
    own, real = key("copycat"), PKI.domain_ca.certificate
    identifier = real.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        x509.CertificateBuilder(
            real.subject, real.subject, own.public_key, 1, LIFETIME.not_before, LIFETIME.not_after
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .sign(own.certificate_key(), certificate_hash(own.algorithm))
    )
    thief = registrar("thief", under=Identity(certificate, own))
    assert await refusal(world, world.ask(registrar=thief)) is Refusal.OWNED_BY_ANOTHER
    with pytest.raises(Refused) as refused:
        await world.history(world.ask(registrar=thief))
    assert refused.value.refusal is Refusal.NOT_AN_OWNER


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data):
    with pytest.raises((Malformed, Refused)):
        open_rvr(VOUCHER_COSE, data, MANUFACTURER, NOW)


@given(st.integers(0, 8 * len(RAW) - 1))
async def test_one_flipped_bit_is_refused_or_pins_the_same_registrar(bit):
    """The bag is not signed: without its CA the registrar's own certificate is pinned."""
    flipped = bytearray(RAW)
    flipped[bit // 8] ^= 1 << bit % 8
    world = make_world(PKI)
    try:
        voucher = await world.issue(bytes(flipped))
    except (Malformed, Refused):
        return
    resolve(PKI.registrar.chain, choose_pin(voucher), NOW)
    unpinned = replace(await make_world(PKI).issue(RAW), pinned_domain_cert=None)
    assert replace(voucher, pinned_domain_cert=None) == unpinned


MANUFACTURER = make_world(PKI).service.manufacturer
