"""Asks over one association, one request at a time: the timers and the waiting of a client."""

import asyncio
from collections.abc import Sequence

from sztb.codepoints.coap import Code
from sztb.encoding.coap_options import Options
from sztb.transport.association import Association
from sztb.transport.coap.randomness import random_factor
from sztb.transport.coap.requester import Effect, Failed, Pong, Requester, Response
from sztb.transport.tls.errors import LinkFailed


class Asker:
    """A client on an association; it is the association's `AssociationHandler`."""

    def __init__(self) -> None:
        self._requester = Requester(random_factor)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[Response | Pong] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._association: Association | None = None
        self._error: LinkFailed | None = None

    async def ask(self, method: Code, options: Options, payload: bytes) -> Response:
        """Send one message, repeat it as needed, return the response to it.

        Raises:
            LinkFailed: never acknowledged, reset, or the association ended.
            Malformed: the response has options nobody understands.
        """
        outcome = await self._send(self._requester.ask(method, options, payload, self._loop.time()))
        if isinstance(outcome, Pong):
            raise LinkFailed("a Reset instead of a response")
        return outcome

    async def ping(self) -> None:
        """Wait until the peer resets a ping (RFC 7252 4.3).

        Raises:
            LinkFailed: it does not, or the association ended.
        """
        await self._send(self._requester.ping(self._loop.time()))

    def established(self, association: Association) -> None:
        """Use this association."""
        self._association = association

    def received(self, association: Association, data: bytes) -> None:
        """Take a datagram."""
        self._perform(association, self._requester.receive(data))

    def closed(self, association: Association, error: Exception | None) -> None:
        """End the request in hand."""
        del association
        self._error = error if isinstance(error, LinkFailed) else LinkFailed("the peer closed")
        self._disarm()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._error)

    async def _send(self, datagram: bytes) -> Response | Pong:
        if self._association is None or self._error is not None:
            self._requester.give_up()
            raise self._error or LinkFailed("not connected")
        self._waiter = self._loop.create_future()
        try:
            self._perform(self._association, [datagram])
            return await self._waiter
        finally:
            self._waiter = None
            self._requester.give_up()
            self._disarm()

    def _perform(self, association: Association, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if association.closed:
                return
            if isinstance(effect, bytes):
                association.send(effect)
            else:
                self._end(effect)
        self._arm(association)

    def _end(self, outcome: Response | Pong | Failed) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if isinstance(outcome, Failed):
            self._waiter.set_exception(outcome.error)
        else:
            self._waiter.set_result(outcome)

    def _arm(self, association: Association) -> None:
        self._disarm()
        deadline = self._requester.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._expire, association)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self, association: Association) -> None:
        self._perform(association, self._requester.expire(self._loop.time()))
