"""A secured connection without sockets, and surroundings on a clock that moves when asked.

exchange = FakeExchange(answers=[Answer(Code.CHANGED)])
world = FakeWorld(connections=[exchange])
world.slept            # the seconds somebody wanted to sleep; the clock has moved by them
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pledge.interfaces import Environment, Exchange
from sztb.codepoints.coap import Code
from sztb.discovery.offers import Endpoint
from sztb.transport.exchange import Answer
from sztb.transport.tls.config import TlsIdentity
from tests.fakes.pki import NOW


@dataclass
class Asked:
    """One request as the exchange got it."""

    method: Code
    path: tuple[str, ...]
    payload: bytes
    content_format: int | None
    accept: int | None
    etag: bytes | None


@dataclass
class FakeExchange(Exchange):
    """Gives prepared answers, the last one for ever; an exception among them is raised."""

    answers: list[Answer | Exception] = field(default_factory=list)
    peer_chain: tuple[bytes, ...] = (b"certificate",)
    channel_binding: bytes | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    asked: list[Asked] = field(default_factory=list)
    pings: int = 0
    ping_fails: list[Exception] = field(default_factory=list)
    closed: bool = False

    async def request(
        self,
        method: Code,
        path: Sequence[str],
        payload: bytes = b"",
        *,
        content_format: int | None = None,
        accept: int | None = None,
        etag: bytes | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109
    ) -> Answer:
        self.asked.append(Asked(method, tuple(path), payload, content_format, accept, etag))
        self.bytes_sent += len(payload)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        self.bytes_received += len(answer.payload)
        return answer

    async def ping(self) -> None:
        self.pings += 1
        if self.ping_fails:
            raise self.ping_fails.pop(0)

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeWorld:
    """Surroundings that a test moves.

    Attributes:
        connections: what connecting gives, in order; an exception is raised.
        now: monotonic seconds.
        wall: the wall clock.
        trusted: whether the device trusts it.
    """

    connections: list[Exchange | Exception] = field(default_factory=list)
    now: float = 0.0
    wall: datetime = NOW
    trusted: bool = True
    slept: list[float] = field(default_factory=list)
    connected: list[tuple[Endpoint, TlsIdentity]] = field(default_factory=list)
    drawn: int = 0

    @property
    def environment(self) -> Environment:
        return Environment(
            connect=self._connect,
            trusted_now=lambda: self.wall if self.trusted else None,
            wall_clock=lambda: self.wall,
            monotonic=lambda: self.now,
            sleep=self._sleep,
            random_bytes=self._random_bytes,
            random=random.Random(1).random,
        )

    async def _connect(self, endpoint: Endpoint, identity: TlsIdentity) -> Exchange:
        self.connected.append((endpoint, identity))
        connection = self.connections.pop(0)
        if isinstance(connection, Exception):
            raise connection
        return connection

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def _random_bytes(self, length: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(length)
