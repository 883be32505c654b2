"""HTTPS: from a request to its procedure, from errors to status codes (cbrski.md 10)."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web
from cryptography import x509

from sztb.codepoints.media import JSON, Media
from sztb.daemon.clock import monotonic
from sztb.errors import REPLY, Malformed, Refusal, Refused, Unavailable
from sztb.pki import certificates

from . import audit_log, issue_voucher
from .negotiation import answer_format, request_format
from .rvr import Rvr, open_rvr
from .service import Service, TlsClient

ROOT = "/.well-known/brski"
MAX_BODY = 65536  # bytes; an RVR with two full chains has about 6 kB
MAX_PRESENTED = 8  # certificates of a TLS client that are looked at


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose format is known; its body is not looked at yet.

    Attributes:
        service: this MASA.
        client: who opened the connection.
        taken: format of the body.
        accept: the Accept field, None when absent.
        body: as received.
    """

    service: Service
    client: TlsClient
    taken: Media
    accept: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Said:
    """A body and its media type."""

    media: Media
    body: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One resource.

    Attributes:
        name: last segment of its path.
        refused: name of the journal's event when there is no success.
        procedure: answers a call with a proven RVR.
    """

    name: str
    refused: str
    procedure: Callable[[Call, Rvr], Awaitable[Said]]


async def _request_voucher(call: Call, rvr: Rvr) -> Said:
    given = answer_format(call.taken, call.accept)
    return Said(given, await issue_voucher.handle(call.service, call.client, rvr, given))


async def _request_audit_log(call: Call, rvr: Rvr) -> Said:
    # M-20: 200 with the log itself; whatever Accept says, there is only this form
    return Said(JSON, await audit_log.handle(call.service, call.client, rvr))


ROWS = (
    Row("requestvoucher", "voucher-refused", _request_voucher),
    Row("requestauditlog", "audit-log-refused", _request_audit_log),
)


class Resources:
    """The HTTP application of the MASA."""

    def __init__(self, service: Service) -> None:
        """Serve for `service`; a reload puts a new one in its place."""
        self.service = service
        self._rows = {f"{ROOT}/{row.name}": row for row in ROWS}

    def application(self) -> web.Application:
        """Return the aiohttp application; every path comes here, so that errors are ours."""
        application = web.Application(client_max_size=MAX_BODY)
        for path in (*self._rows, "/{other:.*}"):  # plain paths are found faster than patterns
            application.router.add_route("*", path, self.answer)
        return application

    async def check(self) -> None:
        """Raise Unavailable when no voucher can be issued now."""
        await self.service.store.write(lambda _transaction: None)

    async def close(self) -> None:
        """Close what the service of the moment holds open, but the store."""
        await self.service.revocation.close()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request; errors become a status and a plain text (M-22, M-28)."""
        began = monotonic()
        row = self._rows.get(request.path)
        inquiry = Inquiry(self.service, row)
        try:
            response = _success(await inquiry.run(request))
        except (Malformed, Refused, Unavailable) as error:
            inquiry.refused(error)
            response = _failure(error)
        name = row.name if row else "other"
        self.service.metrics.answered(name, response.status, monotonic() - began)
        return response


class Inquiry:
    """One request on its way, so that a refusal can be recorded with what was known by then."""

    def __init__(self, service: Service, row: Row | None) -> None:
        self._service = service
        self._row = row
        self._client = TlsClient()
        self._device = ""

    async def run(self, request: web.Request) -> Said:
        """Read the request, prove its signer and hand it to the procedure."""
        self._client = tls_client(request)
        if self._row is None:
            raise Refused(Refusal.NOT_FOUND, request.path[:80])
        if request.method != "POST":
            raise Refused(Refusal.METHOD, request.method[:20])
        taken = request_format(request.headers.get("Content-Type"))
        accept = request.headers.getall("Accept", [])
        body = await request.read()  # bounded by `application` and by the server
        call = Call(self._service, self._client, taken, ",".join(accept) if accept else None, body)
        rvr = open_rvr(taken, body, self._service.manufacturer, self._service.now())
        self._device = str(rvr.device)
        return await self._row.procedure(call, rvr)

    def refused(self, error: Malformed | Refused | Unavailable) -> None:
        """Record why there was no success."""
        unavailable = isinstance(error, Unavailable)
        refusal = error.refusal if isinstance(error, Refused) else Refusal.MALFORMED
        self._service.journal.event(
            self._row.refused if self._row else "request-refused",
            "failed" if unavailable else "refused",
            device=self._device,
            rule="M-22" if unavailable else RULES.get(refusal, "M-28"),
            why="unavailable" if unavailable else refusal.name.lower(),
            detail=str(error)[:200],
            client=self._client.name,
            address=self._client.address,
        )


def tls_client(request: web.Request) -> TlsClient:
    """Say who opened the connection (M-29); certificates we cannot read count as not shown."""
    transport = request.transport
    if transport is None:
        return TlsClient()
    chain = _readable(transport.get_extra_info("peer_chain") or ())
    name = transport.get_extra_info("peername")
    address = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""
    return TlsClient(chain, address)


def _readable(chain: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(certificates.load(der) for der in tuple(chain)[:MAX_PRESENTED])
    except Malformed:
        return ()


def _success(said: Said) -> web.Response:
    return web.Response(body=said.body, headers={"Content-Type": said.media.content_type})


def _failure(error: Malformed | Refused | Unavailable) -> web.Response:
    if isinstance(error, Unavailable):
        return web.Response(
            status=503, text="try again later\n", headers={"Retry-After": str(error.retry_after)}
        )
    reply = REPLY[error.refusal if isinstance(error, Refused) else Refusal.MALFORMED]
    response = web.Response(status=reply.http, text=f"{reply.text}\n")  # M-22: UTF-8 plain text
    if reply.http == 405:
        response.headers["Allow"] = "POST"  # RFC 9110 15.5.6
    return response


# For the journal: the requirement behind a refusal.
RULES = {
    Refusal.CONTENT_FORMAT: "M-38",
    Refusal.RVR_SIGNATURE: "M-04",
    Refusal.RVR_SIGNER: "M-05",
    Refusal.REGISTRAR_CHAIN: "M-04",
    Refusal.PIN_IS_MANUFACTURER: "M-11",
    Refusal.NONCELESS: "M-06",
    Refusal.NONCE: "M-07",
    Refusal.SERIAL_NUMBER: "M-08",
    Refusal.PRIOR_REQUEST: "M-31",
    Refusal.CERTIFICATE_REVOKED: "M-25",
    Refusal.NOT_AN_OWNER: "M-32",
}
