"""The server's half as a conversation: this arrives, that goes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import ACK_TIMEOUT, EXCHANGE_LIFETIME, Code, Option
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.encoding.coap_options import Block, read_response_options
from sztb.errors import Refusal, Refused
from sztb.transport.coap.limits import Budget, ResponderLimits, TransferLimits
from sztb.transport.coap.responder import Call, Responder
from sztb.transport.coap.response import etag_of
from sztb.transport.exchange import Answer, Peer, answer_refused

CON, NON, ACK, RST = MessageType
PEER = Peer("[fe80::1%eth0]:5684", (b"idevid",), (b"registrar",), "session")
RV = ((Option.CONTENT_FORMAT, b"\x03\x44"), (Option.URI_PATH_ABBREV, b"\x01\x92"))
CRTS = ((Option.URI_PATH_ABBREV, b"\x01\x2d"),)
OK = Answer(Code.CHANGED, b"voucher", 836)
LONG = Answer(Code.CONTENT, b"c" * 1200, 281)


@pytest.fixture
def responder():
    return make_responder()


def make_responder(max_payload=1024, budget=None, **limits):
    limits = ResponderLimits(TransferLimits(max_body=2048), **limits)
    return Responder(PEER, max_payload, limits, budget or Budget(100_000), lambda: 1.0)


def in_order(options):
    return tuple(sorted(options, key=lambda option: option[0]))


def post(message_id=1, options=RV, payload=b"pvr", kind=CON, token=b"t", code=Code.POST):
    return encode(CoapMessage(kind, code, message_id, token, in_order(options), payload))


def get(message_id=1, options=CRTS, **others):
    return post(message_id, options, b"", code=Code.GET, **others)


def acknowledge(datagram, kind=ACK):
    return encode(CoapMessage(kind, Code.EMPTY, decode(datagram).message_id))


def answered(effects):
    """The one response that goes out."""
    [datagram] = effects
    return decode(datagram)


def carried_out(responder, datagram, answer=OK, now=0.0):
    [call] = responder.receive(datagram, now)
    return answered(responder.answer(call, answer, now))


def test_a_handler_sees_the_whole_request(responder):
    options = (*RV, (Option.ETAG, b"tag"), (Option.ACCEPT, b"\x03\x44"), (Option.URI_QUERY, b"a=b"))
    [call] = responder.receive(post(options=options), 0.0)
    request = call.request
    assert request.method is Code.POST
    assert request.path == (".well-known", "brski", "rv")
    assert (request.content_format, request.accept) == (836, 836)
    assert (request.query, request.etags) == (("a=b",), (b"tag",))
    assert (request.payload, request.peer) == (b"pvr", PEER)


@pytest.mark.rule("R-05")
def test_long_and_abbreviated_paths_are_the_same(responder):
    spelled = tuple((Option.URI_PATH, part) for part in (b".well-known", b"est", b"crts"))
    [one] = responder.receive(get(1), 0.0)
    [two] = responder.receive(get(2, spelled), 0.0)
    assert one.request == two.request


def test_a_quick_answer_travels_in_the_acknowledgement(responder):
    response = carried_out(responder, post(7, token=b"tok"))
    assert response == CoapMessage(
        ACK, Code.CHANGED, 7, b"tok", ((Option.CONTENT_FORMAT, b"\x03\x44"),), b"voucher"
    )


@pytest.mark.rule("R-42")
def test_an_empty_answer(responder):
    assert carried_out(responder, post(7), Answer(Code.CHANGED)) == CoapMessage(
        ACK, Code.CHANGED, 7, b"t"
    )


def test_max_age_and_etag(responder):
    answer = Answer(Code.CONTENT, b"x", 60, max_age=20, etag=b"tag")
    assert carried_out(responder, get(), answer).options == (
        (Option.ETAG, b"tag"), (Option.CONTENT_FORMAT, b"\x3c"), (Option.MAX_AGE, b"\x14"),
    )  # fmt: skip


@pytest.mark.rule("R-31")
def test_a_slow_answer_travels_by_itself(responder):
    [call] = responder.receive(post(7), 0.0)
    assert responder.next_deadline() == 0.5
    assert responder.expire(0.4) == []
    assert answered(responder.expire(0.5)) == CoapMessage(ACK, Code.EMPTY, 7)
    assert responder.next_deadline() is None
    response = answered(responder.answer(call, OK, 3.0))
    assert (response.type, response.code, response.token) == (CON, Code.CHANGED, b"t")
    assert responder.next_deadline() == 3.0 + ACK_TIMEOUT
    assert responder.receive(acknowledge(encode(response)), 3.1) == []
    assert responder.next_deadline() is None


def test_a_separate_response_is_repeated_four_times(responder):
    [call] = responder.receive(post(7), 0.0)
    responder.expire(1.0)
    [datagram] = responder.answer(call, OK, 1.0)
    sent_at = []
    while (deadline := responder.next_deadline()) is not None:
        for effect in responder.expire(deadline):
            assert effect == datagram
            sent_at.append(deadline)
    assert sent_at == [3.0, 7.0, 15.0, 31.0]
    assert not responder.finished


def test_a_reset_ends_the_repetition(responder):
    [call] = responder.receive(post(7), 0.0)
    responder.expire(1.0)
    [datagram] = responder.answer(call, OK, 1.0)
    responder.receive(acknowledge(datagram, RST), 1.1)
    assert responder.next_deadline() is None


def test_a_repeated_request_gets_the_same_answer_and_no_second_call(responder):
    first = carried_out(responder, post(7))
    assert answered(responder.receive(post(7), 1.0)) == first


def test_a_request_repeated_while_the_handler_works(responder):
    [call] = responder.receive(post(7), 0.0)
    assert responder.receive(post(7), 0.1) == []
    responder.expire(0.5)
    assert answered(responder.receive(post(7), 2.0)) == CoapMessage(ACK, Code.EMPTY, 7)
    [_datagram] = responder.answer(call, OK, 3.0)
    assert answered(responder.receive(post(7), 4.0)) == CoapMessage(ACK, Code.EMPTY, 7)


def test_message_ids_may_be_used_again_after_the_lifetime_of_an_exchange(responder):
    carried_out(responder, post(7), now=0.0)
    responder.forget(EXCHANGE_LIFETIME + 1)
    carried_out(responder, post(7), now=EXCHANGE_LIFETIME + 1)


def test_only_the_last_requests_are_remembered_but_all_that_are_in_hand(responder):
    [call] = responder.receive(post(0), 0.0)
    for message_id in range(1, 20):
        carried_out(responder, post(message_id))
    assert responder.receive(post(0), 0.0) == []
    assert responder.receive(post(19), 0.0) != []
    [again] = responder.receive(post(1), 0.0)
    assert isinstance(again, Call)
    assert responder.answer(call, OK, 0.0)


def test_a_non_confirmable_request(responder):
    response = carried_out(responder, post(7, kind=NON))
    assert (response.type, response.token, response.payload) == (NON, b"t", b"voucher")
    assert answered(responder.receive(post(7, kind=NON), 0.0)) == response


@pytest.mark.rule("R-16", "R-30")
def test_a_closing_answer_is_confirmed_before_the_end(responder):
    [call] = responder.receive(post(7), 0.0)
    acknowledged, datagram = responder.answer(
        call, answer_refused(Refused(Refusal.NOT_PROXIMATE)), 0.1
    )
    assert decode(acknowledged) == CoapMessage(ACK, Code.EMPTY, 7)
    assert decode(datagram).code == Code.UNAUTHORIZED
    assert not responder.finished
    assert responder.receive(post(8), 0.2) == []
    responder.receive(acknowledge(datagram), 0.2)
    assert responder.finished


@pytest.mark.rule("R-16")
def test_a_closing_answer_that_nobody_confirms(responder):
    [call] = responder.receive(post(7), 0.0)
    responder.answer(call, Answer(Code.UNAUTHORIZED, close=True), 0.0)
    while not responder.finished:
        deadline = responder.next_deadline()
        responder.expire(deadline)
    assert deadline < 25


def test_a_closing_answer_to_a_non_confirmable_request(responder):
    [call] = responder.receive(post(7, kind=NON), 0.0)
    responder.answer(call, Answer(Code.UNAUTHORIZED, close=True), 0.0)
    assert responder.finished


@pytest.mark.rule("R-12")
def test_a_get_with_the_right_etag_is_confirmed(responder):
    options = (*CRTS, (Option.ETAG, b"old"), (Option.ETAG, b"tag"))
    response = carried_out(
        responder, get(options=options), Answer(Code.CONTENT, b"x", 62, 9, b"tag")
    )
    assert (response.code, response.payload) == (Code.VALID, b"")
    assert response.options == ((Option.ETAG, b"tag"), (Option.MAX_AGE, b"\x09"))


@pytest.mark.rule("R-12")
def test_a_get_with_another_etag_is_answered(responder):
    options = (*CRTS, (Option.ETAG, b"old"))
    response = carried_out(
        responder, get(options=options), Answer(Code.CONTENT, b"x", 62, etag=b"tag")
    )
    assert (response.code, response.payload) == (Code.CONTENT, b"x")


# -- blocks ----------------------------------------------------------------------------------


def block(option, number, *, more=False, exponent=4):
    return (option, Block(number, more, exponent).encode())


@pytest.mark.rule("R-09", "E-43")
def test_the_pattern_of_est_coaps(responder):
    """POST 1:0/1/256 -> 2.31, 1:1/0/256 -> 2.04 1:1/0/256 2:0/1/256, POST 2:1/0/256 -> 2.04."""
    first = answered(
        responder.receive(post(1, (*RV, block(Option.BLOCK1, 0, more=True)), b"a" * 256), 0.0)
    )
    assert first == CoapMessage(ACK, Code.CONTINUE, 1, b"t", (block(Option.BLOCK1, 0, more=True),))
    options = (*RV, block(Option.BLOCK1, 1), block(Option.BLOCK2, 0))
    [call] = responder.receive(post(2, options, b"b" * 10), 0.0)
    assert call.request.payload == b"a" * 256 + b"b" * 10
    answer = Answer(Code.CHANGED, b"c" * 300, 281)
    second = answered(responder.answer(call, answer, 0.0))
    assert second.code == Code.CHANGED
    assert second.options == (
        (Option.CONTENT_FORMAT, b"\x01\x19"), block(Option.BLOCK2, 0, more=True),
        block(Option.BLOCK1, 1), (Option.SIZE2, b"\x01\x2c"),
    )  # fmt: skip
    third = answered(responder.receive(post(3, (*RV, block(Option.BLOCK2, 1)), b""), 0.0))
    assert third.code == Code.CHANGED
    assert second.payload + third.payload == b"c" * 300


@pytest.mark.rule("R-09")
def test_a_long_answer_to_a_get(responder):
    first = carried_out(responder, get(1), LONG)
    read = read_response_options(first.options)
    assert (read.block2, read.size2) == (Block(0, more=True, exponent=5), 1200)
    assert read.etag == etag_of(LONG.payload)
    body = first.payload
    for number in (1, 2):
        wanted = (*CRTS, block(Option.BLOCK2, number, exponent=5))
        body += answered(responder.receive(get(1 + number, wanted), 0.0)).payload
    assert body == LONG.payload


@pytest.mark.rule("R-09")
def test_a_late_block_of_a_get_is_made_afresh(responder):
    wanted = (*CRTS, block(Option.BLOCK2, 2, exponent=5))
    response = carried_out(responder, get(options=wanted), LONG)
    assert response.payload == LONG.payload[1024:]
    assert read_response_options(response.options).block2 == Block(2, more=False, exponent=5)


@pytest.mark.rule("R-09")
def test_size2_is_told_to_who_asks(responder):
    response = carried_out(
        responder, get(options=(*CRTS, (Option.SIZE2, b""))), Answer(Code.CONTENT, b"x")
    )
    assert read_response_options(response.options).size2 == 1


REFUSED = [
    pytest.param(
        post(options=(*RV, block(Option.BLOCK1, 1)), payload=b"x"),
        Code.REQUEST_ENTITY_INCOMPLETE, id="last block first", marks=pytest.mark.rule("E-43"),
    ),
    pytest.param(
        post(options=(*RV, block(Option.BLOCK1, 200)), payload=b"x"),
        Code.REQUEST_ENTITY_TOO_LARGE, id="block far away", marks=pytest.mark.rule("E-50"),
    ),
    pytest.param(
        post(options=(*RV, block(Option.BLOCK1, 0, more=True)), payload=b"x"),
        Code.BAD_REQUEST, id="short block",
    ),
    pytest.param(
        post(options=(*RV, (Option.BLOCK1, b"\x0f")), payload=b"x"),
        Code.BAD_REQUEST, id="reserved block size",
    ),
    pytest.param(
        post(options=(*RV, block(Option.BLOCK2, 1)), payload=b""),
        Code.REQUEST_ENTITY_INCOMPLETE, id="block of an answer never given",
        marks=pytest.mark.rule("E-43"),
    ),
    pytest.param(post(code=Code.PUT), Code.METHOD_NOT_ALLOWED, id="PUT"),
    pytest.param(post(code=Code.DELETE), Code.METHOD_NOT_ALLOWED, id="DELETE"),
    pytest.param(post(code=5), Code.METHOD_NOT_ALLOWED, id="FETCH"),
    pytest.param(post(code=31), Code.METHOD_NOT_ALLOWED, id="unknown method"),
    pytest.param(
        post(options=((Option.URI_PATH_ABBREV, b"\x09"),)), Code.BAD_OPTION,
        id="unknown abbreviation", marks=pytest.mark.rule("R-08"),
    ),
    pytest.param(
        post(options=((Option.URI_PATH, b"b"), *RV)), Code.BAD_OPTION,
        id="abbreviation and path", marks=pytest.mark.rule("R-08"),
    ),
    pytest.param(post(options=((9, b""),)), Code.BAD_OPTION, id="OSCORE"),
    pytest.param(post(options=((35, b"coap://x"),)), Code.PROXYING_NOT_SUPPORTED, id="Proxy-Uri"),
]  # fmt: skip


@pytest.mark.rule("R-30")
@pytest.mark.parametrize(("datagram", "code"), REFUSED)
def test_requests_refused_without_a_handler(responder, datagram, code):
    response = answered(responder.receive(datagram, 0.0))
    assert (response.type, response.code) == (ACK, code)
    assert response.payload.decode()
    assert answered(responder.receive(datagram, 1.0)) == response


def test_a_body_too_large_says_what_would_fit(responder):
    response = answered(
        responder.receive(post(options=(*RV, block(Option.BLOCK1, 200)), payload=b"x"), 0.0)
    )
    assert (Option.SIZE1, b"\x08\x00") in response.options


def test_a_body_too_large_in_one_message():
    responder = Responder(
        PEER, 1024, ResponderLimits(TransferLimits(max_body=4)), Budget(0), lambda: 1.0
    )
    response = answered(responder.receive(post(payload=b"12345"), 0.0))
    assert response.code == Code.REQUEST_ENTITY_TOO_LARGE


def test_a_block_behind_the_end_of_a_fresh_answer(responder):
    wanted = (*CRTS, block(Option.BLOCK2, 9))
    assert carried_out(responder, get(options=wanted), LONG).code == Code.BAD_REQUEST


def test_a_non_confirmable_request_with_a_bad_option_is_ignored(responder):
    assert responder.receive(post(options=((9, b""),), kind=NON), 0.0) == []


def test_too_many_requests_at_once(responder):
    calls = [responder.receive(post(number), 0.0) for number in range(4)]
    response = answered(responder.receive(post(5), 0.0))
    assert response.code == Code.SERVICE_UNAVAILABLE
    assert read_response_options(response.options).max_age == 1
    responder.answer(calls[0][0], OK, 0.0)
    assert isinstance(responder.receive(post(6), 0.0)[0], Call)


# -- not requests ----------------------------------------------------------------------------


RESET = [
    pytest.param(b"\x40\x00\x00\x07", id="ping"),
    pytest.param(b"\x40\x45\x00\x07", id="a response nobody waits for"),
    pytest.param(b"\x49\x02\x00\x07" + b"t" * 9, id="token of nine bytes"),
    pytest.param(b"\x40\x02\x00\x07\xff", id="marker without payload"),
    pytest.param(b"\x40\x02\x00\x07\xf1", id="reserved delta"),
    pytest.param(b"\x40\x02\x00\x07\x1f", id="reserved length"),
    pytest.param(b"\x40\x02\x00\x07\xb5", id="option cut off"),
    pytest.param(b"\x40\x02\x00\x07" + b"\x10" * 200, id="two hundred options"),
    pytest.param(b"\x40\x02\x00\x07\xff" + b"x" * 2000, id="longer than any record"),
    pytest.param(b"\x40\x20\x00\x07", id="reserved code class 1"),
    pytest.param(b"\x40\xe1\x00\x07", id="signalling code"),
]


@pytest.mark.rule("E-50")
@pytest.mark.parametrize("datagram", RESET)
def test_confirmable_messages_that_make_no_sense_are_reset(responder, datagram):
    assert responder.receive(datagram, 0.0) == [b"\x70\x00\x00\x07"]


@pytest.mark.rule("E-50")
@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x40",
        b"\x40\x02\x00",
        b"\x00\x02\x00\x07",
        b"\x80\x02\x00\x07",
        b"\x50\x00\x00\x07",
        b"\x60\x00\x00\x07",
        b"\x70\x00\x00\x07",
        b"\x60\x45\x00\x07",
        b"\x60\x01\x00\x07",
        b"\x70\x01\x00\x07",
        b"\x50\x45\x00\x07",
        b"\x50\x02\x00\x07\xff",
        b"\x5f\x02\x00\x07",
    ],
)
def test_other_messages_that_make_no_sense_are_ignored(responder, datagram):
    assert responder.receive(datagram, 0.0) == []
    assert responder.next_deadline() is None


@given(st.lists(st.binary(max_size=80), max_size=6))
@pytest.mark.rule("E-50")
def test_any_bytes_are_survived(datagrams):
    budget = Budget(5000)
    responder = make_responder(budget=budget)
    for datagram in datagrams:
        for effect in responder.receive(datagram, 0.0):
            if isinstance(effect, Call):
                responder.answer(effect, LONG, 0.0)
    responder.end()
    assert budget.used == 0


OPTION_NUMBERS = st.sampled_from(
    [1, 3, 4, 6, 7, 11, 12, 13, 15, 17, 23, 27, 28, 35, 60, 252, 258, 292, 65001]
)
MESSAGES = st.builds(
    lambda kind, code, mid, token, options, payload: encode(
        CoapMessage(kind, code, mid, token, in_order(options), payload)
    ),
    st.sampled_from([CON, NON]),
    st.sampled_from([1, 2, 3]),
    st.integers(0, 9),
    st.binary(max_size=8),
    st.lists(st.tuples(OPTION_NUMBERS, st.binary(max_size=3)), max_size=6),
    st.binary(max_size=40),
)


@given(st.lists(st.tuples(MESSAGES, st.booleans(), st.floats(0, 300)), max_size=12))
@pytest.mark.rule("E-50", "E-43")
def test_any_requests_are_answered_within_bounds(steps):
    """Every effect is a datagram that fits the record and decodes, or a call."""
    budget = Budget(4000)
    responder = make_responder(512, budget)
    now, calls = 0.0, []
    for datagram, answers, seconds in steps:
        now += seconds
        effects = responder.receive(datagram, now) + responder.expire(now)
        calls += [effect for effect in effects if isinstance(effect, Call)]
        if answers and calls:
            effects += responder.answer(calls.pop(), LONG, now)
        for effect in effects:
            if isinstance(effect, bytes):
                assert len(effect) <= 512
                decode(effect)
        assert len(calls) <= 4
        assert budget.used <= budget.limit
        responder.forget(now)
    responder.end()
    assert budget.used == 0
