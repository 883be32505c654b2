"""5.03 and Max-Age: how long, with which bytes, what keeps the way open (cbrski.md 5.5)."""

import pytest

from pledge.waiting import Patience, until_answered
from sztb.codepoints.coap import Code
from sztb.errors import Unavailable
from sztb.transport.exchange import Answer
from tests.fakes.exchange import FakeExchange, FakeWorld

DONE = Answer(Code.CHANGED)


def later(max_age):
    return Answer(Code.SERVICE_UNAVAILABLE, max_age=max_age)


async def wait(*answers, patience=Patience()):  # noqa: B008
    """The answer, the world and the exchange after asking for these answers."""
    world, exchange, told = FakeWorld(), FakeExchange(list(answers)), []
    answer = await until_answered(
        lambda: exchange.request(Code.POST, ("rv",), b"pvr"),
        exchange,
        world.environment,
        lambda: told.append(world.now),
        patience,
    )
    return answer, world, exchange, told


@pytest.mark.parametrize("code", [Code.CHANGED, Code.FORBIDDEN, Code.BAD_GATEWAY])
async def test_other_answers_are_handed_back_at_once(code):
    answer, world, _, told = await wait(Answer(code))
    assert answer.code == code
    assert world.slept == told == []


@pytest.mark.rule("P-16", "P-45")
@pytest.mark.parametrize(
    ("max_age", "seconds"),
    [(5, 5), (60, 60), (61, 60), (2**32 - 1, 60), (0, 1), (None, 60)],
)
async def test_one_round_waits_at_most_sixty_seconds(max_age, seconds):
    answer, world, exchange, told = await wait(later(max_age), DONE)
    assert answer is DONE
    assert sum(world.slept) == seconds
    assert told == [0.0]
    assert len(exchange.asked) == 2


@pytest.mark.rule("P-16")
async def test_the_same_bytes_are_sent_each_time():
    _, _, exchange, _ = await wait(*[later(1)] * 5, DONE)
    assert len(exchange.asked) == 6
    assert {each.payload for each in exchange.asked} == {b"pvr"}


@pytest.mark.rule("J-30")
async def test_a_ping_every_twenty_seconds_keeps_the_proxy_awake():
    _, world, exchange, _ = await wait(later(60), DONE)
    assert world.slept == [20.0, 20.0, 20.0]
    assert exchange.pings == 2


@pytest.mark.rule("P-17")
async def test_it_holds_out_for_four_days():
    with pytest.raises(Unavailable):
        await wait(later(60))
    patience = Patience(in_all=3600.0)
    world, exchange = FakeWorld(), FakeExchange([later(60)])
    with pytest.raises(Unavailable):
        await until_answered(
            lambda: exchange.request(Code.POST, ()), exchange, world.environment, list, patience
        )
    assert world.now == 3600.0
    assert Patience().in_all == 4 * 24 * 3600
