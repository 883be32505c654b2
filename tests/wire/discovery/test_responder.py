"""The answering side: who is answered, when, how often (discovery.md 3.2)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import NON_LIFETIME
from sztb.discovery import responder
from sztb.discovery.coap_links import STATELESS, join_port_link, make_query, registrar_link
from sztb.discovery.responder import AnswerLimits, Asked, DelayedAnswer, Responder
from sztb.encoding import coap_message
from sztb.encoding.coap_message import MessageType
from sztb.encoding.link_format import Link

CASES = json.loads(
    (Path(__file__).parents[2] / "vectors/discovery/coap-multicast-cases.json").read_text()
)["items"]
JOIN, OTHER = 3, 4  # interfaces


def links_of(receiver):
    """The links of a receiver as the vectors describe it."""
    if receiver == "join proxy without registrar":
        return []
    if receiver == "registrar with JPY port 7634":
        return [
            Link("coaps://[2001:db8::1]:5684", (("rt", "brski"),)),
            registrar_link(STATELESS, "2001:db8::1", 7634),
        ]
    if receiver == "registrar, JPY off":
        return [Link("coaps://[2001:db8::1]:5684", (("rt", "brski"),))]
    return [join_port_link(5684 if "5684" in receiver else 8485)]


def asked(host="fe80::2", port=40000, ifindex=JOIN, *, multicast=True):
    return Asked(host, port, ifindex, multicast)


def ask(machine, datagram, source=None, now=0.0, spread=0.5):
    return machine.receive(datagram, source or asked(), now, message_id=9, spread=spread)


@pytest.fixture
def proxy():
    return Responder(lambda ifindex: [join_port_link(8485)] if ifindex == JOIN else [])


@pytest.mark.rule("D-09", "D-10", "D-11", "D-12", "D-15", "J-18")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_vectors(case):
    site_local = case["destination"] == "ff05::fd"
    machine = Responder(
        lambda ifindex: links_of(case["receiver"]) if ifindex == JOIN else [],
        AnswerLimits(only_link_local=not site_local),
    )
    ifindex = OTHER if "non-join" in case["id"] else JOIN
    source = asked(ifindex=ifindex, multicast=case["destination"].startswith("ff"))
    datagram = bytes.fromhex(case["hex"])
    answer = ask(machine, datagram, source)
    if case["expect"].startswith("silence"):
        assert answer is None
        return
    assert answer is not None
    reply, query = coap_message.decode(answer.datagram), coap_message.decode(datagram)
    assert reply.token == query.token
    if source.multicast:
        assert reply.type is MessageType.NON
        assert reply.message_id == 9
        assert 0 < answer.delay <= machine.limits.leisure
    else:
        assert reply.type is MessageType.ACK
        assert reply.message_id == query.message_id
        assert answer.delay == 0
    if "empty payload" in case["expect"]:
        assert reply.payload == b""
    elif "both links" in case["expect"]:
        assert reply.payload.count(b"rt=brski") == 2
    elif "at most one answer" in case["expect"]:
        assert ask(machine, datagram, source, now=2.0) is None
    else:
        assert reply.payload.startswith(b"<")


QUERY = make_query("brski-jp=*", message_id=1, token=b"1234")


def another(token):
    return make_query("brski-jp=*", message_id=1, token=token)


@pytest.mark.rule("D-12")
def test_the_delay_is_spread_over_the_leisure():
    machine = Responder(lambda _: [join_port_link(1)], AnswerLimits(leisure=10.0, per_source=9))
    first, second = ask(machine, QUERY, spread=0.1), ask(machine, another(b"2"), spread=0.9)
    assert (first.delay, second.delay) == (1.0, 9.0)


def test_one_answer_per_source_and_token_in_the_lifetime(proxy):
    assert ask(proxy, QUERY) is not None
    assert ask(proxy, QUERY, now=NON_LIFETIME - 1) is None
    assert ask(proxy, QUERY, now=NON_LIFETIME) is not None


def test_the_same_token_of_another_source_or_link_is_another_query(proxy):
    proxy.links = lambda _: [join_port_link(1)]
    assert ask(proxy, QUERY) is not None
    assert ask(proxy, QUERY, asked("fe80::3")) is not None
    assert ask(proxy, QUERY, asked(ifindex=OTHER)) is not None


def test_a_source_gets_one_answer_per_second(proxy):
    assert ask(proxy, another(b"1")) is not None
    assert ask(proxy, another(b"2"), now=0.9) is None
    assert ask(proxy, another(b"3"), now=1.0) is not None


def test_an_interface_gives_twenty_answers_per_second(proxy):
    answers = [ask(proxy, QUERY, asked(f"fe80::{number:x}")) for number in range(1, 40)]
    assert sum(answer is not None for answer in answers) == 20
    assert ask(proxy, QUERY, asked("fe80::ff"), now=1.0) is not None


@pytest.mark.parametrize("host", ["2001:db8::1", "::1", "192.0.2.1", "not an address"])
def test_only_link_local_sources_are_answered(proxy, host):
    assert ask(proxy, QUERY, asked(host)) is None


def test_a_filter_that_is_not_supported(proxy):
    two = coap_message.decode(QUERY)
    options = (*two.options, two.options[-1])
    datagram = coap_message.encode(coap_message.CoapMessage(two.type, two.code, 1, b"t", options))
    assert ask(proxy, datagram) is None
    unicast = ask(proxy, datagram, asked(multicast=False))
    assert coap_message.decode(unicast.datagram).payload == b"<>;brski-jp=8485"


@pytest.mark.rule("D-31")
def test_memory_is_bounded(proxy):
    proxy.limits = AnswerLimits(per_interface=10**6)
    for number in range(3 * responder.MAX_REMEMBERED):
        ask(proxy, QUERY, asked(f"fe80::{number:x}"))
    assert len(proxy._answered) == len(proxy._by_source) == responder.MAX_REMEMBERED


@pytest.mark.rule("D-11")
@given(st.binary(max_size=1400))
def test_any_datagram_is_answered_well_or_not_at_all(datagram):
    machine = Responder(lambda _: [join_port_link(8485)])
    answer = ask(machine, datagram)
    if isinstance(answer, DelayedAnswer):
        assert coap_message.decode(answer.datagram).type is MessageType.NON
