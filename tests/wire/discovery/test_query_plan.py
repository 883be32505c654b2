"""When queries are sent and which answers count (discovery.md 3.1)."""

import itertools
import math

import pytest

from sztb.codepoints.links import QUERY_JOIN_PROXY
from sztb.discovery.coap_links import join_port_link, make_answer, parse_query
from sztb.discovery.query_plan import TOKENS_KEPT, QueryPlan
from sztb.encoding import coap_message

ONE, TWO = 3, 4


def plan_for(*interfaces):
    plan = QueryPlan(QUERY_JOIN_PROXY, _counting(itertools.count(1)))
    plan.interfaces(interfaces, 0.0)
    return plan


def _counting(numbers):
    def random_bytes(length):
        return (next(numbers) % 200).to_bytes(length)

    return random_bytes


def token(query):
    return coap_message.decode(query.datagram).token


def answer_to(query, port=8485):
    message, _ = parse_query(query.datagram)
    return make_answer([join_port_link(port)], to=message, message_id=1)


@pytest.mark.rule("D-01")
def test_every_interface_is_asked_at_once_with_its_own_token():
    queries = plan_for(ONE, TWO).due(0.0)
    assert [query.ifindex for query in queries] == [ONE, TWO]
    assert len({token(query) for query in queries}) == 2
    assert all(len(token(query)) == 4 for query in queries)
    assert all(parse_query(query.datagram)[1] == ("brski-jp=*",) for query in queries)


@pytest.mark.rule("D-05")
def test_intervals_double_to_an_hour_with_jitter():
    plan, now, intervals = plan_for(ONE), 0.0, []
    for _ in range(14):
        assert len(plan.due(now)) == 1
        assert plan.due(now) == []
        intervals.append(plan.next_deadline() - now)
        now = plan.next_deadline()
    for number, interval in enumerate(intervals):
        base = min(2.0 * 2**number, 3600.0)
        assert base <= interval <= base * 1.5


@pytest.mark.rule("D-05")
def test_a_new_link_is_asked_at_once_from_the_start():
    plan = plan_for(ONE)
    plan.due(0.0)
    plan.interfaces([ONE, TWO], 1.0)
    assert [query.ifindex for query in plan.due(1.0)] == [TWO]
    plan.interfaces([], 1.5)
    plan.interfaces([ONE], 1.6)
    assert [query.ifindex for query in plan.due(1.6)] == [ONE]


def test_no_interface_nothing_due():
    assert plan_for().next_deadline() is None
    assert plan_for().due(9.0) == []


@pytest.mark.rule("D-03", "D-04")
def test_every_answer_to_a_recent_query_counts():
    plan = plan_for(ONE)
    queries = []
    for _ in range(TOKENS_KEPT + 1):
        queries += plan.due(plan.next_deadline())
    for query in queries[1:]:
        assert plan.answered(answer_to(query), ONE) == (join_port_link(8485),)
        assert plan.answered(answer_to(query, 99), ONE) == (join_port_link(99),)
    assert plan.answered(answer_to(queries[0]), ONE) == ()


@pytest.mark.rule("D-04")
def test_answers_with_another_token_or_from_another_link_do_not_count():
    plan = plan_for(ONE, TWO)
    [query, _] = plan.due(0.0)
    assert plan.answered(answer_to(query), TWO) == ()
    assert plan.answered(answer_to(query), 99) == ()
    assert plan.answered(b"\xff\xff", ONE) == ()


@pytest.mark.rule("D-08")
def test_quiet_while_something_works_then_asked_again():
    plan = plan_for(ONE)
    plan.due(0.0)
    plan.quiet_until(math.inf)
    assert plan.due(1000.0) == []
    assert plan.next_deadline() == math.inf
    plan.refresh(1000.0)
    assert len(plan.due(1000.0)) == 1
    assert plan.next_deadline() >= 1004.0  # the doubling goes on
