"""What the procedures need from outside: a secured exchange, time, randomness, a place for state.

Procedures see these small shapes only; `environment` fills them with sockets and clocks, the tests
with whatever the test is about.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sztb.codepoints.coap import Code
from sztb.discovery.offers import Endpoint
from sztb.transport.exchange import Answer
from sztb.transport.tls.config import TlsIdentity


class Exchange(Protocol):
    """A secured connection that carries CoAP requests; `sztb.transport.coaps_client` has one."""

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The certificates the peer presented, DER, end entity first."""

    @property
    def channel_binding(self) -> bytes | None:
        """``tls-unique``, None where there is none."""

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes sent so far."""

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes received so far."""

    async def request(
        self,
        method: Code,
        path: Sequence[str],
        payload: bytes = b"",
        *,
        content_format: int | None = None,
        accept: int | None = None,
        etag: bytes | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109  # as CoapsClient has it
    ) -> Answer:
        """Send one request; raises `LinkFailed` or `Malformed`."""

    async def ping(self) -> None:
        """Prove that the peer is there; raises `LinkFailed`."""

    async def close(self) -> None:
        """Say goodbye."""


Connect = Callable[[Endpoint, TlsIdentity], Awaitable[Exchange]]


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that is not the same twice.

    Attributes:
        connect: opens a secured connection to an endpoint, showing an identity.
        trusted_now: the wall clock when the device may trust it, else None (P-42).
        wall_clock: the same clock, trusted or not: for people, and to time renewals.
        monotonic: seconds that only grow.
        sleep: waits for seconds.
        random_bytes: cryptographic random bytes (P-53).
        random: a number in 0..1, for jitter.
    """

    connect: Connect
    trusted_now: Callable[[], datetime | None]
    wall_clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    random_bytes: Callable[[int], bytes]
    random: Callable[[], float]
