"""Runs in a namespace with one link: the registrar answers discovery like a join proxy (R-39)."""

import asyncio
import json
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from registrar.announce import Announcer
from sztb.codepoints.links import QUERY_JOIN_PROXY
from sztb.discovery.coap_links import join_ports, make_query, parse_answer
from sztb.transport.multicast import Arrival, MulticastQuerier

PORT = 5684


async def main() -> dict[str, object]:
    seen: dict[str, object] = {}
    answers: asyncio.Queue[Arrival] = asyncio.Queue()
    querier = MulticastQuerier(answers.put_nowait)
    querier_on = socket.if_nametoindex("sztb1")

    async def asked(token: bytes, seconds: float = 5.0) -> list[int]:
        query = make_query(QUERY_JOIN_PROXY, message_id=token[0], token=token)
        querier.ask(querier_on, query)
        try:
            async with asyncio.timeout(seconds):
                arrival = await answers.get()
        except TimeoutError:
            return []
        seen["source"] = arrival.host
        return list(join_ports(parse_answer(arrival.datagram).links))

    async with Announcer(["sztb0", "not-there"], PORT) as announcer:
        seen["serving"] = announcer.serving
        seen["ports"] = await asked(b"\x01aaa")
        announcer.look_at_interfaces()
        seen["still"] = announcer.serving
        gone = await asyncio.create_subprocess_exec("ip", "link", "set", "sztb0", "name", "sztb9")
        await gone.wait()
        announcer.look_at_interfaces()
        seen["after_it_went"] = announcer.serving
        seen["silent"] = await asked(b"\x02bbb", 1.2)
    querier.close()
    return seen


print(json.dumps(asyncio.run(main())))
