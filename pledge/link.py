"""The two states of the connection to a registrar as two types (cbrski.md 4.4).

A `ProvisionalLink` belongs to nobody yet: it can ask for a voucher and say that it got a bad one,
nothing else. Only `resolve` with a pin makes it a `ProvenLink`, which has all operations.
"""

from typing import Self

from sztb.brski import provisional, telemetry
from sztb.brski.telemetry import VoucherStatus
from sztb.codepoints import media
from sztb.codepoints.media import Media
from sztb.codepoints.resources import Operation
from sztb.discovery.offers import Endpoint
from sztb.errors import Malformed, Refusal, Refused, SztbError
from sztb.transport.exchange import Answer
from sztb.transport.tls.config import TlsIdentity
from sztb.transport.tls.errors import LinkFailed
from sztb.voucher.pins import Pin

from .anchors import ExplicitTrustAnchors
from .interfaces import Environment, Exchange

MAX_CHAIN = 8  # certificates
MAX_CHAIN_BYTES = 16384
MAX_ANSWER = 16384  # bytes of any answer
MAX_VOUCHER = 8192
REQUEST_TIMEOUT = 90.0  # seconds; a registrar answers within 20 or says 5.03 (cbrski D27)


class Rejected(SztbError):
    """The registrar answered with an error code.

    Attributes:
        answer: as received; its text comes from an unproven peer and is only shown.
    """

    def __init__(self, operation: Operation, answer: Answer) -> None:
        self.answer = answer
        text = answer.payload[:80].decode(errors="replace")
        printable = "".join(each if each.isprintable() else "?" for each in text)
        name = operation.value.short_name
        super().__init__(f"registrar answered {answer.code.dotted} to {name}: {printable}")


class ProvisionalLink:
    """A connection to somebody who claims to be our registrar."""

    def __init__(
        self,
        exchange: Exchange,
        endpoint: Endpoint,
        identity: TlsIdentity,
        environment: Environment,
    ) -> None:
        """Use `connect`."""
        self._exchange = exchange
        self._identity = identity
        self._environment = environment
        self._earlier = (0, 0)  # bytes of connections that broke
        self.endpoint = endpoint
        self.peer_chain = _check_size(exchange.peer_chain)  # P-11: kept as a whole

    @classmethod
    async def connect(
        cls, endpoint: Endpoint, identity: TlsIdentity, environment: Environment
    ) -> Self:
        """Open the connection, showing the IDevID (P-10); the peer's identity is not checked.

        Raises:
            LinkFailed: nobody there, or the handshake failed.
            Malformed: the peer shows no or too many certificates.
        """
        exchange = await environment.connect(endpoint, identity)
        try:
            return cls(exchange, endpoint, identity, environment)
        except Malformed:
            await exchange.close()
            raise

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes sent so far, broken connections included."""
        return self._earlier[0] + self._exchange.bytes_sent

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes received so far, broken connections included."""
        return self._earlier[1] + self._exchange.bytes_received

    async def request_voucher(self, pvr: bytes) -> Answer:
        """POST /rv: send the pledge voucher-request in format 836 (P-15).

        Raises:
            LinkFailed: the connection broke.
            Malformed: the answer is larger than a voucher can be.
        """
        answer = await _post(
            self._exchange, Operation.REQUEST_VOUCHER, pvr, media.VOUCHER_COSE, media.VOUCHER_COSE
        )
        if len(answer.payload) > MAX_VOUCHER:
            raise Malformed(f"voucher of {len(answer.payload)} bytes")
        return answer

    async def ping(self) -> None:
        """Keep the connection's way through the join proxy open (J-30)."""
        await self._exchange.ping()

    async def reopen(self) -> None:
        """Connect again after the connection broke; both sides must be the same (P-44).

        Raises:
            LinkFailed: nobody there.
            Refused: CERTIFICATE_PATH, another certificate than before is shown.
        """
        await self._exchange.close()
        earlier = (self.bytes_sent, self.bytes_received)
        self._exchange = await self._environment.connect(self.endpoint, self._identity)
        self._earlier = earlier
        if self._exchange.peer_chain != self.peer_chain:
            raise Refused(Refusal.CERTIFICATE_PATH, "another registrar than before")

    async def report_refused_voucher(self, status: VoucherStatus) -> None:
        """POST /vs with status false before the connection is given up (P-27); best effort."""
        try:
            await _report(self._exchange, Operation.VOUCHER_STATUS, telemetry.encode_cbor(status))
        except (LinkFailed, Malformed):
            return  # the peer is unproven and need not listen

    def resolve(self, pin: Pin) -> "ProvenLink":
        """End the provisional state: the pin is the only anchor for the kept chain (P-25, P-26).

        Raises:
            Refused: PIN_MISMATCH, CERTIFICATE_PURPOSE, CERTIFICATE_DATES or CERTIFICATE_PATH.
        """
        provisional.resolve(self.peer_chain, pin, self._environment.trusted_now())
        return ProvenLink(self._exchange, self.endpoint)

    async def close(self) -> None:
        """Discard the connection."""
        await self._exchange.close()


