"""A path that loses a fifth of the datagrams each way, doubles some, and delays others."""

import asyncio

import pytest

from pledge.bootstrap import onboard, search_for_voucher
from pledge.link import ProvisionalLink
from pledge.search import GiveUp
from pledge.state import MemoryStore
from sztb.discovery.candidates import CandidateRules
from sztb.discovery.offers import Offer, OfferSource
from sztb.transport.coap import reliability
from sztb.transport.tls import session

from .pledges import SimulatedPledge, registrar_of, serial_numbers
from .relay import Dies, Lossy, Path, relay

SEEDS = range(12)
RULES = CandidateRules(first_back_off=1.0)  # after an attempt in which too much was lost


@pytest.fixture(scope="module")
def world(make_world, nursery):
    made = make_world(*serial_numbers(2 * len(SEEDS) + 1), name="loss")
    nursery.serve_world(made)
    yield made
    assert made.stop() == {"registrar": 0, "masa": 0}


@pytest.fixture
def hasty(monkeypatch):
    """Devices of this process repeat after 0.2 seconds, so that the test is over soon."""
    monkeypatch.setattr(reliability, "ACK_TIMEOUT", 0.2)
    monkeypatch.setattr(session, "FIRST_RETRANSMISSION", 0.2)


async def onboards(world, number, path, *, one_port):
    """Let a device onboard through a bad path, as often as it takes; how often it failed."""
    failed, store = [], MemoryStore()
    device = SimulatedPledge(world.device(number) / "factory", handshake_seconds=10.0).device
    async with relay(registrar_of(world), path, one_port=one_port) as way:
        search = search_for_voucher(device, failed.append, GiveUp(60.0), rules=RULES)
        search.offer(Offer(way.endpoint, OfferSource.CONFIGURED))
        credential = await onboard(device, store, search, failed.append)
    assert store.credential() is credential
    return len(failed) - 1


@pytest.mark.rule("P-34", "P-35")
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("one_port", [False, True], ids=["own ports", "one port"])
async def test_onboarding_succeeds(world, one_port):
    """With one port, the LDevID's connection comes from where the IDevID's came from."""
    numbers = serial_numbers(2 * len(SEEDS))[one_port::2]
    paths = [Lossy(seed) for seed in SEEDS]
    failures = await asyncio.gather(*(
        onboards(world, number, path, one_port=one_port)
        for path, number in zip(paths, numbers, strict=True)
    ))  # fmt: skip
    assert sum(path.lost for path in paths) > 5 * len(paths)
    assert sum(failures) <= len(SEEDS), "most of them succeed at once"


@pytest.mark.usefixtures("hasty")
async def test_a_device_that_lost_its_power_comes_back_from_the_same_port(world):
    """The registrar still has the old association: nobody said goodbye."""
    registrar = registrar_of(world)
    pledge = SimulatedPledge(world.device(serial_numbers(2 * len(SEEDS) + 1)[-1]) / "factory")
    factory, environment = pledge.device.factory, pledge.device.environment
    async with relay(registrar, Path(), one_port=True) as way:
        link = await ProvisionalLink.connect(way.endpoint, factory.tls, environment)
        lost = asyncio.Event()
        way.path = Dies(1, lost.set)
        await link.close()
        await lost.wait()
        way.path = Path()
        await pledge.onboard(way.endpoint)
