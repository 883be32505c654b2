"""Which candidate is tried when: conversations with the machine (discovery.md 7)."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.discovery.candidates import CandidateRules, Candidates, Drop, Refresh, Start
from sztb.discovery.offers import Endpoint, Offer, OfferSource

LINK = 3
RULES = CandidateRules(gap=(4.0, 4.0))


def at(number, ifindex=LINK, port=5684):
    return Endpoint(f"fe80::{number:x}", port, ifindex)


A, B, C, D = (at(number) for number in range(1, 5))


def machine(*offers, rules=RULES, seed=1):
    """A machine that has got these offers at time 0."""
    made = Candidates(random.Random(seed).random, rules)
    for number, each in enumerate(offers):
        # priorities in the order of the arguments, so that a conversation has one outcome
        offer = each if isinstance(each, Offer) else Offer(each, OfferSource.COAP, number)
        made.offered(offer, 0.0)
    return made


@pytest.mark.parametrize(
    ("endpoint", "text", "address"),
    [
        (Endpoint("fe80::1", 5684, 3), "[fe80::1%3]:5684", ("fe80::1", 5684, 0, 3)),
        (Endpoint("2001:db8::1", 99), "[2001:db8::1]:99", ("2001:db8::1", 99, 0, 0)),
        (Endpoint("192.0.2.1", 99), "192.0.2.1:99", ("192.0.2.1", 99)),
    ],
)
def test_endpoints_as_text_and_as_socket_address(endpoint, text, address):
    assert (endpoint.text, endpoint.address) == (text, address)


def starts(effects):
    return [effect.endpoint for effect in effects if isinstance(effect, Start)]


def drops(effects):
    return [effect.endpoint for effect in effects if isinstance(effect, Drop)]


@pytest.mark.rule("P-05", "D-07")
def test_the_first_starts_at_once_the_next_after_the_gap():
    tried = machine(A, B, C)
    assert starts(tried.advance(0.0)) == [A]
    assert tried.next_deadline() == 4.0
    assert tried.advance(3.9) == []
    assert starts(tried.advance(4.0)) == [B]


@pytest.mark.rule("P-05")
def test_gaps_are_random_between_three_and_five_seconds():
    tried = machine(A, B, rules=CandidateRules())
    tried.advance(0.0)
    assert 3.0 <= tried.next_deadline() <= 5.0


@pytest.mark.rule("D-07")
def test_at_most_two_at_once():
    tried = machine(A, B, C)
    tried.advance(0.0)
    tried.advance(4.0)
    tried.progressed(A, 7.9)
    assert tried.advance(8.0) == []
    tried.failed(A, 8.1)
    assert starts(tried.advance(8.1)) == [C]


@pytest.mark.rule("P-05", "D-07")
def test_the_oldest_is_dropped_when_nothing_moves_for_five_seconds():
    tried = machine(A, B, C)
    tried.advance(0.0)
    tried.advance(4.0)
    assert tried.next_deadline() == 9.0
    assert tried.advance(8.9) == []
    effects = tried.advance(9.0)
    assert drops(effects) == [A]
    assert starts(effects) == [C]


def test_progress_of_one_saves_both():
    tried = machine(A, B, C)
    tried.advance(0.0)
    tried.advance(4.0)
    tried.progressed(A, 8.5)
    assert tried.advance(9.0) == []
    assert drops(tried.advance(13.5)) == [A]


def test_nobody_is_dropped_when_there_is_nobody_else():
    tried = machine(A, B)
    tried.advance(0.0)
    tried.advance(4.0)
    assert tried.advance(100.0) == []
    assert tried.next_deadline() is None


@pytest.mark.rule("P-05", "D-06", "P-49")
def test_each_backs_off_for_itself_from_thirty_seconds_to_an_hour():
    tried = machine(A)
    delays, now = [], 0.0
    for _ in range(10):
        assert starts(tried.advance(now)) == [A]
        tried.failed(A, now + 1)
        delays.append(tried.next_deadline() - now)
        now = tried.next_deadline()
    assert 30.0 <= delays[0] <= 45.0
    assert all(longer >= shorter for shorter, longer in itertools.pairwise(delays))
    assert delays[-1] == 3600.0


@pytest.mark.rule("D-06")
def test_back_off_of_one_does_not_touch_the_others():
    tried = machine(A, B)
    tried.advance(0.0)
    tried.failed(A, 0.1)
    assert starts(tried.advance(4.0)) == [B]


def test_a_long_attempt_does_not_wait_again():
    tried = machine(A)
    tried.advance(0.0)
    tried.failed(A, 500.0)
    assert starts(tried.advance(500.0)) == [A]


@pytest.mark.rule("D-08")
def test_when_all_failed_discovery_asks_again():
    tried = machine(A, B)
    tried.advance(0.0)
    tried.failed(A, 0.1)
    assert Refresh() not in tried.advance(4.0)
    tried.failed(B, 4.1)
    assert tried.all_failed
    effects = tried.advance(tried.next_deadline())
    assert Refresh() in effects
    assert len(starts(effects)) == 1
    assert not tried.all_failed


def test_nothing_known_nothing_to_do():
    tried = machine()
    assert tried.advance(0.0) == []
    assert tried.next_deadline() is None
    assert not tried.all_failed


@pytest.mark.rule("D-29")
def test_ties_are_broken_at_random_not_by_order_of_arrival():
    first = set()
    for seed in range(40):
        tied = [Offer(each, OfferSource.COAP) for each in (A, B, C)]
        first |= set(starts(machine(*tied, seed=seed).advance(0.0)))
    assert first == {A, B, C}


def test_preference_then_priority():
    offers = [
        Offer(A, OfferSource.GRASP, 0),
        Offer(B, OfferSource.COAP, 9),
        Offer(C, OfferSource.COAP, 1),
    ]
    tried = machine(*offers)
    order = [starts(tried.advance(now))[0] for now in _while_failing(tried)]
    assert order == [C, B, A]


def _while_failing(tried):
    now = 0.0
    for _ in range(3):
        yield now
        for each in (A, B, C):
            tried.failed(each, now)
        now += 4.0


def test_new_ones_and_failed_ones_take_turns():
    tried, now, order = machine(A, B, rules=replace(RULES, per_interface=99)), 0.0, []
    for number in range(40):
        tried.offered(Offer(at(50 + number), OfferSource.COAP, 9), now)  # a flood of new ones
        [started] = starts(tried.advance(now))
        order.append(started)
        tried.failed(started, now)
        now += 4.0
    assert order[:2] == [A, B]
    assert order[2:].count(A) >= 1
    assert order[2:].count(B) >= 1


def test_failed_ones_are_tried_again_in_the_order_of_their_last_try():
    tried, now = machine(A, B, C), 0.0
    for expected in (A, B, C, A, B, C):
        now = max(now, tried.next_deadline())
        assert starts(tried.advance(now)) == [expected]
        tried.failed(expected, now)


def test_a_second_offer_can_only_raise_the_preference():
    tried = machine(Offer(A, OfferSource.MDNS, 5), Offer(B, OfferSource.MDNS, 4))
    tried.offered(Offer(A, OfferSource.COAP, 9), 0.0)
    tried.offered(Offer(A, OfferSource.GRASP, 0), 0.0)
    assert starts(tried.advance(0.0)) == [A]


def test_a_configured_endpoint_always_wins():
    tried = machine(A, Offer(D, OfferSource.CONFIGURED))
    assert starts(tried.advance(0.0)) == [D]
    tried.failed(D, 0.1)
    assert tried.advance(4.0) == []
    assert starts(tried.advance(50.0)) == [D]


@pytest.mark.rule("P-17", "P-51")
def test_waiting_for_a_registrar_frees_the_slot_and_is_never_dropped():
    tried = machine(A, B, C)
    tried.advance(0.0)
    tried.waiting(A, 1.0)
    assert starts(tried.advance(4.0)) == [B]
    assert starts(tried.advance(8.0)) == [C]
    assert drops(tried.advance(500.0)) == []
    assert starts(tried.advance(500.0)) == []


def test_waiting_ends_with_progress():
    tried = machine(A, B, C)
    tried.advance(0.0)
    tried.waiting(A, 1.0)
    tried.progressed(A, 2.0)
    tried.advance(4.0)
    assert tried.advance(8.0) == []  # A and B hold both slots


@pytest.mark.rule("D-31")
def test_nobody_can_hold_every_waiting_place():
    rules = replace(RULES, max_waiting=2)
    tried = machine(A, B, C, rules=rules)
    for number, each in enumerate((A, B, C)):
        assert starts(tried.advance(4.0 * number)) == [each]
        tried.waiting(each, 4.0 * number)
    [dropped] = drops(tried.advance(8.0))
    assert dropped in {A, B}


@pytest.mark.rule("P-51")
def test_a_valid_voucher_ends_the_others():
    tried = machine(A, B, C)
    tried.advance(0.0)
    tried.advance(4.0)
    tried.proven(A, 5.0)
    assert drops(tried.advance(5.0)) == [B]
    assert tried.advance(100.0) == []
    assert tried.next_deadline() is None


@pytest.mark.rule("P-49")
def test_the_search_goes_on_when_the_winner_fails_later():
    tried = machine(A, B)
    tried.advance(0.0)
    tried.proven(A, 1.0)
    tried.failed(A, 5.0)
    assert starts(tried.advance(5.0)) == [B]


def test_news_of_an_attempt_that_is_over_is_ignored():
    tried = machine(A)
    tried.progressed(A, 0.0)
    tried.waiting(B, 0.0)
    tried.failed(A, 0.0)
    assert starts(tried.advance(0.0)) == [A]


@pytest.mark.rule("D-05")
def test_candidates_of_a_link_that_went_are_forgotten():
    elsewhere = at(9, ifindex=7)
    routable = Endpoint("2001:db8::1", 5684)
    tried = machine(A, B, elsewhere, routable)
    tried.advance(0.0)
    tried.interfaces([7], 1.0)
    effects = tried.advance(4.0)
    assert drops(effects) == [A]
    assert starts(effects) == [elsewhere]
    assert starts(tried.advance(8.0)) == [routable]


@pytest.mark.rule("D-31")
def test_four_candidates_of_one_address_failed_ones_make_room():
    ports = [at(1, port=port) for port in range(1, 6)]
    tried = machine(*ports)
    assert set(tried._known) == set(ports[:4])
    tried.advance(0.0)
    tried.failed(ports[0], 1.0)
    tried.offered(Offer(ports[4], OfferSource.COAP), 2.0)
    assert set(tried._known) == set(ports[1:5])


@pytest.mark.rule("D-31")
def test_thirty_two_candidates_of_one_interface_are_a_random_subset():
    kept = set()
    for seed in range(20):
        tried = machine(*(at(number) for number in range(100)), seed=seed)
        assert len(tried._known) == 32
        kept |= set(tried._known)
    assert len(kept) > 90


@pytest.mark.rule("D-31")
def test_failed_ones_are_evicted_first():
    tried = machine(*(at(number) for number in range(32)))
    [first] = starts(tried.advance(0.0))
    tried.failed(first, 1.0)
    tried.offered(Offer(at(99), OfferSource.COAP), 2.0)
    assert first not in tried._known
    assert at(99) in tried._known


def test_who_is_being_tried_is_never_evicted():
    tried = machine(A, rules=replace(RULES, per_interface=1))
    tried.advance(0.0)
    for number in range(5, 50):
        tried.offered(Offer(at(number), OfferSource.COAP), 1.0)
    assert set(tried._known) == {A}


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["offered", "progressed", "waiting", "failed", "proven", "interfaces"]),
        st.integers(1, 12),
        st.floats(0, 40),
    ),
    max_size=60,
)


@pytest.mark.rule("D-31")
@given(EVENTS, st.integers(0, 99))
def test_whatever_happens_bounds_hold_and_it_goes_on(events, seed):
    tried = Candidates(random.Random(seed).random, replace(RULES, per_interface=6, max_waiting=2))
    running, now = set(), 0.0
    for name, number, later in events:
        now += later
        endpoint = at(number, ifindex=number % 2)
        if name == "offered":
            tried.offered(Offer(endpoint, OfferSource.COAP), now)
        elif name == "interfaces":
            tried.interfaces([1] if number > 6 else [0], now)
        elif endpoint in running:
            getattr(tried, name)(endpoint, now)
            running -= {endpoint} if name == "failed" else set()
        for effect in tried.advance(now):
            if isinstance(effect, Start):
                assert effect.endpoint not in running
                running.add(effect.endpoint)
            elif isinstance(effect, Drop):
                running.remove(effect.endpoint)
        assert len(running) <= 2 + 2 + 1
        assert len(tried._known) <= 12
        deadline = tried.next_deadline()
        assert deadline is None or deadline <= now + 3600 * 1.5
