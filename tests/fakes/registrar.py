"""A registrar with its MASA behind one function, for tests of the pledge; edited in a line.

    registrar = FakeRegistrar(make_pki())
    registrar.voucher = lambda voucher: replace(voucher, nonce=b"another nonce")
    registrar.on(Operation.SIMPLEENROLL, Answer(Code.FORBIDDEN))

It is put behind a real CoAPS server with `serve`, so that all of the pledge below it is real.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.resources import Operation
from sztb.discovery.offers import Endpoint
from sztb.est import messages
from sztb.pki import profiles
from sztb.pki.certificates import der
from sztb.pki.csr import check_csr
from sztb.pki.profiles import Validity
from sztb.transport.coaps_server import CoapsServer
from sztb.transport.exchange import Answer, Request
from sztb.transport.tls.config import ServerTls, TlsIdentity
from sztb.voucher.formats import FORMATS, open_voucher_request
from sztb.voucher.model import Assertion, Voucher
from tests.fakes.pki import LIFETIME, NOW, Identity, Pki

if TYPE_CHECKING:
    from cryptography import x509

    from sztb.voucher.model import VoucherRequest

CODE = media.VOUCHER_COSE.content_format
_OPERATIONS = {
    path: operation
    for operation in Operation
    for path in (operation.coap_path, operation.coap_long_path)
}


@dataclass
class FakeRegistrar:
    """What a test may edit.

    Attributes:
        pki: the domain and the manufacturer.
        identity: what is shown in handshakes; the domain's registrar by default.
        voucher: edits the voucher before it is signed.
        signer: signs it.
        validity: of the LDevIDs.
        cacerts: what /crts gives.
        etag: of /crts.
        requests: everything asked so far.
    """

    pki: Pki
    identity: Identity | None = None
    voucher: Callable[[Voucher], Voucher] = lambda voucher: voucher
    signer: Identity | None = None
    validity: Validity = LIFETIME
    cacerts: Sequence[x509.Certificate] | None = None
    etag: bytes | None = b"one"
    requests: list[Request] = field(default_factory=list)
    _answers: dict[Operation, list[Answer | Callable[[Request], Answer]]] = field(
        default_factory=dict
    )
    _numbers: int = 6000

    def on(self, operation: Operation, *answers: Answer | Callable[[Request], Answer]) -> None:
        """Give these answers to the next requests; the last one goes on for ever."""
        self._answers[operation] = list(answers)

    def asked(self, operation: Operation) -> list[Request]:
        """The requests for one operation."""
        return [each for each in self.requests if _OPERATIONS.get(each.path) is operation]

    @property
    def operations(self) -> list[str]:
        """The short names of what was asked, in order."""
        return [_OPERATIONS[each.path].value.short_name for each in self.requests]

    async def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        operation = _OPERATIONS[request.path]
        prepared = self._answers.get(operation)
        if prepared:
            answer = prepared.pop(0) if len(prepared) > 1 else prepared[0]
            return answer(request) if callable(answer) else answer
        return self.usual(request)

    def usual(self, request: Request) -> Answer:
        """The answer of a registrar that admits everybody."""
        match _OPERATIONS[request.path]:
            case Operation.REQUEST_VOUCHER:
                return self._voucher(request)
            case Operation.SIMPLEENROLL | Operation.SIMPLEREENROLL:
                return self._certificate(request)
            case Operation.CACERTS:
                return self._cacerts(request)
            case _:
                return Answer(Code.CHANGED)

    @asynccontextmanager
    async def serve(self, host: str = "::1", port: int = 0) -> AsyncIterator[Endpoint]:
        """Serve on a loopback port; yields where."""
        own = self.identity or self.pki.registrar
        tls = ServerTls(TlsIdentity(own.chain, own.key))
        server = await CoapsServer.bind(host, port, tls, self.handle)
        try:
            yield Endpoint(host, server.address[1])
        finally:
            await server.close(grace=0.0)

    def issue(self, request: VoucherRequest) -> bytes:
        """The voucher for a request, edited and signed, as the pledge gets it."""
        voucher = Voucher(
            serial_number=request.serial_number,
            nonce=request.nonce,
            assertion=Assertion.PROXIMITY,
            created_on=NOW,
            pinned_domain_cert=der(self.pki.domain_ca.certificate),
        )
        signer = self.signer or self.pki.masa_signer
        return FORMATS[media.VOUCHER_COSE].seal(self.voucher(voucher), signer.key)

    def _voucher(self, request: Request) -> Answer:
        pvr = open_voucher_request(media.VOUCHER_COSE, request.payload)
        return Answer(Code.CHANGED, self.issue(pvr.data), CODE)

    def _certificate(self, request: Request) -> Answer:
        csr = check_csr(request.payload)
        self._numbers += 1
        certificate = profiles.make_ldevid(
            csr.subject,
            csr.public_key,
            self.pki.domain_ca.issuer,
            self.validity,
            self._numbers,
            alternative_names=csr.alternative_names,
        )
        kind = media.PKIX_CERT if request.accept == 287 else media.CERTS_ONLY
        body = messages.encode_certificate(kind, certificate)
        return Answer(Code.CHANGED, body, kind.content_format)

    def _cacerts(self, request: Request) -> Answer:
        if self.etag is not None and self.etag in request.etags:
            return Answer(Code.VALID, etag=self.etag)
        given = self.cacerts if self.cacerts is not None else self.pki.domain_ca.path
        body = messages.encode_cacerts_multipart(given)
        return Answer(Code.CONTENT, body, media.MULTIPART_CORE.content_format, etag=self.etag)


def short_lived(days: float) -> Validity:
    """A validity around the fixed time of the PKI."""
    return replace(
        LIFETIME, not_before=NOW - timedelta(days=days), not_after=NOW + timedelta(days=days)
    )
