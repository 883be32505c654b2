"""Serves CoAP on whatever associations a DTLS shell hands it: timers and handlers of requests."""

import asyncio
import logging
from collections.abc import Sequence

from sztb.codepoints.coap import Code
from sztb.errors import Malformed, Refused, Unavailable
from sztb.transport.association import Address, Association
from sztb.transport.coap.limits import Budget, ResponderLimits
from sztb.transport.coap.randomness import random_factor
from sztb.transport.coap.responder import Call, Effect, Responder
from sztb.transport.exchange import Answer, Handler, Peer, answer_refused

_log = logging.getLogger(__name__)
_SWEEP = 30.0  # seconds between looks for what nobody needs any more
_FAILURE = Answer(Code.INTERNAL_SERVER_ERROR, b"internal error")


class _Connection:
    __slots__ = ("association", "responder", "timer")

    def __init__(self, association: Association, responder: Responder) -> None:
        self.association = association
        self.responder = responder
        self.timer: asyncio.TimerHandle | None = None


class CoapService:
    """Answers the requests of all associations with one handler.

    It is an `AssociationHandler`; the DTLS or JPY endpoint below calls it.

    Attributes:
        own_chain: the certificates that new associations are shown.
    """

    def __init__(
        self,
        handler: Handler,
        own_chain: tuple[bytes, ...],
        limits: ResponderLimits | None = None,
        transfer_bytes: int = 8 << 20,
        max_calls: int = 4096,
    ) -> None:
        """Serve from the running loop.

        Args:
            handler: answers requests; what it raises of `sztb.errors` becomes the answer.
            own_chain: the certificates the server presents.
            limits: bounds for each association.
            transfer_bytes: bound for unfinished block-wise transfers of all associations.
            max_calls: requests in hand of all associations; more are answered 5.03.
        """
        self._handler = handler
        self.own_chain = own_chain
        self._limits = limits or ResponderLimits()
        self._budget = Budget(transfer_bytes)
        self._connections: dict[Association, _Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._max_calls = max_calls
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    def established(self, association: Association) -> None:
        """Serve a new association."""
        peer = Peer(
            address=format_address(association.peer_address),
            chain=association.peer_chain,
            own_chain=self.own_chain,
            session=association,
            channel_binding=association.channel_binding,
        )
        responder = Responder(
            peer, association.max_payload, self._limits, self._budget, random_factor
        )
        self._connections[association] = _Connection(association, responder)

    def received(self, association: Association, data: bytes) -> None:
        """Take a datagram."""
        connection = self._connections.get(association)
        if connection is not None:
            self._perform(connection, connection.responder.receive(data, self._loop.time()))

    def closed(self, association: Association, error: Exception | None) -> None:
        """Forget an association; its handlers go on, a repeated request finds their result."""
        connection = self._connections.pop(association, None)
        if connection is None:
            return
        _log.debug("association with %s ended: %s", association.peer_address, error)
        connection.responder.end()
        if connection.timer is not None:
            connection.timer.cancel()

    async def drain(self, grace: float) -> None:
        """Refuse new requests with 5.03 and give the running ones ``grace`` seconds."""
        self._max_calls = 0
        self._sweeper.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _perform(self, connection: _Connection, effects: Sequence[Effect]) -> None:
        association = connection.association
        for effect in effects:
            if association.closed:
                return
            if isinstance(effect, bytes):
                association.send(effect)
            else:
                self._start(connection, effect)
        if connection.responder.finished:
            association.close()
        else:
            self._arm(connection)

    def _start(self, connection: _Connection, call: Call) -> None:
        if len(self._tasks) >= self._max_calls:
            self._answer(connection, call, answer_refused(Unavailable("busy, or closing")))
            return
        # Not in a TaskGroup: `_run` handles every error, and requests outlive their association.
        task = self._loop.create_task(self._run(connection, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, connection: _Connection, call: Call) -> None:
        try:
            answer = await self._handler(call.request)
        except (Refused, Malformed, Unavailable) as error:
            answer = answer_refused(error)
        except Exception:  # noqa: BLE001 - one broken request must not end the server
            _log.exception("handler of %r failed", call.request.path)
            answer = _FAILURE
        self._answer(connection, call, answer)

    def _answer(self, connection: _Connection, call: Call, answer: Answer) -> None:
        if not connection.association.closed:
            effects = connection.responder.answer(call, answer, self._loop.time())
            self._perform(connection, effects)

    def _arm(self, connection: _Connection) -> None:
        deadline = connection.responder.next_deadline()
        if deadline is None:
            return  # a timer that still runs finds nothing to do: cheaper than to cancel it
        if connection.timer is not None:
            if connection.timer.when() <= deadline:
                return
            connection.timer.cancel()
        connection.timer = self._loop.call_at(deadline, self._expire, connection)

    def _expire(self, connection: _Connection) -> None:
        connection.timer = None
        self._perform(connection, connection.responder.expire(self._loop.time()))

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in self._connections.values():
            connection.responder.forget(now)
        self._sweeper = self._loop.call_later(_SWEEP, self._sweep)


def format_address(address: Address) -> str:
    """Write a socket address as in a URI, for example ``[fe80::1%eth0]:5684``."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
