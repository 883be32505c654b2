"""Answering discovery on the registrar's own links as if it were a join proxy (R-39)."""

import socket
from collections.abc import Sequence
from typing import Self

import structlog

from sztb.codepoints.links import ALL_COAP_NODES_LINK_LOCAL
from sztb.daemon.clock import monotonic, random_bytes, random_uniform
from sztb.discovery.coap_links import join_port_link
from sztb.discovery.responder import Asked, DelayedAnswer, Responder
from sztb.transport.multicast import Arrival, MulticastAnswerer

log = structlog.get_logger("registrar")


class Announcer:
    """Tells devices on the chosen links at which port the registrar serves them."""

    def __init__(self, interfaces: Sequence[str], port: int) -> None:
        """Prepare.

        Args:
            interfaces: names of the links.
            port: UDP port of the CoAPS server, which listens on the link-local addresses too.
        """
        self._wanted = tuple(interfaces)
        self._joined: dict[int, str] = {}
        self._responder = Responder(
            lambda index: (join_port_link(port),) if index in self._joined else ()
        )
        self._answerer: MulticastAnswerer | None = None

    async def __aenter__(self) -> Self:
        self._answerer = await MulticastAnswerer.open((), self._asked)
        self.look_at_interfaces()
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._answerer is not None:
            await self._answerer.close()

    @property
    def serving(self) -> tuple[str, ...]:
        """Names of the links on which queries are answered now."""
        return tuple(self._joined.values())

    def look_at_interfaces(self) -> None:
        """Join the group on links that came, forget those that went."""
        there = {index: name for index, name in socket.if_nameindex() if name in self._wanted}
        for index in self._joined.keys() - there.keys():
            log.info("no longer answering discovery", interface=self._joined.pop(index))
        for index in there.keys() - self._joined.keys():
            self._join(index, there[index])

    def _join(self, index: int, name: str) -> None:
        if self._answerer is None:
            return
        try:
            self._answerer.join(ALL_COAP_NODES_LINK_LOCAL, index)
        except OSError as error:
            log.warning("cannot answer discovery", interface=name, error=error.strerror)
            return
        self._joined[index] = name
        log.info("answering discovery", interface=name)

    def _asked(self, arrival: Arrival) -> DelayedAnswer | None:
        asked = Asked(arrival.host, arrival.source[1], arrival.ifindex, arrival.is_multicast)
        return self._responder.receive(
            arrival.datagram,
            asked,
            monotonic(),
            message_id=int.from_bytes(random_bytes(2), "big"),
            spread=random_uniform(0, 1),
        )
