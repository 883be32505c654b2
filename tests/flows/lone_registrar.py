"""A registrar in a process of its own, whose manufacturer and devices are made by the test.

registrar.pki.device("SN-1", masa.authority)       # an IDevID that names the test's own MASA
async with registrar.connected(device) as client:  # DTLS, nothing else
    answer = await registrar.request_voucher(client, registrar.pvr(device, client))
"""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass

from registrar.new_domain import NewDomain, make_domain
from registrar.records import Manufacturer
from registrar.store.sql_store import SqlStore
from sztb.brski.audit_log import AuditEvent, AuditLog, domain_id, encode_json
from sztb.codepoints.media import VOUCHER_COSE
from sztb.codepoints.resources import Operation
from sztb.daemon.clock import random_bytes, utc_now
from sztb.discovery.offers import Endpoint
from sztb.pki import certificates
from sztb.pki.csr import make_csr
from sztb.transport.coaps_client import CoapsClient
from sztb.transport.tls.config import ClientTls, TlsIdentity
from sztb.voucher.formats import FORMATS, open_voucher_request
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from tests.fakes.https_stub import response
from tests.fakes.pki import Device, key, make_pki

MAKER = "Example Works"


class LoneRegistrar:
    """The process, and what a device would ask of it."""

    def __init__(self, folder, nursery, port, **sections):
        """Make a domain that knows the example manufacturer, and serve.

        `sections`: lines for sections of the configuration, as in ``masa="total_seconds = 1"``.
        """
        self.folder, self.port, self.pki = folder, port, make_pki()
        make_domain(folder, NewDomain("Test", (), False, port, "open"), utc_now(), random_bytes)
        self.config = folder / "registrar.toml"
        text = self.config.read_text()
        for section, lines in sections.items():
            text = text.replace(f"[{section}]", f"[{section}]\n{lines}\n")
        self.config.write_text(text)
        self.root = certificates.load_pem_chain((folder / "ca.pem").read_bytes())[-1]
        asyncio.run(self.use(lambda store: store.write(self._know_manufacturer)))
        self.log = folder / "registrar.log"
        self._nursery = nursery
        self.start()

    @property
    def endpoint(self):
        return Endpoint("::1", self.port)

    def start(self):
        command = ("run", "--config", str(self.config))
        self.process = self._nursery.start("registrar", *command, log=self.log)
        self.process.await_ready()

    def kill(self):
        """kill -9."""
        assert self.process.kill() == -9

    def _know_manufacturer(self, tables):
        root = self.pki.manufacturer_root.certificate
        tables.manufacturers.save(
            Manufacturer(MAKER, (root,), masa_tls_anchors=(root,), masa_client_certificate=False)
        )

    async def use(self, work):
        """Do `work(store)` on the database beside the registrar."""
        store = await SqlStore.open(f"sqlite:///{self.folder}/registrar.db")
        try:
            return await work(store)
        finally:
            await store.close()

    async def record(self, device):
        """What the registrar has on record about a device."""
        return await self.use(lambda store: store.read(lambda found: found.devices.get(device.ref)))

    async def journal(self, device):
        """What the journal says about a device, the oldest first."""
        rows = await self.use(lambda store: store.read(lambda found: found.journal.newest(10_000)))
        return [row for row in reversed(rows) if row.device == device.ref]

    def visited(self, device):
        """A connection of a device."""
        return visited(self.port, device)

    def voucher(self, request, change=lambda voucher: voucher, signer=None):
        """What a good MASA answers to an HTTP request with an RVR, unless it is changed."""
        rvr = open_voucher_request(VOUCHER_COSE, request.body).data
        if request.path.endswith("requestauditlog"):
            event = AuditEvent(utc_now(), domain_id(self.root), "bg==", Assertion.PROXIMITY)
            return response(200, encode_json(AuditLog((event,))), Content_Type="application/json")
        voucher = Voucher(
            serial_number=rvr.serial_number, nonce=rvr.nonce, assertion=Assertion.PROXIMITY,
            pinned_domain_cert=certificates.der(self.root),
        )  # fmt: skip
        signer = signer or self.pki.masa_signer
        sealed = FORMATS[VOUCHER_COSE].seal(change(voucher), signer.key, signer.chain)
        return response(200, sealed, Content_Type=VOUCHER_COSE.media_type)


@asynccontextmanager
async def visited(port, device):
    """A connection of a device to the registrar on a port."""
    tls = ClientTls(TlsIdentity(device.chain, device.key))
    client = await CoapsClient.connect(("::1", port), tls, timeout=10)
    try:
        yield Visit(device, client)
    finally:
        await client.close()


@dataclass
class Visit:
    """A device on its connection to a registrar."""

    pki = make_pki()
    device: Device
    client: CoapsClient

    def pvr(self, change=lambda leaves: leaves, *, signer=None, bag=(), nonce=b"nonce-01"):
        """A good PVR, unless the leaves are changed or somebody else signs."""
        presented = certificates.load(self.client.peer_chain[0])
        leaves = VoucherRequest(
            serial_number=self.device.ref.serial_number, nonce=nonce,
            assertion=Assertion.PROXIMITY, proximity_registrar_pubk=certificates.spki(presented),
        )  # fmt: skip
        return FORMATS[VOUCHER_COSE].seal(change(leaves), (signer or self.device).key, bag)

    def csr(self, name="new key", **changes):
        """A good CSR, unless it is changed."""
        return make_csr(key(name), **({"subject": self.device.certificate.subject} | changes))

    async def ask(self, operation, payload=b"", **options):
        """Ask for an operation, by default as a pledge would."""
        row = operation.value
        usual = {
            "method": row.method, "path": operation.coap_path,
            "content_format": row.takes[0].content_format if row.takes else None,
        }  # fmt: skip
        return await self.client.request(payload=payload, **(usual | options))

    async def ask_voucher(self, **pvr):
        """Ask for a voucher with a good PVR."""
        return await self.ask(Operation.REQUEST_VOUCHER, self.pvr(**pvr))
