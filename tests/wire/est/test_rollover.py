"""What a /cacerts answer makes of the trust anchors, CA rollover included."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from sztb.errors import Refusal, Refused
from sztb.est.rollover import ExplicitTrustAnchors, newest_root, order_cacerts, take_cacerts
from sztb.pki import profiles
from sztb.pki.certificates import is_self_signed
from sztb.pki.profiles import Validity
from sztb.pki.trust_anchors import TrustAnchors
from tests.fakes.pki import LIFETIME, NOW, key, make_pki
from tests.wire.est.est_vectors import DOMAIN_CA, FROZEN, certificate

OLD = certificate(DOMAIN_CA)  # OldWithOld
NEW = certificate("made/certs/new_with_new.der")
NEW_WITH_OLD = certificate("made/certs/new_with_old.der")
OLD_WITH_NEW = certificate("made/certs/old_with_new.der")
SUB_CA = certificate("made/certs/sub_ca.der")
LDEVID = certificate("made/certs/ldevid.der")
LDEVID_SUB = certificate("made/certs/ldevid-sub.der")
ROLLOVER = (OLD, NEW, NEW_WITH_OLD, OLD_WITH_NEW)
AFTER_OLD = OLD.not_valid_after_utc + timedelta(days=1)
TRUSTING_OLD = ExplicitTrustAnchors(TrustAnchors((OLD,)))


@pytest.mark.rule("E-18", "E-19")
def test_all_four_look_self_signed_by_name_two_are() -> None:
    assert all(one.subject == one.issuer for one in ROLLOVER)
    assert [one for one in ROLLOVER if is_self_signed(one)] == [OLD, NEW]


@pytest.mark.rule("E-19")
@pytest.mark.parametrize("received", list(permutations(ROLLOVER)), ids=lambda _: "order")
def test_newest_self_signed_becomes_the_anchor(received: tuple) -> None:
    assert newest_root(received) == NEW
    after = take_cacerts(received, TRUSTING_OLD, FROZEN)
    assert after.anchors.certificates == (NEW,)  # D12: reached from the old one, which may go
    assert set(after.helpers) == {OLD_WITH_NEW}


@pytest.mark.rule("E-19")
def test_certificates_of_the_old_root_stay_good_after_the_change() -> None:
    after = take_cacerts(ROLLOVER, TRUSTING_OLD, FROZEN)
    assert after.build_path(LDEVID, (), FROZEN) == (LDEVID, OLD_WITH_NEW, NEW)
    assert after.build_path(LDEVID_SUB, (SUB_CA,), FROZEN)[-1] == NEW


@pytest.mark.rule("E-19")
def test_old_anchor_stays_without_a_chain_to_the_new_one() -> None:
    after = take_cacerts((NEW,), TRUSTING_OLD, FROZEN)
    assert after.anchors.certificates == (NEW, OLD)


@pytest.mark.rule("E-19")
def test_old_anchor_goes_when_it_has_expired_by_a_trusted_clock() -> None:
    assert take_cacerts((NEW,), TRUSTING_OLD, AFTER_OLD).anchors.certificates == (NEW,)
    assert take_cacerts((NEW,), TRUSTING_OLD, None).anchors.certificates == (NEW, OLD)


@pytest.mark.rule("E-17")
def test_first_answer_fills_an_empty_database() -> None:
    empty = ExplicitTrustAnchors(TrustAnchors())
    after = take_cacerts((SUB_CA, OLD), empty, FROZEN)
    assert after.anchors.certificates == (OLD,)
    assert after.helpers == (SUB_CA,)


@pytest.mark.rule("E-19")
def test_same_answer_again_changes_nothing() -> None:
    once = take_cacerts((SUB_CA, OLD), TRUSTING_OLD, FROZEN)
    again = take_cacerts((SUB_CA, OLD), once, FROZEN)
    assert again.anchors.certificates == once.anchors.certificates == (OLD,)
    assert again.helpers == once.helpers


@pytest.mark.rule("E-19")
def test_what_does_not_validate_from_the_root_is_dropped() -> None:
    pki = make_pki("stranger", intermediate=True)
    received = (OLD, pki.domain_ca.certificate, LDEVID)  # a foreign CA, and no CA at all
    assert take_cacerts(received, TRUSTING_OLD, FROZEN).helpers == ()


@pytest.mark.rule("E-18")
def test_answer_without_a_root_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        take_cacerts((SUB_CA, OLD_WITH_NEW), TRUSTING_OLD, FROZEN)
    assert refused.value.refusal is Refusal.CERTIFICATE_PATH


@pytest.mark.rule("E-19")
def test_of_two_roots_ending_together_the_later_start_wins() -> None:
    end = datetime(2040, 1, 1, tzinfo=UTC)
    older, newer = (
        profiles.make_root_ca("root", key(name), Validity(NOW - timedelta(days), end), 1)
        for name, days in (("older root", 20), ("newer root", 10))
    )
    assert newest_root((older, newer)) == newest_root((newer, older)) == newer


@pytest.mark.rule("R-11", "E-18")
def test_server_orders_issuer_first_up_to_the_root_then_the_rest() -> None:
    pki = make_pki(intermediate=True)
    issuing, root = pki.domain_ca.certificate, pki.domain_root.certificate
    other_key = key("other CA")
    other = profiles.make_intermediate_ca(
        "other CA", other_key.public_key, pki.domain_root.issuer, LIFETIME, 77
    )
    assert order_cacerts(issuing, (root, other, issuing)) == (issuing, root, other)
    assert order_cacerts(root, (root,)) == (root,)


@pytest.mark.rule("R-11")
def test_server_without_a_path_to_its_root_says_so() -> None:
    pki = make_pki(intermediate=True)
    with pytest.raises(Refused):
        order_cacerts(pki.domain_ca.certificate, (OLD, pki.domain_ca.certificate))
