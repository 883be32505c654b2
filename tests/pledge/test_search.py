"""Trying offers until one works: the shell around the candidate machine."""

import asyncio
import math

import pytest

from pledge.link import Rejected
from pledge.search import GiveUp, NotOnboarded, Search
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.discovery.candidates import CandidateRules, Candidates
from sztb.discovery.offers import Endpoint, Offer, OfferSource
from sztb.errors import Refusal, Refused, Unavailable
from sztb.transport.exchange import Answer
from tests.fakes.exchange import FakeWorld

RULES = CandidateRules(gap=(0.0, 0.0), stall=0.02, first_back_off=0.02, longest_back_off=0.02)
A, B, C = (Endpoint(f"fe80::{number}", 1, 3) for number in (1, 2, 3))


class Won:
    """What a successful attempt yields."""

    def __init__(self, endpoint):
        self.endpoint, self.closed = endpoint, False

    async def close(self):
        self.closed = True


class Script:
    """What happens at each endpoint: a list of outcomes, the last one for ever."""

    def __init__(self, **outcomes):
        self.outcomes = {key: list(value) for key, value in outcomes.items()}
        self.tried, self.cancelled = [], []

    async def __call__(self, endpoint, progress):
        self.tried.append(endpoint)
        outcomes = self.outcomes[endpoint.host[-1]]
        outcome = outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]
        try:
            return await outcome(endpoint, progress)
        except asyncio.CancelledError:
            self.cancelled.append(endpoint)
            raise


async def wins(endpoint, progress):
    return Won(endpoint)


async def hangs(endpoint, progress):
    await asyncio.get_running_loop().create_future()


async def waits(endpoint, progress):
    progress.waiting()
    await hangs(endpoint, progress)


async def fails(endpoint, progress):
    raise Unavailable("nobody there")


async def refuses(endpoint, progress):
    raise Refused(Refusal.NONCE)


async def rejects(endpoint, progress):
    raise Rejected(Operation.REQUEST_VOUCHER, Answer(Code.FORBIDDEN))


class Asking:
    """A discovery mechanism that offers C when asked again."""

    bytes_sent, bytes_received = 36, 24

    def __init__(self, search):
        self.search, self.log = search, []

    def tick(self, now):
        if self.log[-1:] == ["refresh"]:
            self.log.append("asked")
            self.search.offer(Offer(C, OfferSource.COAP))

    def next_deadline(self):
        return 0.0 if self.log[-1:] == ["refresh"] else math.inf

    def refresh(self, now):
        self.log.append("refresh")

    def pause(self):
        self.log.append("pause")


def make(script, *endpoints, give_up=GiveUp(after=5.0)):  # noqa: B008
    loop = asyncio.get_running_loop()
    environment = FakeWorld().environment
    environment = type(environment)(
        **{name: getattr(environment, name) for name in environment.__slots__}
        | {"monotonic": loop.time}
    )
    search = Search(script, Candidates(lambda: 0.5, RULES), environment, give_up)
    for number, endpoint in enumerate(endpoints):
        search.offer(Offer(endpoint, OfferSource.COAP, number))
    return search


async def test_the_first_success_is_returned():
    script = Script(**{"1": [fails], "2": [wins]})
    won = await make(script, A, B).find()
    assert won.endpoint == B
    assert script.tried == [A, B]


@pytest.mark.rule("P-51")
async def test_the_others_end_when_one_succeeds():
    script = Script(**{"1": [hangs], "2": [wins]})
    won = await make(script, A, B).find()
    assert won.endpoint == B
    assert script.cancelled == [A]


@pytest.mark.rule("P-05")
async def test_who_does_not_move_is_dropped_for_the_next():
    script = Script(**{"1": [hangs], "2": [hangs], "3": [wins]})
    won = await make(script, A, B, C).find()
    assert won.endpoint == C
    assert script.cancelled[0] == A
    assert set(script.cancelled) == {A, B}


