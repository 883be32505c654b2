"""The client's half as a conversation, and what a request becomes in blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import ACK_TIMEOUT, Code, Option
from sztb.encoding.coap_message import CoapMessage, MessageType, decode, encode
from sztb.encoding.coap_options import Block, read_response_options
from sztb.errors import Malformed, Misuse, Unavailable
from sztb.transport.coap.requester import Failed, Pong, Requester, Response
from sztb.transport.coap.transfer import Transfer
from sztb.transport.exchange import Answer

CON, NON, ACK, RST = MessageType
NO_OPTIONS = read_response_options(())
VOUCHER = Response(Code.CHANGED, NO_OPTIONS, b"voucher")


@pytest.fixture
def requester():
    return Requester(lambda: 1.0)


def asked(requester):
    return decode(requester.ask(Code.POST, (), b"pvr", 0.0))


def respond(request, kind=ACK, message_id=None, token=None, options=(), code=Code.CHANGED):
    message_id = request.message_id if message_id is None else message_id
    token = request.token if token is None else token
    return encode(CoapMessage(kind, code, message_id, token, options, b"voucher"))


def empty(kind, message_id):
    return encode(CoapMessage(kind, Code.EMPTY, message_id))


def test_an_answer_in_the_acknowledgement(requester):
    request = asked(requester)
    assert (request.type, request.code, request.payload) == (CON, Code.POST, b"pvr")
    assert requester.receive(respond(request)) == [VOUCHER]
    assert requester.next_deadline() is None


@pytest.mark.rule("E-44")
def test_an_answer_by_itself(requester):
    request = asked(requester)
    assert requester.receive(empty(ACK, request.message_id)) == []
    assert requester.next_deadline() is None
    effects = requester.receive(respond(request, CON, 77))
    assert effects == [empty(ACK, 77), VOUCHER]


@pytest.mark.rule("E-44")
def test_an_answer_by_itself_whose_acknowledgement_was_lost(requester):
    request = asked(requester)
    assert requester.receive(respond(request, CON, 77)) == [empty(ACK, 77), VOUCHER]
    assert requester.receive(respond(request, CON, 77)) == [empty(ACK, 77)]
    assert requester.receive(empty(ACK, request.message_id)) == []


def test_a_non_confirmable_answer(requester):
    request = asked(requester)
    assert requester.receive(respond(request, NON, 77)) == [VOUCHER]


@pytest.mark.rule("E-47")
def test_a_request_is_repeated_four_times_then_given_up(requester):
    datagram = requester.ask(Code.POST, (), b"pvr", 0.0)
    times = []
    while (deadline := requester.next_deadline()) is not None:
        assert requester.expire(deadline - 0.1) == []
        times.append(deadline)
        [effect] = requester.expire(deadline)
        assert effect == datagram or isinstance(effect, Failed)
    assert times == [2.0, 6.0, 14.0, 30.0, 62.0]
    assert isinstance(effect, Failed)
    assert requester.expire(100.0) == []


def test_a_reset_request_has_failed(requester):
    request = asked(requester)
    [effect] = requester.receive(empty(RST, request.message_id))
    assert isinstance(effect, Failed)


def test_a_ping(requester):
    ping = decode(requester.ping(0.0))
    assert ping == CoapMessage(CON, Code.EMPTY, ping.message_id)
    assert requester.next_deadline() == ACK_TIMEOUT
    assert requester.receive(empty(RST, ping.message_id + 1)) == []
    assert requester.receive(empty(RST, ping.message_id)) == [Pong()]


def test_one_request_at_a_time(requester):
    asked(requester)
    with pytest.raises(Misuse):
        asked(requester)


def test_an_answer_that_comes_too_late_is_reset(requester):
    request = asked(requester)
    requester.give_up()
    assert requester.receive(respond(request, CON, 77)) == [empty(RST, 77)]
    assert requester.receive(respond(request)) == []
    assert requester.next_deadline() is None


IGNORED = {
    "another token in an acknowledgement": {"token": b"other"},
    "another message ID": {"message_id": 0x7777},
    "a response as a reset": {"kind": RST},
}


@pytest.mark.parametrize("change", IGNORED.values(), ids=IGNORED)
def test_answers_to_something_else_are_ignored(requester, change):
    request = asked(requester)
    assert requester.receive(respond(request, **change)) == []
    assert requester.receive(respond(request)) == [VOUCHER]


RESET = {
    "a response to something else": respond(CoapMessage(CON, 2, 9), CON, 9, b"other"),
    "a ping": empty(CON, 9),
    "a request": encode(CoapMessage(CON, Code.GET, 9)),
    "a format error": b"\x4f\x45\x00\x09",
}


@pytest.mark.parametrize("datagram", RESET.values(), ids=RESET)
def test_confirmable_messages_a_client_does_not_want(requester, datagram):
    request = asked(requester)
    assert requester.receive(datagram) == [empty(RST, 9)]
    assert requester.receive(respond(request)) == [VOUCHER]


def test_a_response_with_an_unknown_critical_option(requester):
    request = asked(requester)
    rejected, failed = requester.receive(respond(request, CON, 77, options=((65001, b""),)))
    assert rejected == empty(RST, 77)
    assert isinstance(failed.error, Malformed)


@given(st.lists(st.binary(max_size=60)))
@pytest.mark.rule("E-50")
def test_any_bytes_are_survived(datagrams):
    requester = Requester(lambda: 1.0)
    asked(requester)
    for datagram in datagrams:
        for effect in requester.receive(datagram):
            assert isinstance(effect, bytes | Response | Failed)


# -- blocks ----------------------------------------------------------------------------------


OPTIONS = ((int(Option.URI_PATH_ABBREV), b"\x01\x92"),)


def transfer(payload=b"", max_payload=1024, **others):
    return Transfer(OPTIONS, payload, max_payload=max_payload, max_body=4096, **others)


def response(payload=b"", code=Code.CHANGED, etag=None, **blocks):
    options = [] if etag is None else [(int(Option.ETAG), etag)]
    if "block2" in blocks:
        options.append((int(Option.BLOCK2), blocks["block2"].encode()))
    if "block1" in blocks:
        options.append((int(Option.BLOCK1), blocks["block1"].encode()))
    return Response(code, read_response_options(tuple(options)), payload)


def blocks_of(options):
    wanted = {Option.BLOCK1: None, Option.BLOCK2: None}
    wanted |= {number: Block.decode(value) for number, value in options if number in wanted}
    return wanted[Option.BLOCK1], wanted[Option.BLOCK2]


def test_a_short_request_is_one_message():
    plan = transfer(b"x" * 900)
    assert plan.message() == (OPTIONS, b"x" * 900)
    assert plan.take(response(b"y")) == Answer(Code.CHANGED, b"y")


@pytest.mark.rule("P-38")
@pytest.mark.parametrize(("record", "size"), [(1024, 512), (512, 256)])
def test_a_request_beyond_the_record_goes_in_blocks(record, size):
    body = bytes(range(250)) * 5
    plan = transfer(body, record)
    sent = b""
    while len(sent) < len(body):
        options, part = plan.message()
        block, _none = blocks_of(options)
        assert block == Block(
            len(sent) // size, len(sent) + size < len(body), size.bit_length() - 5
        )
        assert len(encode(CoapMessage(CON, 2, 1, b"t", options, part))) <= record
        sent += part
        if block.more:
            assert plan.take(response(code=Code.CONTINUE, block1=block)) is None
    assert sent == body
    assert plan.take(response(b"done", block1=block)) == Answer(Code.CHANGED, b"done")


@pytest.mark.rule("P-38")
def test_the_server_wants_smaller_blocks():
    plan = transfer(b"a" * 512 + b"b" * 600)
    plan.message()
    assert plan.take(response(code=Code.CONTINUE, block1=Block(0, more=True, exponent=4))) is None
    options, part = plan.message()
    assert (blocks_of(options)[0], part) == (Block(2, more=True, exponent=4), b"b" * 256)


def test_a_refusal_in_the_middle_is_the_answer():
    plan = transfer(b"x" * 2000)
    plan.message()
    answer = plan.take(response(b"too large", Code.REQUEST_ENTITY_TOO_LARGE))
    assert answer == Answer(Code.REQUEST_ENTITY_TOO_LARGE, b"too large")


@pytest.mark.rule("P-38")
def test_an_answer_in_blocks():
    plan = transfer(b"pvr")
    plan.message()
    assert plan.take(response(b"a" * 64, block2=Block(0, more=True, exponent=2))) is None
    options, part = plan.message()
    assert (blocks_of(options), part) == ((None, Block(1, more=False, exponent=2)), b"")
    assert options[0] == OPTIONS[0]
    answer = plan.take(response(b"b", block2=Block(1, more=False, exponent=2)))
    assert answer == Answer(Code.CHANGED, b"a" * 64 + b"b")


@pytest.mark.rule("P-08", "P-38")
def test_a_server_that_does_not_know_our_record_size_is_told():
    plan = transfer(b"x" * 600, hint=4, max_payload=512)
    assert blocks_of(plan.message()[0]) == (Block(0, more=True, exponent=4), None)
    plan.take(response(code=Code.CONTINUE, block1=Block(0, more=True, exponent=4)))
    plan.message()
    plan.take(response(code=Code.CONTINUE, block1=Block(1, more=True, exponent=4)))
    assert blocks_of(plan.message()[0]) == (
        Block(2, more=False, exponent=4),
        Block(0, more=False, exponent=4),
    )


FIRST = response(b"a" * 64, etag=b"1", block2=Block(0, more=True, exponent=2))
BROKEN = {
    "block left out": response(b"b" * 64, etag=b"1", block2=Block(2, more=True, exponent=2)),
    "same block again": FIRST,
    "larger blocks": response(b"b" * 128, etag=b"1", block2=Block(1, more=True, exponent=3)),
    "no block": response(b"b" * 64, etag=b"1"),
    "short block": response(b"b" * 63, etag=b"1", block2=Block(1, more=True, exponent=2)),
    "2.31": response(code=Code.CONTINUE, block1=Block(0, more=True, exponent=2)),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
@pytest.mark.rule("E-43")
def test_a_server_that_breaks_the_rules_of_blocks(broken):
    plan = transfer()
    plan.message()
    assert plan.take(FIRST) is None
    plan.message()
    with pytest.raises(Malformed):
        plan.take(broken)


def test_an_answer_that_changes_while_it_is_fetched():
    plan = transfer()
    plan.take(FIRST)
    with pytest.raises(Unavailable):
        plan.take(response(b"b", etag=b"2", block2=Block(1, more=False, exponent=2)))


def test_an_error_while_it_is_fetched_is_the_answer():
    plan = transfer()
    plan.take(FIRST)
    answer = plan.take(response(b"gone", Code.REQUEST_ENTITY_INCOMPLETE))
    assert answer == Answer(Code.REQUEST_ENTITY_INCOMPLETE, b"gone")


@pytest.mark.rule("E-50")
def test_an_answer_without_end():
    plan = transfer()
    for number in range(4):
        plan.take(response(b"a" * 1024, block2=Block(number, more=True, exponent=6)))
    with pytest.raises(Malformed, match="longer"):
        plan.take(response(b"a" * 1024, block2=Block(4, more=True, exponent=6)))


@pytest.mark.parametrize(
    "odd",
    [
        response(code=Code.CONTINUE),
        response(code=Code.CONTINUE, block1=Block(1, more=True, exponent=5)),
    ],
    ids=["without block", "another block"],
)
def test_2_31_for_something_else(odd):
    plan = transfer(b"x" * 2000)
    plan.message()
    with pytest.raises(Malformed):
        plan.take(odd)


@pytest.mark.parametrize(
    ("code", "known"), [(0x9F, Code.BAD_REQUEST), (0xBF, Code.INTERNAL_SERVER_ERROR)]
)
def test_codes_nobody_knows_count_as_the_general_one(code, known):
    assert transfer().take(response(b"?", code)).code is known


def test_a_success_nobody_knows():
    with pytest.raises(Malformed):
        transfer().take(response(b"?", 0x5E))
