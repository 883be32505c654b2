"""Request bodies coming in and answers going out in blocks, and the bounds on both."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sztb.codepoints.coap import EXCHANGE_LIFETIME, Code
from sztb.encoding.coap_options import Block
from sztb.errors import Malformed, Refusal, Refused, Unavailable
from sztb.transport.coap.downloads import Downloads, cut
from sztb.transport.coap.limits import Budget, TransferLimits, largest_exponent
from sztb.transport.coap.uploads import Uploads
from sztb.transport.exchange import Answer

KEY = ((11, b"rv"),)
OTHER = ((11, b"vs"),)
THIRD = ((11, b"es"),)
BODY = bytes(range(256)) * 3


def blocks(body, exponent):
    size = 16 << exponent
    last = (len(body) - 1) // size
    for number in range(last + 1):
        part = body[number * size : (number + 1) * size]
        yield Block(number, number < last, exponent), part


def add_all(uploads, body, exponent):
    return [uploads.add(KEY, block, part, None, 0.0) for block, part in blocks(body, exponent)]


@pytest.fixture
def budget():
    return Budget(100_000)


@pytest.fixture
def uploads(budget):
    return Uploads(TransferLimits(max_body=2048), budget)


@pytest.fixture
def downloads(budget):
    return Downloads(1024, TransferLimits(), budget)


def first_block(uploads, key=KEY, now=0.0):
    return uploads.add(key, Block(0, more=True, exponent=4), b"x" * 256, None, now)


@pytest.mark.rule("R-09", "E-43")
@pytest.mark.parametrize("exponent", [0, 4, 6])
def test_a_body_is_joined(uploads, budget, exponent):
    *before, last = add_all(uploads, BODY, exponent)
    assert before == [None] * len(before)
    assert last == BODY
    assert budget.used == 0


@pytest.mark.rule("R-09")
def test_the_client_may_go_on_with_smaller_blocks(uploads):
    assert first_block(uploads) is None
    assert (
        uploads.add(KEY, Block(4, more=False, exponent=2), b"yz", None, 0.0) == b"x" * 256 + b"yz"
    )


@pytest.mark.rule("R-09")
def test_a_new_first_block_starts_again(uploads):
    first_block(uploads)
    first_block(uploads)
    assert uploads.add(KEY, Block(1, more=False, exponent=4), b"y", None, 0.0) == b"x" * 256 + b"y"


@pytest.mark.rule("E-43")
@pytest.mark.parametrize(
    ("block", "payload"),
    [
        (Block(2, more=True, exponent=4), b"x" * 256),
        (Block(2, more=False, exponent=4), b"x"),
        (Block(1, more=False, exponent=3), b"x"),
    ],
    ids=["skips one", "ends too late", "overlaps"],
)
def test_blocks_out_of_order(uploads, budget, block, payload):
    first_block(uploads)
    with pytest.raises(Refused) as caught:
        uploads.add(KEY, block, payload, None, 0.0)
    assert caught.value.refusal is Refusal.BLOCK_MISSING
    assert budget.used == 0


@pytest.mark.rule("E-43")
def test_a_last_block_without_the_others(uploads):
    with pytest.raises(Refused) as caught:
        uploads.add(KEY, Block(1, more=False, exponent=4), b"x", None, 0.0)
    assert caught.value.refusal is Refusal.BLOCK_MISSING


@pytest.mark.parametrize(
    ("block", "payload"),
    [
        (Block(0, more=True, exponent=4), b"x" * 255),
        (Block(0, more=True, exponent=0), b"x" * 17),
        (Block(0, more=False, exponent=0), b"x" * 17),
        (Block(0, more=True, exponent=4), b""),
    ],
)
def test_blocks_of_a_wrong_size(uploads, block, payload):
    with pytest.raises(Malformed):
        uploads.add(KEY, block, payload, None, 0.0)


@pytest.mark.rule("E-50")
def test_a_body_that_grows_too_large(uploads, budget):
    with pytest.raises(Refused) as caught:
        add_all(uploads, b"x" * 4096, 6)
    assert caught.value.refusal is Refusal.TOO_LARGE
    assert budget.used == 0


@pytest.mark.rule("E-50")
def test_a_body_announced_as_too_large(uploads):
    with pytest.raises(Refused) as caught:
        uploads.add(KEY, Block(0, more=True, exponent=0), b"x" * 16, 2049, 0.0)
    assert caught.value.refusal is Refusal.TOO_LARGE


@pytest.mark.rule("E-43")
def test_few_unfinished_bodies_per_association(uploads):
    for key in (KEY, OTHER, THIRD):
        first_block(uploads, key)
    end = Block(1, more=False, exponent=4)
    assert uploads.add(THIRD, end, b"y", None, 0.0) == b"x" * 256 + b"y"
    assert uploads.add(OTHER, end, b"y", None, 0.0) == b"x" * 256 + b"y"
    with pytest.raises(Refused):
        uploads.add(KEY, end, b"y", None, 0.0)


@pytest.mark.rule("E-43")
def test_few_bytes_in_all():
    budget = Budget(1000)
    associations = [Uploads(TransferLimits(), budget) for _ in range(3)]
    first_block(associations[0])
    with pytest.raises(Unavailable):
        first_block(associations[1])
    with pytest.raises(Unavailable):
        add_all(associations[0], b"x" * 1024, 4)
    assert budget.used == 0
    first_block(associations[2])


@pytest.mark.rule("E-43")
def test_no_room_to_begin():
    with pytest.raises(Unavailable):
        first_block(Uploads(TransferLimits(), Budget(100)))


@pytest.mark.rule("E-43")
def test_a_body_that_nobody_continues(uploads, budget):
    first_block(uploads, now=0.0)
    uploads.expire(EXCHANGE_LIFETIME)
    assert budget.used
    uploads.expire(EXCHANGE_LIFETIME + 1)
    assert not budget.used


def test_the_end_of_an_association_frees_its_bodies(uploads, budget):
    first_block(uploads)
    first_block(uploads, OTHER)
    uploads.clear()
    assert not budget.used


@given(
    st.lists(
        st.tuples(
            st.sampled_from([KEY, OTHER, THIRD]),
            st.builds(Block, st.integers(0, 5), st.booleans(), st.integers(0, 3)),
            st.binary(max_size=130),
            st.none() | st.integers(0, 5000),
        )
    )
)
@pytest.mark.rule("E-50")
def test_whatever_comes_the_budget_is_kept(steps):
    budget = Budget(900)
    uploads = Uploads(TransferLimits(max_body=512), budget)
    for key, block, payload, size1 in steps:
        with suppress(Refused, Malformed, Unavailable):
            uploads.add(key, block, payload, size1, 0.0)
        assert 0 <= budget.used <= budget.limit
    uploads.clear()
    assert budget.used == 0


# -- answers ---------------------------------------------------------------------------------


@pytest.mark.rule("R-09")
@pytest.mark.parametrize(
    ("record", "size"), [(1024, 512), (995, 512), (512, 256), (1400, 1024), (16384, 1024), (64, 16)]
)
def test_blocks_fit_the_record(record, size):
    assert 16 << largest_exponent(record - 80) == size


def test_an_answer_that_fits_is_not_cut(downloads, budget):
    answer = Answer(Code.CHANGED, b"x" * 900)
    assert downloads.first(KEY, answer, None, 0.0) == (answer, None)
    assert not budget.used


@pytest.mark.rule("R-09", "R-12")
def test_a_long_answer_is_cut_and_named(downloads):
    answer = Answer(Code.CONTENT, BODY * 2, 281)
    part, block = downloads.first(KEY, answer, None, 0.0)
    body = bytearray(part.payload)
    assert part.etag is not None
    while block.more:
        wanted = Block(block.number + 1, more=False, exponent=block.exponent)
        next_part, block = downloads.other(KEY, wanted, 0.0)
        assert (next_part.etag, next_part.content_format) == (part.etag, 281)
        body += next_part.payload
    assert body == BODY * 2


def test_the_client_wants_small_blocks(downloads):
    answer = Answer(Code.CONTENT, BODY)
    part, block = downloads.first(KEY, answer, Block(0, more=False, exponent=1), 0.0)
    assert (part.payload, block) == (BODY[:32], Block(0, more=True, exponent=1))
    part, block = downloads.other(KEY, Block(23, more=False, exponent=1), 0.0)
    assert (part.payload, block) == (BODY[-32:], Block(23, more=False, exponent=1))


def test_the_client_wants_larger_blocks_than_fit(downloads):
    part, block = downloads.first(KEY, Answer(Code.CONTENT, BODY * 2), Block(0, False, 6), 0.0)
    assert (len(part.payload), block) == (512, Block(0, more=True, exponent=5))


def test_a_block_behind_the_end(downloads):
    with pytest.raises(Malformed):
        downloads.first(KEY, Answer(Code.CONTENT, BODY), Block(3, more=False, exponent=4), 0.0)


def test_a_block_of_an_answer_that_is_not_kept(downloads):
    assert downloads.other(KEY, Block(1, more=False, exponent=4), 0.0) is None


@pytest.mark.rule("E-43")
def test_an_answer_is_kept_for_the_lifetime_of_an_exchange(downloads, budget):
    downloads.first(KEY, Answer(Code.CHANGED, BODY * 2), None, 0.0)
    wanted = Block(1, more=False, exponent=5)
    downloads.expire(EXCHANGE_LIFETIME)
    assert downloads.other(KEY, wanted, EXCHANGE_LIFETIME) is not None
    downloads.expire(2 * EXCHANGE_LIFETIME)
    assert downloads.other(KEY, wanted, 2 * EXCHANGE_LIFETIME) is not None
    downloads.expire(3 * EXCHANGE_LIFETIME + 1)
    assert downloads.other(KEY, wanted, 0.0) is None
    assert not budget.used


@pytest.mark.rule("E-43")
def test_few_answers_are_kept(downloads):
    for key in (KEY, OTHER, THIRD):
        downloads.first(key, Answer(Code.CHANGED, BODY * 2), None, 0.0)
    wanted = Block(1, more=False, exponent=5)
    found = [downloads.other(key, wanted, 0.0) is not None for key in (KEY, OTHER, THIRD)]
    assert found == [False, True, True]


def test_without_room_answers_are_not_kept():
    budget = Budget(1000)
    downloads = Downloads(1024, TransferLimits(), budget)
    downloads.first(KEY, Answer(Code.CHANGED, BODY * 2), None, 0.0)
    assert downloads.other(KEY, Block(1, more=False, exponent=5), 0.0) is None
    assert budget.used == 0


def test_the_end_of_an_association_frees_its_answers(downloads, budget):
    downloads.first(KEY, Answer(Code.CHANGED, BODY * 2), None, 0.0)
    downloads.clear()
    assert budget.used == 0


@given(st.binary(max_size=300), st.integers(0, 40), st.integers(0, 6), st.integers(0, 6))
def test_any_cut_is_a_piece_of_the_body(body, number, wanted, ours):
    try:
        part, block = cut(body, Block(number, more=False, exponent=wanted), ours)
    except Malformed:
        assert number << wanted + 4 >= len(body)
    else:
        assert body[block.start : block.start + block.size] == part
        assert block.more == (block.start + block.size < len(body))
        assert block.exponent == min(wanted, ours)
