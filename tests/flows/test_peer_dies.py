"""A peer that dies in the middle of every step: the path, the registrar, the device itself."""

import asyncio
import json
import signal

import pytest

from pledge import link
from pledge.enroll import reenroll
from pledge.link import ProvenLink
from pledge.state import DirectoryStore
from sztb.codepoints.resources import Operation
from sztb.errors import SztbError
from sztb.transport.coap import reliability
from sztb.transport.tls import session

from .pledges import QUIET, SimulatedPledge, registrar_of, serial_numbers
from .relay import Dies, Path, relay

MOST = 64  # datagrams of one onboarding, at most
LEAST = 20  # deaths that must hit: there may be more datagrams when some are sent twice
AT_ONCE = 8
REFUSED = 4  # exit code of a pledge


@pytest.fixture(scope="module")
def world(make_world, nursery):
    """A site whose servers run; a device for each datagram of each test."""
    made = make_world(*serial_numbers(3 * MOST), name="dies")
    nursery.serve_world(made)
    yield made
    assert made.stop() == {"registrar": 0, "masa": 0}


@pytest.fixture
def impatient(monkeypatch):
    """Devices of this process give up in two seconds instead of ninety."""
    monkeypatch.setattr(reliability, "ACK_TIMEOUT", 0.05)
    monkeypatch.setattr(session, "FIRST_RETRANSMISSION", 0.1)
    monkeypatch.setattr(link, "REQUEST_TIMEOUT", 2.0)


def device(world, test, nth):
    """The factory data of the device that belongs to the n-th datagram of a test."""
    return world.device(f"SN-{test * MOST + nth:03}") / "factory"


async def datagrams(world, test):
    """How many datagrams an onboarding takes."""
    counted = Path()
    async with relay(registrar_of(world), counted) as way:
        await SimulatedPledge(device(world, test, MOST)).onboard(way.endpoint)
    assert LEAST < counted.count < MOST
    return counted.count


async def renew(pledge, endpoint):
    """Let an onboarded device renew: the registrar holds nothing against it."""
    held = pledge.credentials[-1]
    environment = pledge.device.environment
    proven = await ProvenLink.connect(endpoint, held.tls, held.anchors, environment)
    await reenroll(proven, pledge.device, held, Operation.SIMPLEREENROLL, QUIET)
    await proven.close()


async def fails(pledge, endpoint):
    """Make an attempt; True when it failed. The last datagrams only say goodbye."""
    try:
        await pledge.onboard(endpoint)
    except SztbError:
        return True
    return False


@pytest.mark.usefixtures("impatient")
async def test_the_path_dies(world):
    """Silence from the n-th datagram on; the next attempt, by another way, succeeds at once."""
    count, registrar = await datagrams(world, 0), registrar_of(world)
    turns, failed = asyncio.Semaphore(2 * AT_ONCE), []

    async def one(nth):
        async with turns:
            pledge = SimulatedPledge(device(world, 0, nth), handshake_seconds=1.0)
            async with relay(registrar, Dies(nth)) as way:
                failed.append(await fails(pledge, way.endpoint))
            if not pledge.credentials:
                await pledge.onboard(registrar)
            await renew(pledge, registrar)

    async with asyncio.TaskGroup() as group:
        for nth in range(1, count + 1):
            group.create_task(one(nth))
    assert sum(failed) >= LEAST


@pytest.mark.usefixtures("impatient")
async def test_the_registrar_dies(world, nursery):
    """kill -9 at the n-th datagram; it starts again, and the device gets in."""
    count, registrar, failed = await datagrams(world, 1), registrar_of(world), []
    for nth in range(1, count + 1):
        pledge = SimulatedPledge(device(world, 1, nth), handshake_seconds=1.0)
        async with relay(registrar, Path()) as way:

            def kill(way=way):
                world.daemons["registrar"].signal(signal.SIGKILL)
                way.close()

            way.path = Dies(nth, kill)
            failed.append(await fails(pledge, way.endpoint))
            if not way.path.dead:
                break
        assert world.daemons["registrar"].wait() == -signal.SIGKILL
        nursery.serve_world(world, "registrar")
        if not pledge.credentials:
            await pledge.onboard(registrar)
        await renew(pledge, registrar)
    assert sum(failed) >= LEAST


class Run:
    """One run of sztb-pledge as a process."""

    def __init__(self, world, nursery, nth, endpoint):
        place = world.device(f"SN-{2 * MOST + nth:03}")
        self.state, self.log = place / "state", place / "log"
        self.program = nursery.start(
            "pledge", "run", "--once", "--give-up-after", "60",
            "--config", str(place / "pledge.toml"), "--registrar", endpoint.text, log=self.log,
        )  # fmt: skip

    def kill(self):
        self.program.signal(signal.SIGKILL)

    def is_too_early(self):
        """The MASA has not answered the request of the earlier run yet (RFC 8995 5.6)."""
        return "outstanding" in self.log.read_text().splitlines()[-1]

    async def end(self):
        return await asyncio.to_thread(self.program.wait, 60)


async def test_the_device_dies(world, nursery):
    """kill -9 at the n-th datagram; the next run finds a state it can go on from."""
    count, registrar = await datagrams(world, 2), registrar_of(world)
    turns, ends = asyncio.Semaphore(AT_ONCE), []

    async def one(nth):
        async with turns, relay(registrar, Path()) as way:
            first = Run(world, nursery, nth, way.endpoint)
            way.path = Dies(nth, first.kill)
            ends.append(await first.end())
            second = Run(world, nursery, nth, registrar)
            while (code := await second.end()) == REFUSED and second.is_too_early():
                second = Run(world, nursery, nth, registrar)
            assert code == 0, second.log.read_text()
            check_state(second.state)

    async with asyncio.TaskGroup() as group:
        for nth in range(1, count + 1):
            group.create_task(one(nth))
    assert ends.count(-signal.SIGKILL) >= LEAST


def check_state(folder):
    """One credential, in force, and nothing of an earlier run."""
    [kept] = (folder / "credentials").iterdir()
    store = DirectoryStore.look(folder)
    assert store.credential_folder == kept
    assert store.credential().certificate.public_key() == store.credential().key.public_key
    assert {each.name for each in folder.iterdir()} <= {
        "state.json", "lock", "credentials", "current",
    }  # fmt: skip
    assert json.loads((folder / "state.json").read_text())["credential"] == kept.name
