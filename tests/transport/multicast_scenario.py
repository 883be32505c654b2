"""Runs inside a namespace: querier on one end of a link, answerers on the other.

Prints one JSON object with what was seen; test_multicast.py judges it.
"""

import asyncio
import json
import socket
import sys

from sztb.discovery.coap_links import join_port_link, make_answer, parse_query
from sztb.errors import Unavailable
from sztb.transport.multicast import MulticastAnswerer, MulticastQuerier, link_local_interfaces

GROUP = "ff02::fd"
QUERY = bytes.fromhex("5101010151bb2e77656c6c2d6b6e6f776e04636f72654a6272736b692d6a703d2a")


class Delayed:
    def __init__(self, datagram, delay):
        self.datagram, self.delay = datagram, delay


class Answering:
    """Answers every query with one port and remembers what came in."""

    def __init__(self, port, delay=0.0):
        self.port, self.delay, self.arrivals = port, delay, []
        self.asked = asyncio.Event()

    def __call__(self, arrival):
        self.arrivals.append(arrival)
        self.asked.set()
        if len(arrival.datagram) < 10:
            return None
        message, _ = parse_query(arrival.datagram)
        answer = make_answer([join_port_link(self.port)], to=message, message_id=7)
        return Delayed(answer, self.delay)


class Answers:
    """Collects answers; `wait` returns when there are enough."""

    def __init__(self):
        self.seen, self._more = [], asyncio.Event()

    def __call__(self, arrival):
        self.seen.append(arrival)
        self._more.set()

    async def wait(self, count):
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                self._more.clear()
                await self._more.wait()


async def main():
    asking, answering = socket.if_nametoindex("sztb0"), socket.if_nametoindex("sztb1")
    seen = {"interfaces": list(link_local_interfaces()), "expected": [asking, answering]}
    await all_answers(asking, answering, seen)
    await other_links(asking, answering, seen)
    await unicast(asking, answering, seen)
    await closing(asking, answering, seen)
    await trouble(asking, answering, seen)
    print(json.dumps(seen))


async def all_answers(asking, answering, seen):
    """Two answerers on one host share the port; both answers come, matched to the link."""
    answers, first, second = Answers(), Answering(1111), Answering(2222, delay=0.05)
    one = await MulticastAnswerer.open([(GROUP, answering)], first)
    two = await MulticastAnswerer.open([(GROUP, answering)], second)
    querier = MulticastQuerier(answers)
    querier.ask(asking, QUERY)
    await answers.wait(2)
    seen["payloads"] = [each.datagram[-16:].decode() for each in answers.seen]
    seen["sources"] = sorted({each.host for each in answers.seen})
    seen["scopes"] = sorted({each.source[3] for each in answers.seen})
    seen["ports"] = sorted({each.source[1] for each in answers.seen})
    [arrival] = first.arrivals
    seen["heard"] = [arrival.ifindex == answering, arrival.destination, arrival.is_multicast]
    querier.close()
    await one.close()
    await two.close()


async def other_links(asking, answering, seen):
    """A group joined on one interface only is not heard on the other; own queries are heard."""
    heard = Answering(3333)
    answerer = await MulticastAnswerer.open([(GROUP, asking)], heard)
    answers = Answers()
    querier = MulticastQuerier(answers)
    querier.ask(asking, QUERY)  # goes to the other end, where nobody joined, and loops back
    querier.ask(answering, QUERY)  # comes in where somebody did
    await answers.wait(2)
    seen["heard_on"] = [each.ifindex == asking for each in heard.arrivals]
    seen["answers_on"] = sorted(each.ifindex for each in answers.seen)
    querier.close()
    await answerer.close()


async def unicast(asking, answering, seen):
    """A unicast query is answered from the very address that was asked."""
    heard = Answering(4444)
    answerer = await MulticastAnswerer.open([(GROUP, answering)], heard)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)
        await loop.sock_sendto(asker, QUERY, ("::1", answerer.port))
        async with asyncio.timeout(10):
            _, source = await loop.sock_recvfrom(asker, 1500)
    seen["unicast"] = [source[0], source[1], heard.arrivals[0].is_multicast]
    await answerer.close()


async def closing(asking, answering, seen):
    """An answer that waits for its delay is not sent after the close."""
    late, marker = Answering(5555, delay=0.2), Answering(6666, delay=0.4)
    closed = await MulticastAnswerer.open([(GROUP, answering)], late)
    kept = await MulticastAnswerer.open([(GROUP, answering)], marker)
    answers = Answers()
    querier = MulticastQuerier(answers)
    querier.ask(asking, QUERY)
    async with asyncio.timeout(10):
        await late.asked.wait()
    await closed.close()
    await answers.wait(1)
    seen["after_close"] = [each.datagram[-16:].decode() for each in answers.seen]
    querier.close()
    await kept.close()


async def trouble(asking, answering, seen):
    """Oversized datagrams and interfaces that are not there."""
    heard = Answering(7777)
    answerer = await MulticastAnswerer.open([(GROUP, answering)], heard)
    answers = Answers()
    querier = MulticastQuerier(answers)
    querier.ask(asking, bytes(1400))
    querier.ask(asking, QUERY)
    await answers.wait(1)
    seen["oversized"] = [len(each.datagram) for each in heard.arrivals]
    try:
        querier.ask(9999, QUERY)
    except Unavailable as error:
        seen["no_interface"] = str(error)
    seen["asked"] = querier.interfaces == (asking,)
    try:
        await MulticastAnswerer.open([(GROUP, 9999)], heard)
    except OSError as error:
        seen["no_membership"] = error.errno
    querier.close()
    await answerer.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
