"""From a request to its procedure: paths, methods, formats, clients, errors (cbrski.md 5).

Every operation answers under its well-known path, its long name and, after discovery, under one
letter; all on one port (R-04, R-05). Abbreviated paths are spelled out by the transport (R-08).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sztb.codepoints.coap import Code
from sztb.codepoints.links import WELL_KNOWN_CORE
from sztb.codepoints.media import LINK_FORMAT, Media
from sztb.codepoints.resources import SHORT_ROOTS, Operation
from sztb.errors import Malformed, Misuse, Refusal, Refused, Unavailable
from sztb.est.messages import encode_certificate
from sztb.transport.exchange import Answer, Request, answer_refused

from . import cacerts, enroll, request_voucher, serverkeygen, status
from .clients import Client
from .discovery import discover
from .manufacturer_directory import Pledge
from .negotiation import Formats, negotiate
from .site import Site

EMPTY_CSRATTRS = bytes.fromhex("3000")  # est-D9


@dataclass(frozen=True, slots=True)
class Call:
    """One request, routed and understood as far as its options go.

    Attributes:
        site: this registrar.
        client: who asks.
        operation: what.
        formats: of both bodies.
        request: the request itself.
    """

    site: Site
    client: Client
    operation: Operation
    formats: Formats
    request: Request

    @property
    def taken(self) -> Media:
        """Format of the request's body."""
        if self.formats.taken is None:
            raise Misuse("operation without a request body")
        return self.formats.taken

    @property
    def given(self) -> Media:
        """Format of the answer's body."""
        if self.formats.given is None:
            raise Misuse("operation without an answer body")
        return self.formats.given


class Resources:
    """The handler of the registrar's CoAPS endpoint."""

    def __init__(self, site: Site) -> None:
        """Serve for `site`; a reload puts a new one in its place."""
        self.site = site

    async def handle(self, request: Request) -> Answer:
        """Answer one request; errors become answers by the reply table (R-30)."""
        operation = PATHS.get(request.path)
        try:
            if operation is None:
                answer = self._other(request)
            else:
                answer = await self._operation(operation, request)
        except (Malformed, Refused, Unavailable) as error:
            self._log(operation, request, error)
            answer = answer_refused(error)
        self.site.metrics.answered(operation, answer.code)
        return answer

    def _other(self, request: Request) -> Answer:
        if request.path != WELL_KNOWN_CORE:
            raise Refused(Refusal.NOT_FOUND, "/".join(request.path)[:80])
        _check_method(request, Code.GET)
        if request.accept not in {None, LINK_FORMAT.content_format}:
            raise Refused(Refusal.ACCEPT, f"Accept {request.accept}")
        body = discover(request.query, self.site.rules.est)
        return Answer(Code.CONTENT, body, LINK_FORMAT.content_format)

    async def _operation(self, operation: Operation, request: Request) -> Answer:
        site = self.site
        _check_method(request, operation.value.method)
        formats = negotiate(operation, request.content_format, request.accept)
        client = await _identify(site, operation, request)
        return await PROCEDURES[operation](Call(site, client, operation, formats, request))

    def _log(
        self,
        operation: Operation | None,
        request: Request,
        error: Malformed | Refused | Unavailable,
    ) -> None:
        waiting = isinstance(error, Unavailable)
        name = operation.name.lower().replace("_", "-") if operation else "request"
        self.site.journal.event(
            name, "waiting" if waiting else "refused", rule="R-30", peer=request.peer.address,
            detail=str(error)[:200],
        )  # fmt: skip


def _check_method(request: Request, method: Code) -> None:
    if request.method != method:
        raise Refused(Refusal.METHOD, request.method.name)


async def _identify(site: Site, operation: Operation, request: Request) -> Client:
    """E-41: every operation needs a client certificate; EST has one code for bad ones (4.01)."""
    try:
        return await site.clients.identify(request.peer.chain, site.now())
    except (Malformed, Refused) as error:
        if operation.value.root == "est":
            raise Refused(Refusal.CLIENT_CERTIFICATE, str(error)) from error
        raise


def _pledge(call: Call) -> Pledge:
    if not isinstance(call.client, Pledge):
        raise Refused(Refusal.IDEVID, "an LDevID gets no voucher")
    return call.client


async def _request_voucher(call: Call) -> Answer:
    delivered = await request_voucher.handle(
        call.site,
        _pledge(call),
        call.taken,
        call.request.payload,
        call.request.peer.own_chain,
    )
    return Answer(Code.CHANGED, delivered.voucher, call.given.content_format)


async def _voucher_status(call: Call) -> Answer:
    await status.voucher_status(call.site, _pledge(call), call.taken, call.request.payload)
    return Answer(Code.CHANGED)


async def _enroll_status(call: Call) -> Answer:
    await status.enroll_status(call.site, call.client, call.taken, call.request.payload)
    return Answer(Code.CHANGED)


async def _cacerts(call: Call) -> Answer:
    body, etag = await cacerts.cacerts(call.site, call.given)
    return Answer(Code.CONTENT, body, call.given.content_format, etag=etag)


async def _simpleenroll(call: Call) -> Answer:
    issued = await enroll.simpleenroll(call.site, call.client, _csr_call(call))
    body = encode_certificate(call.given, issued)
    return Answer(Code.CHANGED, body, call.given.content_format)


async def _simplereenroll(call: Call) -> Answer:
    issued = await enroll.simplereenroll(call.site, call.client, _csr_call(call))
    body = encode_certificate(call.given, issued)
    return Answer(Code.CHANGED, body, call.given.content_format)


async def _serverkeygen(call: Call) -> Answer:
    body = await serverkeygen.serverkeygen(call.site, call.client, _csr_call(call))
    return Answer(Code.CHANGED, body, call.given.content_format)


async def _csrattrs(call: Call) -> Answer:
    attributes = await call.site.ca.csr_attrs(call.client.certificate)
    body = EMPTY_CSRATTRS if attributes is None else attributes
    return Answer(Code.CONTENT, body, call.given.content_format)


def _csr_call(call: Call) -> enroll.CsrCall:
    request = call.request
    return enroll.CsrCall(call.operation, request.payload, request.peer.channel_binding)


PROCEDURES: dict[Operation, Callable[[Call], Awaitable[Answer]]] = {
    Operation.REQUEST_VOUCHER: _request_voucher,
    Operation.VOUCHER_STATUS: _voucher_status,
    Operation.ENROLL_STATUS: _enroll_status,
    Operation.CACERTS: _cacerts,
    Operation.SIMPLEENROLL: _simpleenroll,
    Operation.SIMPLEREENROLL: _simplereenroll,
    Operation.CSRATTRS: _csrattrs,
    Operation.SERVERKEYGEN: _serverkeygen,
    Operation.SERVERKEYGEN_CERT: _serverkeygen,
}


def _paths() -> dict[tuple[str, ...], Operation]:
    found: dict[tuple[str, ...], Operation] = {}
    for operation in Operation:
        row = operation.value
        for path in (
            operation.coap_path,
            operation.coap_long_path,
            (SHORT_ROOTS[row.root], row.short_name),
            (SHORT_ROOTS[row.root], row.long_name),
        ):
            found.setdefault(path, operation)  # /serverkeygen means the first of its two rows
    return found


PATHS = _paths()
