"""The real surroundings of a device: DTLS sockets, the system's clocks and randomness."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from sztb.daemon import clock
from sztb.discovery.offers import Endpoint
from sztb.transport.tls.config import ClientTls, TlsIdentity

from .interfaces import Connect, Environment, Exchange


def real_environment(
    *,
    trusted_clock: bool = False,
    max_fragment_length: Literal[512, 1024] = 1024,
    handshake_seconds: float = 60.0,
) -> Environment:
    """Surroundings with sockets and the system's clocks.

    Args:
        trusted_clock: dates are checked by the wall clock (P-42).
        max_fragment_length: bytes of plaintext per record, asked of the registrar (P-08).
        handshake_seconds: time limit of a handshake.
    """
    never: Callable[[], datetime | None] = lambda: None  # noqa: E731
    return Environment(
        connect=_connect_by(max_fragment_length, handshake_seconds),
        trusted_now=clock.utc_now if trusted_clock else never,
        wall_clock=clock.utc_now,
        monotonic=clock.monotonic,
        sleep=asyncio.sleep,
        random_bytes=clock.random_bytes,
        random=lambda: clock.random_uniform(0.0, 1.0),
    )


def _connect_by(max_fragment_length: Literal[512, 1024], seconds: float) -> Connect:
    async def connect(endpoint: Endpoint, identity: TlsIdentity) -> Exchange:
        # The engine is loaded when the first proxy is known: discovery need not wait for it.
        from sztb.transport.coaps_client import CoapsClient  # noqa: PLC0415

        tls = ClientTls(identity, max_fragment_length=max_fragment_length)  # P-08, P-09: no SNI
        return await CoapsClient.connect(endpoint.address, tls, timeout=seconds)

    return connect
