"""Paths: chains with one defect each, hostile bags, budgets, anchors of all kinds."""

import itertools
from datetime import timedelta
from random import Random

import pytest
from cryptography import x509

from sztb.errors import Refusal, Refused
from sztb.pki import certificates, path, profiles
from sztb.pki.path import build_path
from sztb.pki.profiles import Issuer
from sztb.pki.trust_anchors import TrustAnchors
from tests.fakes.pki import LIFETIME, key, make_pki
from tests.fakes.pki import NOW as FAKE_NOW
from tests.wire.pki.made import ANCHOR, NOW, cases, chain


@pytest.mark.rule("R-13", "M-04", "P-42")
@pytest.mark.parametrize(("file", "expect"), cases("path"))
def test_made_chain(file: str, expect: str) -> None:
    leaf, *others = chain(file)
    for bag in (others, others[::-1], Random(file).sample(others, len(others))):
        if expect == "ok":
            found = build_path(leaf, bag, [ANCHOR], now=NOW)
            assert (found[0], found[-1]) == (leaf, ANCHOR)
            for child, issuer in itertools.pairwise(found):
                assert certificates.is_signed_by(child, issuer)
        else:
            with pytest.raises(Refused) as refused:
                build_path(leaf, bag, [ANCHOR], now=NOW)
            assert refused.value.refusal is Refusal[expect]


@pytest.mark.rule("P-42")
@pytest.mark.parametrize(
    "file", ["bad-expired.pem", "bad-not-yet-valid.pem", "bad-expired-ca.pem", "bad-future-ca.pem"]
)
def test_without_a_clock_no_date_counts(file: str) -> None:
    leaf, *others = chain(file)
    assert build_path(leaf, others, [ANCHOR], now=None)[-1] == ANCHOR


@pytest.mark.rule("P-42")
def test_dates_of_the_anchor_count_too() -> None:
    leaf, *others = chain("good-intermediate.pem")
    late = ANCHOR.not_valid_after_utc + timedelta(seconds=1)
    with pytest.raises(Refused) as refused:
        build_path(leaf, others, [ANCHOR], now=late)
    assert refused.value.refusal is Refusal.CERTIFICATE_DATES


@pytest.mark.rule("P-42")
def test_both_ends_of_the_validity_are_inside() -> None:
    pki = make_pki()
    leaf = pki.registrar.certificate
    for edge in (leaf.not_valid_before_utc, leaf.not_valid_after_utc):
        assert build_path(leaf, (), [pki.domain_ca.certificate], now=edge)
    for outside in (
        leaf.not_valid_before_utc - timedelta(seconds=1),
        leaf.not_valid_after_utc + timedelta(seconds=1),
    ):
        with pytest.raises(Refused):
            build_path(leaf, (), [pki.domain_ca.certificate], now=outside)


@pytest.mark.rule("P-42")
def test_wrong_dates_and_wrong_issuer_is_a_wrong_issuer() -> None:
    leaf = chain("bad-expired.pem")[0]
    with pytest.raises(Refused) as refused:
        build_path(leaf, (), [make_pki().domain_ca.certificate], now=NOW)
    assert refused.value.refusal is Refusal.CERTIFICATE_PATH


@pytest.mark.rule("P-42")
def test_another_path_is_found_when_one_has_expired() -> None:
    expired_ca = chain("bad-expired-ca.pem")[1]
    own = key("cross")
    good = profiles.make_intermediate_ca(
        "past CA", own.public_key, make_pki().domain_ca.issuer, LIFETIME, 9
    )
    leaf = profiles.make_voucher_signer("leaf", own.public_key, Issuer(good, own), LIFETIME, 10)
    anchors = [ANCHOR, make_pki().domain_ca.certificate]
    found = build_path(leaf, [expired_ca, good], anchors, now=NOW)
    assert found == (leaf, good, anchors[1])


@pytest.mark.rule("R-13")
def test_anchor_may_be_an_intermediate() -> None:
    device = make_pki().device()
    issuing, root = device.above
    assert build_path(device.certificate, (), [issuing], now=FAKE_NOW) == (
        device.certificate,
        issuing,
    )
    both = build_path(device.certificate, (), [issuing, root], now=FAKE_NOW)
    assert both == (device.certificate, issuing)  # it ends at the first anchor


def test_leaf_that_is_an_anchor_is_a_path_of_one() -> None:
    root = make_pki().domain_root.certificate
    assert build_path(root, (), [root], now=FAKE_NOW) == (root,)


@pytest.mark.rule("P-25")
def test_end_entity_is_no_anchor() -> None:
    registrar = make_pki().registrar.certificate
    with pytest.raises(Refused) as refused:
        build_path(registrar, (), [registrar], now=FAKE_NOW)
    assert refused.value.refusal is Refusal.CERTIFICATE_PATH


def self_signed_registrar() -> x509.Certificate:
    own = key("self-signed")
    itself = Issuer(profiles.make_root_ca("self", own, LIFETIME, 1), own)
    return profiles.make_registrar("self", own.public_key, itself, LIFETIME, 2)


@pytest.mark.rule("P-25")
def test_self_signed_end_entity_is_no_anchor_either() -> None:
    registrar = self_signed_registrar()
    assert certificates.is_self_signed(registrar)
    with pytest.raises(Refused):
        build_path(registrar, (), [registrar], now=FAKE_NOW)


def test_longest_path_is_an_argument() -> None:
    leaf, *others = chain("good-intermediate.pem")
    with pytest.raises(Refused):
        build_path(leaf, others, [ANCHOR], now=NOW, max_length=2)


def test_anchors_are_taken_as_a_set_too() -> None:
    leaf, *others = chain("good-intermediate.pem")
    assert build_path(leaf, others, TrustAnchors([ANCHOR]), now=NOW)[-1] == ANCHOR


@pytest.mark.rule("R-13")
def test_no_anchors_no_path() -> None:
    leaf, *others = chain("good-intermediate.pem")
    with pytest.raises(Refused):
        build_path(leaf, (*others, ANCHOR), (), now=NOW)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Count signature verifications."""
    seen: list[None] = []

    def counting(child: x509.Certificate, issuer: x509.Certificate) -> bool:
        seen.append(None)
        return certificates.is_signed_by(child, issuer)

    monkeypatch.setattr(path, "is_signed_by", counting)
    return seen


@pytest.mark.rule("M-04")
@pytest.mark.parametrize("file", ["bad-many-loops.pem", "bad-namesakes.pem"])
def test_work_on_a_hostile_bag_is_bounded(file: str, verifications: list[None]) -> None:
    leaf, *others = chain(file)
    with pytest.raises(Refused):
        build_path(leaf, others, [ANCHOR], now=NOW)
    assert len(verifications) <= path.MAX_SIGNATURES + 1


@pytest.mark.rule("M-04")
def test_certificates_beyond_the_bound_are_not_looked_at() -> None:
    leaf, *others = chain("good-intermediate.pem")
    chaff = [chain("bad-other-root.pem")[0]] * path.MAX_CANDIDATES
    with pytest.raises(Refused):
        build_path(leaf, [*chaff, *others], [ANCHOR], now=NOW)


def test_key_identifier_that_differs_saves_the_signature(verifications: list[None]) -> None:
    leaf, *others = chain("bad-namesakes.pem")
    with_identifier = chain("good-path-length.pem")[0]
    assert certificates.authority_key_id(with_identifier)
    with pytest.raises(Refused):
        build_path(with_identifier, others, [ANCHOR], now=NOW)
    assert not verifications
    with pytest.raises(Refused):
        build_path(leaf, others, [ANCHOR], now=NOW)
    assert verifications
