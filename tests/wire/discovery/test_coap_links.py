"""Discovery messages and what they offer, on the vectors of the digest (discovery.md 3)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import Code, Option
from sztb.codepoints.links import QUERY_JOIN_PROXY, QUERY_REGISTRAR, QUERY_REGISTRAR_JPY
from sztb.discovery import coap_links
from sztb.discovery.coap_links import (
    STATEFUL,
    STATELESS,
    AddressRules,
    RegistrarAddress,
    join_port_link,
    join_ports,
    make_query,
    parse_answer,
    parse_query,
    registrar_link,
    registrars,
)
from sztb.encoding import coap_message, link_format
from sztb.encoding.coap_message import CoapMessage, MessageType
from sztb.errors import Malformed

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors/discovery/coap-link-format.json").read_text()
)
MESSAGES = {each["id"]: each for each in VECTORS["messages"]}
OURS = {  # the queries this project sends
    "pledge: join proxy (current)": QUERY_JOIN_PROXY,
    "stateful proxy: registrar": QUERY_REGISTRAR,
    "stateless proxy: JPY port": QUERY_REGISTRAR_JPY,
}
R = RegistrarAddress
IPV4 = AddressRules(ipv4=True)


@pytest.mark.rule("D-01", "D-13", "D-32", "D-37")
@pytest.mark.parametrize("name", OURS)
def test_our_queries_are_byte_equal(name):
    wanted = bytes.fromhex(MESSAGES[name]["hex"])
    given_ = coap_message.decode(wanted)
    assert make_query(OURS[name], message_id=given_.message_id, token=given_.token) == wanted


def test_the_pledge_query_has_33_bytes():
    assert len(make_query(QUERY_JOIN_PROXY, message_id=0x0101, token=b"Q")) == 33


@pytest.mark.parametrize("name", [name for name, each in MESSAGES.items() if "query" in each])
def test_reads_every_query(name):
    message, queries = parse_query(bytes.fromhex(MESSAGES[name]["hex"]))
    assert message.type is MessageType.NON
    assert queries == (MESSAGES[name]["query"],)


@pytest.mark.rule("D-04")
@pytest.mark.parametrize("name", [name for name, each in MESSAGES.items() if "payload" in each])
def test_reads_every_answer(name):
    datagram = bytes.fromhex(MESSAGES[name]["hex"])
    answer = parse_answer(datagram)
    assert answer.token == datagram[4:5]
    assert answer.links == tuple(link_format.parse(MESSAGES[name]["payload"].encode()))


@pytest.mark.rule("D-18")
@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("answer, one join port", [8485]),
        ("registrar on the link answers a pledge as if it were a join proxy", [5684]),
    ],
)
def test_our_answers_are_byte_equal(name, ports):
    wanted = bytes.fromhex(MESSAGES[name]["hex"])
    query = CoapMessage(MessageType.NON, Code.GET, 1, wanted[4:5])
    links = [join_port_link(port) for port in ports]
    message_id = int.from_bytes(wanted[2:4])
    assert coap_links.make_answer(links, to=query, message_id=message_id) == wanted


@pytest.mark.rule("P-03", "J-28")
def test_an_answer_may_hold_several_ports():
    answer = parse_answer(bytes.fromhex(MESSAGES["answer, two ports"]["hex"]))
    assert join_ports(answer.links) == (61616, 61617)


def cases(*receivers):
    return [
        pytest.param(each["payload"], each["expect"], id=each["payload"] or "empty")
        for each in VECTORS["link_format_cases"]
        if _receiver(each) in receivers
    ]


def _receiver(case):
    if "receiver" in case:
        return case["receiver"]
    if case["payload"].startswith("<jpy"):
        return "stateless"
    return "stateful" if case["payload"].startswith("<coaps") else "pledge"


PLEDGE = {  # the wording of the vectors, as ports
    "ignore": (),
    "nothing": (),
    "two candidates": (57101, 57102),
    "port 8485": (8485,),
    "ports 8485 and 8486": (8485, 8486),
}


@pytest.mark.rule("D-17", "P-02")
@pytest.mark.parametrize(("payload", "expect"), cases("pledge"))
def test_the_pledge_finds_ports(payload, expect):
    meant = max((key for key in PLEDGE if expect.startswith(key)), key=len)
    assert join_ports(link_format.parse(payload.encode())) == PLEDGE[meant]


@pytest.mark.rule("D-17", "D-14")
@pytest.mark.parametrize(("payload", "expect"), cases("stateful", "stateless"))
def test_the_proxy_finds_registrars(payload, expect):
    lookup = STATEFUL if payload.startswith(("<coap", "</")) and "jpy" not in payload else STATELESS
    found = registrars(link_format.parse(payload.encode()), lookup, AddressRules())
    if expect.startswith("registrar 2001:db8"):
        assert found == (R("2001:db8:0:abcd::52", 5684),)
    elif expect.startswith("registrar = source"):
        assert found == (R(None, 5684),)
    elif expect == "accept, path ignored":
        assert found == (R("2001:db8::1", 7634),)
    elif expect == "accept, path ignored by a join proxy":
        assert found == (R("2001:db8::1", 1),)
    else:
        assert found == ()


@pytest.mark.rule("D-17")
@pytest.mark.parametrize(
    ("payload", "lookup", "rules", "found"),
    [
        ("<coaps://192.0.2.5>;rt=brski", STATEFUL, IPV4, [R("192.0.2.5", 5684)]),
        ("<coaps://192.0.2.5:99>;rt=brski", STATEFUL, IPV4, [R("192.0.2.5", 99)]),
        ("<coaps://[::1]>;rt=brski", STATEFUL, AddressRules(loopback=True), [R("::1", 5684)]),
        ("<jpy://[fe80::1]:7634>;rt=brski.rjp", STATELESS, AddressRules(link_local=True),
         [R("fe80::1", 7634)]),
        ("<coaps+jpy://[2001:db8::1]:7634>;rt=brski.rjp", STATELESS, AddressRules(legacy=True),
         [R("2001:db8::1", 7634)]),
        ("<coaps://[2001:db8::1]:+99>;rt=brski", STATEFUL, AddressRules(), []),
        ("<coaps://[2001:db8::1>;rt=brski", STATEFUL, AddressRules(), []),
        ("<coaps://[::]>;rt=brski", STATEFUL, AddressRules(), []),
        ("<//[2001:db8::1]>;rt=brski", STATEFUL, AddressRules(), []),
        ("</x>;rt=brski.rjp", STATELESS, AddressRules(), []),
        ("<coaps://[2001:db8::1]>;rt=brski;anchor=\"coap://[2001:db8::9]\"", STATEFUL,
         AddressRules(), []),
    ],
)  # fmt: skip
def test_address_rules(payload, lookup, rules, found):
    assert list(registrars(link_format.parse(payload.encode()), lookup, rules)) == found


@pytest.mark.rule("D-14")
def test_a_registrar_tells_literal_and_port():
    link = registrar_link(STATELESS, "2001:db8:0:abcd::52", 7634)
    expected = MESSAGES["answer JPY"]["payload"].encode()
    assert link_format.serialize([link]) == expected
    assert registrars([link], STATELESS, AddressRules()) == (R("2001:db8:0:abcd::52", 7634),)
    ipv4 = registrar_link(STATEFUL, "192.0.2.5", 5684)
    assert registrars([ipv4], STATEFUL, AddressRules(ipv4=True)) == (R("192.0.2.5", 5684),)


def message(code=Code.CONTENT, payload=b"<>;brski-jp=1", **options):
    listed = tuple((Option[name.upper()], value) for name, value in options.items())
    return coap_message.encode(
        CoapMessage(MessageType.NON, code, 7, b"tok", tuple(sorted(listed)), payload)
    )


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(message(Code.NOT_FOUND), id="error"),
        pytest.param(message(content_format=b"\x32"), id="JSON"),
        pytest.param(message(), id="no Content-Format"),
        pytest.param(message(content_format=b"\x28", block2=b""), id="block-wise is critical"),
        pytest.param(b"\xff\xff", id="garbage"),
    ],
)
def test_other_answers_are_malformed(datagram):
    with pytest.raises(Malformed):
        parse_answer(datagram)


def test_an_empty_answer_offers_nothing():
    assert parse_answer(message(payload=b"")).links == ()


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(message(Code.POST, b"", uri_path=b"x"), id="POST"),
        pytest.param(message(Code.GET, b"", uri_path=b"x"), id="another path"),
        pytest.param(message(Code.GET, b""), id="no path"),
    ],
)
def test_other_queries_are_malformed(datagram):
    with pytest.raises(Malformed):
        parse_query(datagram)


def test_a_query_that_wants_another_format_is_malformed():
    query = coap_message.decode(make_query("rt=brski", message_id=1, token=b"x"))
    wants_json = tuple(sorted([*query.options, (Option.ACCEPT, b"\x32")]))
    datagram = coap_message.encode(CoapMessage(query.type, query.code, 1, b"x", wants_json))
    with pytest.raises(Malformed):
        parse_query(datagram)


@pytest.mark.rule("D-31")
@given(st.binary(max_size=1400))
def test_parsers_are_total(data):
    links = link_format.parse(data)
    assert all(0 < port <= 0xFFFF for port in join_ports(links))
    for lookup in (STATEFUL, STATELESS):
        for address in registrars(links, lookup, AddressRules(True, True, True, True)):
            assert 0 < address.port <= 0xFFFF
    for parse in (parse_answer, parse_query):
        try:
            parse(data)
        except Malformed:
            continue
