"""Link format: what is read, what is skipped, what is written (RFC 6690)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.encoding import link_format
from sztb.encoding.link_format import Link, matches, parse, parse_filter, serialize
from sztb.errors import Malformed

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=12)
NAME = st.sampled_from(["rt", "if", "ct", "var", "brski-jp", "title", "rel", "pw"])
TARGET = TEXT.filter(lambda text: not set("<>") & set(text) and text == text.strip())


@pytest.mark.rule("D-17")
@pytest.mark.parametrize(
    ("payload", "links"),
    [
        pytest.param(b"<>;brski-jp=8485", [Link("", (("brski-jp", "8485"),))], id="bare value"),
        pytest.param(b'<>;a="1"', [Link("", (("a", "1"),))], id="quoted value"),
        pytest.param(b"<>;a", [Link("", (("a", None),))], id="no value"),
        pytest.param(b'<>;a=""', [Link("", (("a", ""),))], id="empty quoted value"),
        pytest.param(rb'<>;a="x\"y\\z"', [Link("", (("a", 'x"y\\z'),))], id="escapes"),
        pytest.param(b'</a,b>;t="c,d;e",</f>', [Link("/a,b", (("t", "c,d;e"),)), Link("/f")],
                     id="separators inside brackets and quotes"),
        pytest.param(b"</a> ; rt=b , </c>", [Link("/a", (("rt", "b"),)), Link("/c")], id="blanks"),
        pytest.param(b"</a>;", [Link("/a")], id="empty attribute"),
        pytest.param(b"</a>,", [Link("/a")], id="trailing comma"),
        pytest.param(b"", [], id="empty"),
        pytest.param(b"/a,</b>", [Link("/b")], id="no brackets: skipped"),
        pytest.param(b"</a,</b>", [], id="bracket not closed"),
        pytest.param(b"</a>x,</b>", [Link("/b")], id="text after the target: skipped"),
        pytest.param(b"</a>;=1,</b>", [Link("/b")], id="attribute without name: skipped"),
        pytest.param(b"</a>;x=,</b>", [Link("/b")], id="empty bare value: skipped"),
        pytest.param(b"</a>;x=y z,</b>", [Link("/b")], id="blank in a bare value: skipped"),
        pytest.param(b'</a>;x="y,</b>', [], id="quote not closed: the rest is one bad link"),
        pytest.param(b'</a>;x="y\\', [], id="ends in a backslash"),
        pytest.param(b"<\xff>,</b>", [Link("/b")], id="not UTF-8: skipped"),
        pytest.param("<>;a=٨".encode(), [], id="foreign digits in a bare value: skipped"),
    ],
)  # fmt: skip
def test_reads(payload, links):
    assert parse(payload) == links


@pytest.mark.rule("D-31")
def test_reads_at_most_sixteen_links():
    assert len(parse(b",".join([b"</a>"] * 40))) == link_format.MAX_LINKS


@pytest.mark.rule("D-31")
def test_reads_at_most_1024_bytes():
    first = b"<" + b"a" * 1000 + b">"
    assert [len(link.target) for link in parse(first + b",</b>")] == [1000, 2]
    assert [len(link.target) for link in parse(first + b",</b>," + b"</cc>" * 9)] == [1000, 2]


@pytest.mark.parametrize(
    ("payload", "hosted"),
    [
        ("<>;brski-jp=1", True),
        ("<>;rel=hosts", True),
        ('<>;rel="other hosts"', True),
        ("<>;rel=alternate", False),
        ('<>;anchor="coap://[2001:db8::9]"', False),
        ("<>;anchor", False),
    ],
)
def test_the_relation_must_be_hosts_without_anchor(payload, hosted):
    [link] = parse(payload.encode())
    assert link.is_hosted is hosted


LINK = Link(
    "/x", (("rt", "brski brski.rjp"), ("ct", "50 60"), ("brski-jp", "8485"), ("flag", None))
)


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ("rt=brski", True),
        ("rt=brski.rjp", True),
        ("rt=brski*", True),
        ("rt=brski.r*", True),
        ("rt=rjp", False),
        ("rt=BRSKI", False),
        ('rt="brski"', True),
        ("brski-jp=*", True),
        ("brski-jp=84*", True),
        ("brski-jp=8485", True),
        ("brski-jp=9", False),
        ("ct=50", False),  # only rt, if and rel hold several values
        ("ct=50 60", True),
        ("href=/x", True),
        ("href=/*", True),
        ("href=/y", False),
        ("flag=*", False),  # no value that could match
        ("title=*", False),
    ],
)
def test_filters(query, passes):
    assert matches(LINK, query) is passes


@pytest.mark.parametrize("queries", [["rt=a", "ct=1"], ["rt"], ["=x"], ["r t=x"], [""]])
def test_other_filters_are_not_supported(queries):
    with pytest.raises(Malformed):
        parse_filter(queries)


def test_no_query_is_no_filter():
    assert parse_filter([]) is None


def test_writes_bare_what_may_be_bare():
    links = [LINK, Link("", (("t", 'a"b\\'),))]
    expected = b'</x>;rt="brski brski.rjp";ct="50 60";brski-jp=8485;flag,<>;t="a\\"b\\\\"'
    assert serialize(links) == expected


@given(st.lists(st.builds(Link, TARGET, st.lists(st.tuples(NAME, TEXT)).map(tuple)), max_size=4))
def test_round_trip(links):
    payload = serialize(links)
    if len(payload) <= link_format.MAX_BYTES:
        assert parse(payload) == (links if payload else [])


@given(st.binary(max_size=2000))
def test_any_bytes_give_links(payload):
    assert len(parse(payload)) <= link_format.MAX_LINKS
