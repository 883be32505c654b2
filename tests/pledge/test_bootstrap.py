"""The whole story against a registrar behind real DTLS and CoAP on loopback."""

import pytest

from pledge.bootstrap import onboard, prove
from pledge.search import GiveUp, Search
from pledge.state import MemoryStore
from pledge.timeline import Timeline
from sztb.discovery.candidates import CandidateRules, Candidates
from sztb.discovery.offers import Offer, OfferSource
from tests.fakes.registrar import FakeRegistrar

FAST = CandidateRules(gap=(0.0, 0.0), stall=0.5, first_back_off=0.05, longest_back_off=0.1)
ONCE = GiveUp(after=20.0, when_refused=True)


def search_for(device, *endpoints, record, give_up=ONCE):
    async def attempt(endpoint, progress):
        timeline = Timeline(device.environment.monotonic)
        return await prove(device, endpoint, progress, record, timeline)

    search = Search(attempt, Candidates(lambda: 0.5, FAST), device.environment, give_up)
    for endpoint in endpoints:
        search.offer(Offer(endpoint, OfferSource.COAP))
    return search


async def run(device, *endpoints, store=None, give_up=ONCE):
    """Onboard over these endpoints; returns the store and the records of the attempts."""
    records = []
    store = store or MemoryStore()
    search = search_for(device, *endpoints, record=records.append, give_up=give_up)
    await onboard(device, store, search, records.append)
    return store, records


@pytest.mark.rule("P-10", "P-15", "P-28", "P-34", "P-35", "P-47", "P-48")
async def test_a_device_onboards(pki, device):
    registrar = FakeRegistrar(pki)
    async with registrar.serve() as endpoint:
        store, [record] = await run(device, endpoint)
    assert registrar.operations == ["rv", "vs", "sen", "es"]
    assert record["outcome"] == "onboarded"
    assert store.credential() is not None
    print(record)