async def test_who_waits_for_a_decision_does_not_hold_up_the_others():
    script = Script(**{"1": [waits], "2": [waits], "3": [wins]})
    won = await make(script, A, B, C).find()
    assert won.endpoint == C
    assert script.tried == [A, B, C]


@pytest.mark.rule("P-49", "D-08")
async def test_when_all_failed_discovery_is_asked_again():
    script = Script(**{"1": [fails], "3": [wins]})
    search = make(script, A)
    asking = Asking(search)
    search.use(asking)
    won = await search.find()
    assert won.endpoint == C
    assert asking.log[0] == "refresh"
    assert asking.log[-1] == "pause"
    assert (search.bytes_sent, search.bytes_received) == (36, 24)


async def test_the_search_goes_on_after_a_success_that_led_nowhere():
    script = Script(**{"1": [wins], "2": [wins]})
    search = make(script, A, B)
    first = await search.find()
    search.failed(first.endpoint, Unavailable("no certificate"))
    second = await search.find()
    assert {first.endpoint, second.endpoint} == {A, B}


async def test_a_second_success_at_the_same_moment_is_closed():
    gate, won = asyncio.Event(), []

    async def together(endpoint, progress):
        await gate.wait()
        won.append(Won(endpoint))
        return won[-1]

    search = make(Script(**{"1": [together], "2": [together]}), A, B)
    task = asyncio.ensure_future(search.find())
    while len(search._running) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    gate.set()
    found = await task
    assert [each.closed for each in won if each is not found] == [True]
    assert not found.closed


async def test_gone_interfaces_end_their_attempts():
    script = Script(**{"1": [hangs]})
    search = make(script, A, give_up=GiveUp(after=0.1))
    task = asyncio.ensure_future(search.find())
    while not script.tried:  # noqa: ASYNC110
        await asyncio.sleep(0)
    search.interfaces(())
    with pytest.raises(NotOnboarded):
        await task
    assert script.cancelled == [A]


@pytest.mark.parametrize(
    ("outcomes", "give_up", "refused"),
    [
        pytest.param([rejects], GiveUp(5.0, when_refused=True), True, id="rejected"),
        pytest.param([refuses], GiveUp(5.0, when_refused=True), True, id="bad voucher"),
        pytest.param([fails], GiveUp(0.1, when_refused=True), False, id="nobody there"),
        pytest.param([rejects], GiveUp(0.1), False, id="goes on when refused"),
        pytest.param([refuses], GiveUp(0.1, when_refused=True, collect=9.0), False, id="collects"),
    ],
)
async def test_giving_up(outcomes, give_up, refused):
    script = Script(**{"1": outcomes})
    with pytest.raises(NotOnboarded) as caught:
        await make(script, A, give_up=give_up).find()
    assert caught.value.refused is refused


async def test_one_that_may_still_work_keeps_the_search_going():
    script = Script(**{"1": [rejects], "2": [fails, wins]})
    won = await make(script, A, B, give_up=GiveUp(5.0, when_refused=True)).find()
    assert won.endpoint == B


async def test_nothing_known_at_all():
    with pytest.raises(NotOnboarded, match="no registrar found"):
        await make(Script(), give_up=GiveUp(0.05, when_refused=True)).find()


async def test_a_bug_in_an_attempt_is_not_hidden():
    async def broken(endpoint, progress):
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await make(Script(**{"1": [broken]}), A).find()
    assert caught.group_contains(ZeroDivisionError)


async def test_progress_is_passed_on():
    async def moves(endpoint, progress):
        for _ in range(5):
            await asyncio.sleep(0.01)
            progress.moved()
        return Won(endpoint)

    script = Script(**{"1": [moves], "2": [moves], "3": [wins]})
    won = await make(script, A, B, C).find()
    assert won.endpoint in {A, B}
    assert script.tried == [A, B]
