"""Simulated devices for `bench`: many in one process, with the pledge's own code, no disk.

Reads one JSON object from standard input: ``devices`` (folders with factory data), ``registrar``
(``[address]:port``), ``at_once``, ``seconds``; writes the attempts' records as JSON lines.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from pledge.bootstrap import onboard, search_for_voucher
from pledge.daemon import make_device, parse_endpoint
from pledge.environment import real_environment
from pledge.search import GiveUp, NotOnboarded
from pledge.settings import Settings
from pledge.state import MemoryStore
from sztb.daemon import logs
from sztb.daemon.journal import Journal
from sztb.discovery.offers import Endpoint, Offer, OfferSource

GIVE_UP = 60.0  # seconds per device


async def simulate(folder: Path, registrar: Endpoint, records: list[Any]) -> None:
    """Let one device onboard."""
    device = make_device(Settings(factory_dir=folder), real_environment(), Journal("pledge"))
    search = search_for_voucher(device, records.append, GiveUp(GIVE_UP, when_refused=True))
    search.offer(Offer(registrar, OfferSource.CONFIGURED))
    try:
        await onboard(device, MemoryStore(), search, records.append)
    except NotOnboarded as error:
        print(f"{folder.parent.name}: {error}", file=sys.stderr)


async def work(order: dict[str, Any]) -> list[Any]:
    """Run the devices of an order, a fixed number at a time, until time is over."""
    registrar = parse_endpoint(order["registrar"])
    waiting = [Path(folder) for folder in reversed(order["devices"])]
    records: list[Any] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + order["seconds"]

    async def one_after_another() -> None:
        while waiting and loop.time() < end:
            await simulate(waiting.pop(), registrar, records)

    async with asyncio.TaskGroup() as group:
        for _ in range(order["at_once"]):
            group.create_task(one_after_another())
    return records


def main() -> None:
    """Do what standard input says."""
    logs.configure(level="error")
    for record in asyncio.run(work(json.load(sys.stdin))):
        print(json.dumps(record))


if __name__ == "__main__":
    main()
