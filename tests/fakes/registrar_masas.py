"""MASAs in memory: real vouchers for real RVRs, and whatever else a test wants to hear.

masas.voucher_answer = MasaAnswer(403, "text/plain", b"no")     # instead of a voucher
masas.log = replace(masas.log, truncation=Truncation(arbitrary=1))
masas.gate.clear()                                              # the MASA hangs
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from registrar.interfaces import Masas
from registrar.masa_answers import MasaAnswer
from registrar.records import Manufacturer
from sztb.brski.audit_log import AuditEvent, AuditLog, domain_id, encode_json
from sztb.codepoints.media import JSON, Media
from sztb.pki.certificates import der
from sztb.voucher.formats import FORMATS, open_voucher_request
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from tests.fakes.pki import NOW, Pki


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    location: str
    manufacturer: Manufacturer
    media: Media
    rvr: bytes


class FakeMasas(Masas):
    def __init__(self, pki: Pki) -> None:
        self._pki = pki
        self.voucher_answer: MasaAnswer | Exception | None = None
        self.audit_answer: MasaAnswer | Exception | None = None
        self.change: Callable[[Voucher], Voucher] = lambda voucher: voucher
        self.log = own_log(pki)
        self.asked: list[Asked] = []
        self.audited: list[Asked] = []
        self.gate = asyncio.Event()  # cleared: answers wait
        self.gate.set()
        self.arrived = asyncio.Event()  # a request for a voucher is there

    @override
    async def request_voucher(
        self, location: str, manufacturer: Manufacturer, media: Media, rvr: bytes
    ) -> MasaAnswer:
        self.asked.append(Asked(location, manufacturer, media, rvr))
        self.arrived.set()
        await self.gate.wait()
        return _said(self.voucher_answer) or MasaAnswer(
            200, media.content_type, self._voucher(media, rvr)
        )

    @override
    async def request_audit_log(
        self, location: str, manufacturer: Manufacturer, media: Media, rvr: bytes
    ) -> MasaAnswer:
        self.audited.append(Asked(location, manufacturer, media, rvr))
        await self.gate.wait()
        return _said(self.audit_answer) or MasaAnswer(200, JSON.content_type, encode_json(self.log))

    async def arrival(self, asking: asyncio.Future[Any]) -> None:
        """Wait until the request of `asking` is here; fail when it ended without."""
        waiting = asyncio.ensure_future(self.arrived.wait())
        await asyncio.wait((waiting, asking), return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), asking
        self.arrived.clear()

    def _voucher(self, media: Media, rvr: bytes) -> bytes:
        request: VoucherRequest = open_voucher_request(media, rvr).data
        voucher = Voucher(
            serial_number=request.serial_number,
            nonce=request.nonce,
            assertion=Assertion.PROXIMITY,
            created_on=NOW,
            pinned_domain_cert=der(self._pki.domain_ca.certificate),
        )
        signer = self._pki.masa_signer
        return FORMATS[media].seal(self.change(voucher), signer.key, signer.chain)


def own_log(pki: Pki) -> AuditLog:
    """The history of a new device: one nonced voucher, for us."""
    event = AuditEvent(NOW, domain_id(pki.domain_ca.certificate), "bm9uY2U=", Assertion.PROXIMITY)
    return AuditLog((event,))


def _said(answer: MasaAnswer | Exception | None) -> MasaAnswer | None:
    if isinstance(answer, Exception):
        raise answer
    return answer
