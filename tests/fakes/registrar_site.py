"""A registrar with everything around it in memory, and the requests a pledge would send.

world = make_world()
answer = await world.ask(Operation.REQUEST_VOUCHER, world.pvr())
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from registrar.background import Background
from registrar.clients import Clients
from registrar.credentials import check_credentials
from registrar.policy.admission import Mode, SiteAdmission
from registrar.records import DeviceRecord, Manufacturer, Standing
from registrar.resources import Resources
from registrar.rules import Rules
from registrar.site import Site
from sztb.brski.telemetry import EnrollStatus, VoucherStatus, encode_cbor
from sztb.codepoints.coap import Code
from sztb.codepoints.media import CBOR, PKCS10, VOUCHER_COSE
from sztb.codepoints.resources import Operation
from sztb.daemon.journal import Journal
from sztb.pki.certificates import spki
from sztb.pki.csr import make_csr
from sztb.transport.exchange import Answer, Peer, Request
from sztb.voucher.formats import FORMATS
from sztb.voucher.model import Assertion, VoucherRequest
from tests.fakes.pki import NOW, Device, Identity, Pki, key, make_pki
from tests.fakes.registrar_ca import FakeCa
from tests.fakes.registrar_masas import FakeMasas
from tests.fakes.registrar_store import MemoryStore

MAKER = "Example Works"
BODIES = {
    Operation.REQUEST_VOUCHER: VOUCHER_COSE.content_format,
    Operation.VOUCHER_STATUS: CBOR.content_format,
    Operation.ENROLL_STATUS: CBOR.content_format,
    Operation.SIMPLEENROLL: PKCS10.content_format,
    Operation.SIMPLEREENROLL: PKCS10.content_format,
    Operation.SERVERKEYGEN: PKCS10.content_format,
    Operation.SERVERKEYGEN_CERT: PKCS10.content_format,
}


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self):
        return self.time

    def advance(self, **delta: float) -> None:
        self.time += timedelta(**delta)


@dataclass
class World:
    """Everything a test looks at or edits."""

    pki: Pki
    store: MemoryStore
    ca: FakeCa
    masas: FakeMasas
    clock: ManualClock
    resources: Resources
    client: Identity = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.device

    @property
    def device(self) -> Device:
        return self.pki.device()

    @property
    def site(self) -> Site:
        return self.resources.site

    def change(self, **changes: object) -> None:
        """Replace parts of the site, for example ``admission=...`` or ``rules=...``."""
        self.resources.site = replace(self.site, **changes)  # type: ignore[arg-type]

    def rule(self, **changes: object) -> None:
        """Replace single rules."""
        self.change(rules=replace(self.site.rules, **changes))  # type: ignore[arg-type]

    def maker(self, **changes: object) -> None:
        """Replace what the registrar knows about the manufacturer."""
        rows = self.store.tables.manufacturers
        rows[MAKER] = replace(rows[MAKER], **changes)  # type: ignore[arg-type]
        self.site.clients.forget()

    @property
    def record(self) -> DeviceRecord:
        return self.store.tables.devices[self.device.ref]

    def know_device(self, standing: Standing) -> None:
        """The operator has said something about the device before it came."""
        record = DeviceRecord(self.device.ref, MAKER, NOW, NOW, standing)
        self.store.tables.devices[self.device.ref] = record

    def edit_record(self, **changes: object) -> None:
        self.store.tables.devices[self.device.ref] = replace(self.record, **changes)  # type: ignore[arg-type]

    def peer(self, **changes: object) -> Peer:
        peer = Peer("[fe80::1]:40000", self.client.chain, self.pki.registrar.chain, "session 1")
        return replace(peer, **changes)  # type: ignore[arg-type]

    def request(self, operation: Operation, payload: bytes = b"", **changes: object) -> Request:
        request = Request(
            operation.value.method, operation.coap_path, (), BODIES.get(operation), None, payload,
            (), self.peer(),
        )  # fmt: skip
        return replace(request, **changes)  # type: ignore[arg-type]

    async def ask(self, operation: Operation, payload: bytes = b"", **changes: object) -> Answer:
        return await self.resources.handle(self.request(operation, payload, **changes))

    def pvr_data(self, nonce: bytes = b"nonce-01") -> VoucherRequest:
        return VoucherRequest(
            serial_number=self.device.ref.serial_number,
            nonce=nonce,
            assertion=Assertion.PROXIMITY,
            proximity_registrar_pubk=spki(self.pki.registrar.certificate),
        )

    def pvr(
        self,
        change: Callable[[VoucherRequest], VoucherRequest] = lambda data: data,
        *,
        signer: Identity | None = None,
        bag: tuple[bytes, ...] = (),
        nonce: bytes = b"nonce-01",
    ) -> bytes:
        data = change(self.pvr_data(nonce))
        return FORMATS[VOUCHER_COSE].seal(data, (signer or self.device).key, bag)

    def csr(self, name: str = "new key", **changes: object) -> bytes:
        values = {"subject": self.device.certificate.subject} | changes
        return make_csr(key(name), **values)  # type: ignore[arg-type]

    async def get_voucher(self) -> Answer:
        answer = await self.ask(Operation.REQUEST_VOUCHER, self.pvr())
        assert answer.code == Code.CHANGED, answer
        return answer

    async def say(self, operation: Operation, *, status: bool = True, **more: object) -> Answer:
        kind = VoucherStatus if operation is Operation.VOUCHER_STATUS else EnrollStatus
        return await self.ask(operation, encode_cbor(kind(status, **more)))  # type: ignore[arg-type]

    async def become_enrolled(self) -> Identity:
        """Onboard as far as the LDevID; from then on the client uses it."""
        await self.get_voucher()
        await self.say(Operation.VOUCHER_STATUS)
        answer = await self.ask(Operation.SIMPLEENROLL, self.csr())
        assert answer.code == Code.CHANGED, answer
        return Identity(self.ca.issued[-1], key("new key"), self.pki.domain_ca.path)


@asynccontextmanager
async def make_world(*, mode: Mode = Mode.OPEN, intermediate: bool = False) -> AsyncIterator[World]:
    """A registrar of the example domain that knows the example manufacturer."""
    pki = make_pki(intermediate=intermediate)
    store, clock, masas = MemoryStore(), ManualClock(), FakeMasas(pki)
    ca = FakeCa(pki, store)
    store.tables.manufacturers[MAKER] = Manufacturer(MAKER, (pki.manufacturer_root.certificate,))
    async with Background(grace=1.0) as background:
        site = Site(
            credentials=check_credentials(pki.registrar.path, pki.registrar.key),
            store=store,
            ca=ca,
            masas=masas,
            admission=SiteAdmission(mode),
            clients=Clients(store, ca),
            background=background,
            journal=Journal("registrar"),
            now=clock,
            rules=Rules(audit_patience=0.2),
        )
        yield World(pki, store, ca, masas, clock, Resources(site))
        masas.gate.set()
