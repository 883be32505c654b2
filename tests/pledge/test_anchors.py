"""From the answer to /crts to the domain's anchors (est.md 9, D12)."""

from datetime import timedelta

import pytest

from pledge.anchors import MAX_CERTIFICATES, ExplicitTrustAnchors, choose_anchors
from sztb.errors import Refusal, Refused
from sztb.pki import profiles
from sztb.pki.profiles import Issuer, Validity
from tests.fakes.pki import LIFETIME, NOW, key, make_pki

FLAT = make_pki()
DEEP = make_pki("deep", intermediate=True)


def root(name, signer, *, end_days=3650, number=1):
    validity = Validity(NOW - timedelta(days=30), NOW + timedelta(days=end_days))
    return profiles.make_root_ca(name, signer, validity, number)


# A CA that changes its key under one name (CMP calls the four OldWithOld, ...).
OLD_KEY, NEW_KEY = key("old root"), key("new root")
OLD = root("domain", OLD_KEY, end_days=10)
NEW = root("domain", NEW_KEY, number=2)


def cross(subject_key, issuer, issuer_key, number):
    return profiles.make_intermediate_ca(
        "domain", subject_key.public_key, Issuer(issuer, issuer_key), LIFETIME, number, None
    )


NEW_WITH_OLD = cross(NEW_KEY, OLD, OLD_KEY, 3)
OLD_WITH_NEW = cross(OLD_KEY, NEW, NEW_KEY, 4)
LEAF_OF_OLD = profiles.make_ldevid(
    profiles.common_name("old leaf"), key("leaf").public_key, Issuer(OLD, OLD_KEY), LIFETIME, 50
)


def chosen(*received, previous=None, now=NOW):
    return choose_anchors(received, previous, now)


@pytest.mark.rule("E-17")
def test_the_self_signed_one_is_the_anchor_the_others_help():
    anchors = chosen(*DEEP.domain_ca.path)
    assert anchors.anchors == (DEEP.domain_root.certificate,)
    assert anchors.intermediates == (DEEP.domain_ca.certificate,)


def test_without_a_root_the_highest_is_the_anchor():
    assert chosen(DEEP.domain_ca.certificate).anchors == (DEEP.domain_ca.certificate,)


def test_third_party_anchors_are_kept():
    anchors = chosen(FLAT.domain_ca.certificate, DEEP.domain_root.certificate)
    assert anchors.anchors == (FLAT.domain_ca.certificate, DEEP.domain_root.certificate)


@pytest.mark.rule("E-19")
def test_rollover_certificates_are_told_apart_by_signature_not_by_name():
    anchors = chosen(OLD, NEW, NEW_WITH_OLD, OLD_WITH_NEW)
    assert anchors.anchors == (OLD, NEW)
    assert anchors.intermediates == (NEW_WITH_OLD, OLD_WITH_NEW)


@pytest.mark.rule("E-19")
def test_a_leaf_of_the_old_key_is_reached_from_the_new_root():
    anchors = chosen(NEW, OLD_WITH_NEW)
    assert anchors.path(LEAF_OF_OLD, (), NOW)[-1] == NEW


@pytest.mark.parametrize(
    ("received", "now", "stays"),
    [
        pytest.param((NEW,), NOW, True, id="nothing links the new root to it"),
        pytest.param((NEW, NEW_WITH_OLD), NOW, False, id="it certifies the new root"),
        pytest.param((NEW,), NOW + timedelta(days=11), False, id="it is over"),
        pytest.param((NEW,), None, True, id="no clock"),
        pytest.param((OLD, NEW), NOW, True, id="it is in the answer anyway"),
    ],
)
def test_how_long_a_previous_anchor_stays(received, now, stays):
    anchors = chosen(*received, previous=ExplicitTrustAnchors((OLD,)), now=now)
    assert (OLD in anchors.anchors) is stays
    assert anchors.anchors.count(OLD) <= 1


@pytest.mark.parametrize(
    "received",
    [
        pytest.param((), id="none"),
        pytest.param((FLAT.registrar.certificate,), id="no CA"),
        pytest.param(
            tuple(root(f"ca {number}", OLD_KEY, number=number) for number in range(1, 18)),
            id="seventeen",
        ),
    ],
)
def test_unusable_answers(received):
    with pytest.raises(Refused) as caught:
        chosen(*received)
    assert caught.value.refusal is Refusal.CERTIFICATE_PATH
    assert len(received) in {0, 1, MAX_CERTIFICATES + 1}


def test_end_entities_in_the_answer_are_left_out():
    anchors = chosen(FLAT.domain_ca.certificate, FLAT.registrar.certificate)
    assert anchors == ExplicitTrustAnchors((FLAT.domain_ca.certificate,))