class ProvenLink:
    """A connection to our registrar."""

    def __init__(self, exchange: Exchange, endpoint: Endpoint) -> None:
        """Use `ProvisionalLink.resolve` or `connect`."""
        self._exchange = exchange
        self.endpoint = endpoint

    @classmethod
    async def connect(
        cls,
        endpoint: Endpoint,
        identity: TlsIdentity,
        anchors: ExplicitTrustAnchors,
        environment: Environment,
    ) -> Self:
        """Open a new connection; the registrar must chain to the domain's anchors (P-54, E-14).

        Raises:
            LinkFailed: nobody there, or the handshake failed.
            Refused: the registrar is not one of this domain.
        """
        exchange = await environment.connect(endpoint, identity)
        link = cls(exchange, endpoint)
        try:
            link.check_registrar(anchors, environment)
        except (Refused, Malformed):
            await exchange.close()
            raise
        return link

    @property
    def bytes_sent(self) -> int:
        """UDP payload bytes sent so far."""
        return self._exchange.bytes_sent

    @property
    def bytes_received(self) -> int:
        """UDP payload bytes received so far."""
        return self._exchange.bytes_received

    @property
    def channel_binding(self) -> bytes | None:
        """``tls-unique`` of the connection (E-23)."""
        return self._exchange.channel_binding

    def check_registrar(self, anchors: ExplicitTrustAnchors, environment: Environment) -> None:
        """Check the presented chain against the domain's anchors, cmcRA included.

        Raises:
            Refused: CERTIFICATE_PATH, CERTIFICATE_DATES or CERTIFICATE_PURPOSE.
            Malformed: no or unreadable certificates.
        """
        chain = _check_size(self._exchange.peer_chain)
        anchors.check_registrar(chain, environment.trusted_now())

    async def post(
        self,
        operation: Operation,
        payload: bytes,
        content_format: Media,
        accept: Media | None = None,
    ) -> Answer:
        """Ask for an operation with a body.

        Raises:
            LinkFailed: the connection broke.
            Malformed: the answer is too large.
        """
        return await _post(self._exchange, operation, payload, content_format, accept)

    async def get(self, operation: Operation, accept: Media, etag: bytes | None = None) -> Answer:
        """Ask for an operation without a body.

        Raises:
            LinkFailed: the connection broke.
            Malformed: the answer is too large.
        """
        row = operation.value
        answer = await self._exchange.request(
            row.method,
            operation.coap_path,
            accept=accept.content_format,
            etag=etag,
            timeout=REQUEST_TIMEOUT,
        )
        return _bounded(answer)

    async def report(self, operation: Operation, body: bytes) -> Answer:
        """POST telemetry in CBOR (P-28); the answer carries nothing to act on (cbrski.md 5.6)."""
        return await _report(self._exchange, operation, body)

    async def ping(self) -> None:
        """Keep the connection's way through the join proxy open (J-30)."""
        await self._exchange.ping()

    async def close(self) -> None:
        """Close the connection."""
        await self._exchange.close()


async def _post(
    exchange: Exchange,
    operation: Operation,
    payload: bytes,
    content_format: Media,
    accept: Media | None,
) -> Answer:
    answer = await exchange.request(
        operation.value.method,
        operation.coap_path,
        payload,
        content_format=content_format.content_format,
        accept=accept.content_format if accept else None,
        timeout=REQUEST_TIMEOUT,
    )
    return _bounded(answer)


async def _report(exchange: Exchange, operation: Operation, body: bytes) -> Answer:
    return await _post(exchange, operation, body, media.CBOR, None)


def _bounded(answer: Answer) -> Answer:
    if len(answer.payload) > MAX_ANSWER:
        raise Malformed(f"answer of {len(answer.payload)} bytes")
    return answer


def _check_size(chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
    if not 1 <= len(chain) <= MAX_CHAIN or sum(map(len, chain)) > MAX_CHAIN_BYTES:
        raise Malformed(f"registrar shows {len(chain)} certificates")
    return chain
