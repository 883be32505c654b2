"""The decision on a voucher: each rule once, on the published vectors and on made vouchers."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pledge.identity import VoucherAnchors
from pledge.policy import Nonceless, PledgePolicy
from pledge.voucher_check import check_voucher
from pledge.voucher_request import SentRequest, proximity_leaf
from sztb.codepoints import media
from sztb.envelope import cose_sign1
from sztb.errors import Malformed, Refusal, Refused
from sztb.pki import idevid, profiles
from sztb.pki.certificates import der
from sztb.pki.keys import FileKey, spki_der
from sztb.voucher import codec
from sztb.voucher.formats import FORMATS, open_voucher_request
from sztb.voucher.model import Assertion, Voucher
from sztb.voucher.pins import Kind, PinnedCert, PinnedKey, PinnedKeyHash, ProximityLeaf
from tests.fakes.pki import LIFETIME, NOW, make_pki
from tests.wire import vectors

# The pledge that sent cose/pvr.hex, and the answers made for it.


def vector_pledge():
    pvr = open_voucher_request(media.VOUCHER_COSE, vectors.read("cose/pvr.hex")).data
    return SentRequest(
        serial_number=pvr.serial_number,
        nonce=pvr.nonce,
        idevid_issuer=idevid.device_ref(vectors.certificate("cose/certs/pledge.der")).idevid_issuer,
        proximity=ProximityLeaf(Kind.PUBK, pvr.proximity_registrar_pubk),
    )


MANUFACTURER = VoucherAnchors((vectors.certificate("cose/certs/masa_ca.der"),))


def check_vector(name, policy=PledgePolicy(), now=vectors.FROZEN):  # noqa: B008
    return check_voucher(vectors.read(name), vector_pledge(), MANUFACTURER, policy, now)


@pytest.mark.rule("P-18", "P-19", "P-20", "P-21", "P-39")
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("made/voucher-nonced-from-masa.hex", PinnedCert),
        ("made/voucher-nonced-to-pledge.hex", PinnedCert),
        ("made/voucher-nonceless-to-pledge.hex", PinnedCert),
        ("made/voucher-idevid-issuer-to-pledge.hex", PinnedCert),
        ("made/voucher-rpk-to-pledge.hex", PinnedKey),
        ("made/voucher-rpk-sha256-to-pledge.hex", PinnedKeyHash),
    ],
)
def test_accepts(name, kind):
    assert isinstance(check_vector(name), kind)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("wrong-nonce", Refusal.NONCE, marks=pytest.mark.rule("P-21")),
        pytest.param("wrong-serial", Refusal.SERIAL_NUMBER, marks=pytest.mark.rule("P-19")),
        pytest.param("wrong-signer", Refusal.VOUCHER_SIGNATURE, marks=pytest.mark.rule("P-18")),
        pytest.param("wrong-idevid-issuer", Refusal.IDEVID_ISSUER, marks=pytest.mark.rule("P-20")),
        pytest.param("no-pin", Refusal.NO_PIN, marks=pytest.mark.rule("P-24")),
        pytest.param("payload-tampered", Refusal.VOUCHER_SIGNATURE, marks=pytest.mark.rule("P-18")),
        pytest.param("is-request", Refusal.CONTAINER, marks=pytest.mark.rule("X-10")),
    ],
)
def test_refuses(name, why):
    with pytest.raises(Refused) as caught:
        check_vector(f"made/neg-voucher-{name}.hex")
    assert caught.value.refusal is why


@pytest.mark.rule("X-06", "X-07")
@pytest.mark.parametrize(
    "name",
    [
        "made/neg-voucher-alg-unprotected.hex",
        "made/neg-voucher-detached.hex",
        "legacy/voucher_00-D0-E5-F2-00-03.vch.hex",
        "legacy/voucher-from-MASA.hex",
    ],
)
def test_refuses_what_is_no_voucher_of_today(name):
    with pytest.raises((Malformed, Refused)):
        check_vector(name)


def test_a_voucher_for_another_attempt_of_the_draft_is_refused():
    with pytest.raises(Refused) as caught:
        check_vector("cose/voucher.hex")
    assert caught.value.refusal is Refusal.NONCE


# A made device, so that every leaf can be varied.

PKI = make_pki()
DEVICE = PKI.device()
OWN_ISSUER = idevid.idevid_issuer(DEVICE.certificate)
SENT = SentRequest(
    serial_number="SN-1",
    nonce=b"nonce of this attempt",
    idevid_issuer=DEVICE.ref.idevid_issuer,
    proximity=proximity_leaf(PKI.registrar.chain, Kind.PUBK),
)
GOOD = Voucher(
    serial_number="SN-1",
    nonce=SENT.nonce,
    assertion=Assertion.PROXIMITY,
    created_on=NOW,
    pinned_domain_cert=der(PKI.domain_ca.certificate),
)
SIGNER = VoucherAnchors((PKI.masa_signer.certificate,))
REGISTRAR_SPKI = spki_der(PKI.registrar.key.public_key)


def seal(voucher, signer=PKI.masa_signer):
    return FORMATS[media.VOUCHER_COSE].seal(voucher, signer.key)


def check(voucher, *, policy=PledgePolicy(), now=NOW, anchors=SIGNER):  # noqa: B008
    raw = voucher if isinstance(voucher, bytes) else seal(voucher)
    return check_voucher(raw, SENT, anchors, policy, now)


def why(voucher, **arguments):
    """The refusal of a voucher, None when it is accepted."""
    try:
        check(voucher, **arguments)
    except Refused as error:
        return error.refusal
    return None


SOON = NOW + timedelta(hours=1)
PAST = NOW - timedelta(seconds=1)
NONCELESS = replace(GOOD, nonce=None, expires_on=SOON)

CASES = [  # voucher, policy, is the clock trusted, what comes of it
    pytest.param(GOOD, {}, True, None, id="good"),
    pytest.param(replace(GOOD, assertion=None, created_on=None), {}, True, None, id="bare: D36",
                 marks=pytest.mark.rule("P-23")),
    pytest.param(replace(GOOD, serial_number="sn-1"), {}, True, Refusal.SERIAL_NUMBER,
                 id="serial: case differs", marks=pytest.mark.rule("P-19")),
    pytest.param(replace(GOOD, serial_number="SN-1 "), {}, True, Refusal.SERIAL_NUMBER,
                 id="serial: trailing blank", marks=pytest.mark.rule("P-19")),
    pytest.param(replace(GOOD, idevid_issuer=OWN_ISSUER), {}, True, None, id="issuer: own"),
    pytest.param(replace(GOOD, idevid_issuer=OWN_ISSUER[2:]), {}, True, None,
                 id="issuer: without the outer octet string (D4)", marks=pytest.mark.rule("P-20")),
    pytest.param(replace(GOOD, idevid_issuer=SENT.idevid_issuer), {}, True, None,
                 id="issuer: bare key identifier (D4)", marks=pytest.mark.rule("P-20")),
    pytest.param(replace(GOOD, idevid_issuer=bytes(20)), {}, True, Refusal.IDEVID_ISSUER,
                 id="issuer: another", marks=pytest.mark.rule("P-20")),
    pytest.param(replace(GOOD, nonce=b"nonce of yesterday"), {}, True, Refusal.NONCE,
                 id="nonce: earlier attempt", marks=pytest.mark.rule("P-21")),
    pytest.param(replace(GOOD, expires_on=SOON), {}, True, Refusal.NONCE_AND_EXPIRY,
                 id="nonce and expires-on", marks=pytest.mark.rule("P-56")),
    pytest.param(NONCELESS, {}, True, None, id="nonceless: with clock",
                 marks=pytest.mark.rule("P-21")),
    pytest.param(NONCELESS, {}, False, Refusal.NONCELESS, id="nonceless: without clock",
                 marks=pytest.mark.rule("P-21")),
    pytest.param(replace(NONCELESS, expires_on=None), {}, True, Refusal.NONCELESS,
                 id="nonceless: without end", marks=pytest.mark.rule("P-21")),
    pytest.param(NONCELESS, {"nonceless": Nonceless.NEVER}, True, Refusal.NONCELESS,
                 id="nonceless: never"),
    pytest.param(replace(NONCELESS, expires_on=None), {"nonceless": Nonceless.ALWAYS}, False, None,
                 id="nonceless: always", marks=pytest.mark.rule("P-21")),
    pytest.param(replace(NONCELESS, expires_on=PAST), {"nonceless": Nonceless.ALWAYS}, True,
                 Refusal.EXPIRED, id="expired", marks=pytest.mark.rule("P-22", "P-42")),
    pytest.param(replace(NONCELESS, expires_on=PAST), {"nonceless": Nonceless.ALWAYS}, False, None,
                 id="expired, but no clock to tell", marks=pytest.mark.rule("P-22")),
    pytest.param(replace(GOOD, created_on=NOW + timedelta(minutes=5)), {}, True, None,
                 id="created in five minutes", marks=pytest.mark.rule("P-42")),
    pytest.param(replace(GOOD, created_on=NOW + timedelta(minutes=5, seconds=1)), {}, True,
                 Refusal.NOT_YET_VALID, id="created later", marks=pytest.mark.rule("P-42")),
    pytest.param(replace(GOOD, created_on=NOW + timedelta(days=9)), {}, False, None,
                 id="created later, but no clock to tell", marks=pytest.mark.rule("P-42")),
    pytest.param(replace(GOOD, assertion=Assertion.LOGGED),
                 {"assertions": frozenset({Assertion.PROXIMITY})}, True, Refusal.ASSERTION,
                 id="assertion: not ours", marks=pytest.mark.rule("P-23")),
    pytest.param(replace(GOOD, domain_cert_revocation_checks=True), {}, True,
                 Refusal.REVOCATION_UNKNOWN, id="revocation checks demanded",
                 marks=pytest.mark.rule("P-40")),
    pytest.param(replace(GOOD, domain_cert_revocation_checks=False), {}, True, None,
                 id="revocation checks forbidden", marks=pytest.mark.rule("P-40")),
    pytest.param(replace(GOOD, pinned_domain_cert=None), {}, True, Refusal.NO_PIN, id="no pin",
                 marks=pytest.mark.rule("P-24")),
    pytest.param(replace(GOOD, last_renewal_date=NOW, est_domain="example", extensions=(1, "x")),
                 {}, True, None, id="other leaves", marks=pytest.mark.rule("X-05")),
]  # fmt: skip


@pytest.mark.parametrize(("voucher", "policy", "clock", "refusal"), CASES)
def test_each_rule(voucher, policy, clock, refusal):
    assert why(voucher, policy=PledgePolicy(**policy), now=NOW if clock else None) is refusal


@pytest.mark.rule("P-39")
def test_of_several_pins_the_kind_of_the_request_counts():
    both = replace(GOOD, pinned_domain_pubk=REGISTRAR_SPKI)
    assert check(both) == PinnedKey(REGISTRAR_SPKI)
    hashed = replace(both, pinned_domain_pubk=None, pinned_domain_pubk_sha256=bytes(32))
    assert why(hashed) is Refusal.NO_PIN


@pytest.mark.rule("P-39")
def test_of_several_pins_without_nonce_the_first_in_order_counts():
    both = replace(NONCELESS, pinned_domain_pubk_sha256=bytes(32))
    assert check(both) == PinnedKeyHash(bytes(32))


# Who signed (P-18, P-30).

ROOT = VoucherAnchors((PKI.manufacturer_root.certificate,))


def sealed_with(certificates, signer=PKI.masa_signer, *, protected=True):
    payload = codec.encode_cbor(GOOD)
    where = {"protected_x5bag" if protected else "x5bag": certificates}
    return cose_sign1.sign(payload, signer.key, **where)


@pytest.mark.rule("P-18")
def test_a_bare_built_in_key_will_do():
    assert why(GOOD, anchors=VoucherAnchors(keys=(PKI.masa_signer.key.public_key,))) is None


@pytest.mark.rule("P-18")
@pytest.mark.parametrize("protected", [True, False])
def test_a_signer_that_chains_to_a_built_in_ca_will_do(protected):
    raw = sealed_with(PKI.masa_signer.chain, protected=protected)
    assert why(raw, anchors=ROOT) is None


@pytest.mark.rule("P-18")
def test_without_the_signers_certificate_a_ca_does_not_help():
    assert why(GOOD, anchors=ROOT) is Refusal.VOUCHER_SIGNATURE


@pytest.mark.rule("P-18", "P-30")
def test_certificates_that_come_along_are_not_believed():
    foreign = make_pki("foreign")
    raw = sealed_with(foreign.masa_signer.chain, foreign.masa_signer)
    assert why(raw, anchors=ROOT) is Refusal.VOUCHER_SIGNATURE
    mixed = sealed_with([*foreign.masa_signer.chain, *PKI.masa_signer.chain], foreign.masa_signer)
    assert why(mixed, anchors=ROOT) is Refusal.VOUCHER_SIGNATURE


@pytest.mark.rule("P-18")
def test_a_certificate_of_the_manufacturer_that_did_not_sign_does_not_help():
    foreign = make_pki("foreign")
    raw = sealed_with(PKI.masa_signer.chain, foreign.masa_signer)
    assert why(raw, anchors=ROOT) is Refusal.VOUCHER_SIGNATURE


@pytest.mark.rule("P-42")
@pytest.mark.parametrize("built_in", [True, False])
def test_a_signer_out_of_its_dates(built_in):
    key = FileKey.generate()
    over = replace(LIFETIME, not_after=NOW - timedelta(days=1))
    old = profiles.make_voucher_signer(
        "old signer", key.public_key, PKI.manufacturer_root.issuer, over, 9
    )
    raw = cose_sign1.sign(codec.encode_cbor(GOOD), key, protected_x5bag=[der(old)])
    anchors = VoucherAnchors((old,)) if built_in else ROOT
    assert why(raw, anchors=anchors) is Refusal.CERTIFICATE_DATES
    assert why(raw, anchors=anchors, now=None) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(raw):
    with pytest.raises((Malformed, Refused)):
        check(raw)


@given(st.integers(min_value=0), st.integers(1, 255))
def test_one_changed_byte_is_refused(position, change):
    sealed = bytearray(_SEALED)
    sealed[position % len(sealed)] ^= change
    try:
        check(bytes(sealed))
    except (Malformed, Refused):
        return
    # only bytes outside the signature may change unnoticed: the unprotected header and heads
    assert cose_sign1.decode(bytes(sealed), untagged_ok=True).payload == _PAYLOAD


_SEALED = seal(GOOD)
_PAYLOAD = cose_sign1.decode(_SEALED).payload
