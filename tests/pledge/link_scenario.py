"""Runs inside a namespace: the real program on one end of a link, a registrar on the other.

Prints one JSON object with what was seen; test_program.py judges it.
"""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

from sztb.discovery.coap_links import join_port_link
from sztb.discovery.responder import AnswerLimits, Asked, Responder
from sztb.transport.multicast import MulticastAnswerer, link_local_interfaces
from tests.fakes.pki import make_pki
from tests.fakes.registrar import FakeRegistrar
from tests.pledge.test_identity import write_factory

PKI = make_pki()
ROOT = Path(__file__).parents[2]
NOBODY = 9  # a port on which nothing listens


async def announce(ifindex, *ports):
    """Answer discovery on an interface with these join-ports."""
    responder = Responder(
        lambda index: [join_port_link(port) for port in ports] if index == ifindex else [],
        AnswerLimits(leisure=0.0, per_source=100),
    )
    loop = asyncio.get_running_loop()

    def answer(arrival):
        asked = Asked(arrival.host, arrival.source[1], arrival.ifindex, arrival.is_multicast)
        return responder.receive(arrival.datagram, asked, loop.time(), message_id=1, spread=0.5)

    return await MulticastAnswerer.open([("ff02::fd", ifindex)], answer)


async def pledge(folder, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pledge", *arguments, "--config", str(folder / "pledge.toml"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def set_up(folder):
    folder.mkdir()
    write_factory(folder / "factory")
    (folder / "pledge.toml").write_text(
        'factory_dir = "factory"\nstate_dir = "state"\n[discovery]\ninterfaces = ["sztb0"]\n'
    )
    return folder


async def main(folder):
    seen = {}
    link = socket.if_nametoindex("sztb1")
    registrar = FakeRegistrar(PKI)
    assert link in link_local_interfaces()
    async with registrar.serve("::") as endpoint:
        answerer = await announce(link, NOBODY, endpoint.port)
        device = set_up(folder / "device")
        timeline = folder / "timeline.json"
        seen["run"] = await pledge(
            device, "run", "--once", "--give-up-after", "30", "--timeline-json", str(timeline)
        )
        seen["timeline"] = [json.loads(line) for line in timeline.read_text().splitlines()]
        seen["peer"] = registrar.requests[0].peer.address
        seen["status"] = await pledge(device, "status", "--json")
        seen["again"] = await pledge(device, "run", "--once")
        seen["operations"] = registrar.operations
        await answerer.close()
        lonely = set_up(folder / "lonely")
        seen["lonely"] = await pledge(lonely, "run", "--once", "--give-up-after", "2")
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
