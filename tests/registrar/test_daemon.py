"""The running registrar: real configuration, sockets, database and CA; devices over CoAPS."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from registrar.daemon import Registrar, repeat
from registrar.new_domain import NewDomain, make_domain
from registrar.records import DeviceState, Manufacturer
from registrar.settings import Settings
from registrar.store.sql_store import SqlStore
from sztb.brski.audit_log import AuditEvent, AuditLog, domain_id, encode_json
from sztb.brski.telemetry import EnrollStatus, VoucherStatus, encode_cbor
from sztb.codepoints import media
from sztb.codepoints.coap import Code
from sztb.codepoints.media import VOUCHER_COSE
from sztb.codepoints.resources import Operation
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.run import Lifetime
from sztb.daemon.settings import load
from sztb.errors import SztbError, Unavailable
from sztb.est.messages import decode_cacerts, decode_enrolled
from sztb.pki import certificates
from sztb.pki.csr import make_csr
from sztb.pki.keys import FileKey
from sztb.transport.coaps_client import CoapsClient
from sztb.transport.exchange import Answer
from sztb.transport.tls.config import ClientTls, TlsIdentity
from sztb.transport.tls.errors import LinkFailed
from sztb.voucher.formats import FORMATS, open_voucher, open_voucher_request
from sztb.voucher.model import Assertion, Voucher, VoucherRequest
from tests.fakes.https_stub import HttpRequest, https_stub, response
from tests.fakes.pki import Identity, Pki, make_pki

PKI = make_pki()


class Watched(Lifetime):
    """A lifetime that tells when the daemon serves, and when a reload is over."""

    def __init__(self) -> None:
        super().__init__()
        self.is_ready = asyncio.Event()
        self.reload: Callable[[], Awaitable[None]] | None = None

    def ready(self, status: str = "running") -> None:
        self.is_ready.set()

    def on_reload(self, callback: Callable[[], Awaitable[None]]) -> None:
        self.reload = callback


@dataclass
class Running:
    """A registrar that runs, its MASA, and its database."""

    folder: Path
    lifetime: Watched
    store: SqlStore
    registrar: Registrar

    async def reload(self) -> None:
        assert self.lifetime.reload is not None
        await self.lifetime.reload()

    @asynccontextmanager
    async def connected(self, identity: Identity) -> AsyncIterator["Client"]:
        tls = ClientTls(TlsIdentity(identity.chain, identity.key))
        client = await CoapsClient.connect(("::1", self.registrar.port), tls, timeout=5.0)
        try:
            yield Client(client)
        finally:
            await client.close()


@dataclass
class Client:
    """A device's connection."""

    coaps: CoapsClient

    async def ask(self, operation: Operation, payload: bytes = b"", **options: Any) -> Answer:
        row = operation.value
        content_format = row.takes[0].content_format if row.takes else None
        return await self.coaps.request(
            row.method, operation.coap_path, payload, content_format=content_format, **options
        )

    async def voucher(self, device: Identity, nonce: bytes) -> Answer:
        presented = certificates.load(self.coaps.peer_chain[0])
        pvr = VoucherRequest(
            serial_number="SN-1", nonce=nonce, assertion=Assertion.PROXIMITY,
            proximity_registrar_pubk=certificates.spki(presented),
        )  # fmt: skip
        sealed = FORMATS[VOUCHER_COSE].seal(pvr, device.key)
        return await self.ask(Operation.REQUEST_VOUCHER, sealed)


def masa_of(pki: Pki, folder: Path) -> Any:
    """A MASA's behaviour: every registrar gets its voucher and a clean log."""

    def answer(request: HttpRequest) -> bytes:
        root = certificates.load_pem_chain((folder / "ca.pem").read_bytes())[-1]
        if request.path.endswith("requestauditlog"):
            event = AuditEvent(utc_now(), domain_id(root), "bg==", Assertion.PROXIMITY)
            return response(200, encode_json(AuditLog((event,))), Content_Type="application/json")
        rvr = open_voucher_request(VOUCHER_COSE, request.body).data
        voucher = Voucher(
            serial_number=rvr.serial_number, nonce=rvr.nonce, assertion=Assertion.PROXIMITY,
            pinned_domain_cert=certificates.der(root),
        )  # fmt: skip
        sealed = FORMATS[VOUCHER_COSE].seal(voucher, pki.masa_signer.key, pki.masa_signer.chain)
        return response(200, sealed, Content_Type=VOUCHER_COSE.media_type)

    return answer


@asynccontextmanager
async def running(folder: Path, **changes: str) -> AsyncIterator[Running]:
    make_domain(folder, NewDomain("Test", port=0, admission="open"), utc_now(), random_bytes)
    config = folder / "registrar.toml"
    for old, new in changes.items():
        text = config.read_text()
        config.write_text(text.replace(f"[{old}]", f"[{old}]\n{new}"))
    store = await SqlStore.open(load(config, Settings).store.database_url)
    async with https_stub(PKI.tls_server("localhost"), masa_of(PKI, folder)) as masa:
        maker = Manufacturer(
            "Example Works", (PKI.manufacturer_root.certificate,), masa_url=masa.authority,
            masa_tls_anchors=(PKI.manufacturer_root.certificate,), masa_client_certificate=False,
        )  # fmt: skip
        await store.write(lambda tables: tables.manufacturers.save(maker))
        lifetime = Watched()
        registrar = Registrar(config, load(config, Settings))
        async with asyncio.TaskGroup() as group:
            group.create_task(registrar.serve(lifetime))
            await lifetime.is_ready.wait()
            yield Running(folder, lifetime, store, registrar)
            lifetime.stop.set()
    await store.close()


@pytest.mark.rule("R-01", "R-02", "R-04", "R-05", "R-08", "R-35")
async def test_a_device_onboards_over_coaps(tmp_path: Path) -> None:
    device, own = PKI.device(), FileKey.generate()
    async with running(tmp_path / "site") as site:
        async with site.connected(device) as client:
            answer = await client.voucher(device, b"nonce-01")
            assert answer.code == Code.CHANGED
            assert open_voucher(VOUCHER_COSE, answer.payload).data.nonce == b"nonce-01"
            status = await client.ask(Operation.VOUCHER_STATUS, encode_cbor(VoucherStatus(True)))
            assert status == Answer(Code.CHANGED)
            csr = make_csr(own, device.certificate.subject)
            issued = await client.ask(Operation.SIMPLEENROLL, csr, accept=287)
            ldevid = decode_enrolled(media.PKIX_CERT, issued.payload, own.public_key)
            crts = await client.ask(Operation.CACERTS, accept=62)
            [root] = decode_cacerts(media.MULTIPART_CORE, crts.payload)
            assert certificates.is_signed_by(ldevid, root)
        member = Identity(ldevid, own)
        async with site.connected(member) as client:
            done = await client.ask(Operation.ENROLL_STATUS, encode_cbor(EnrollStatus(True)))
            assert done == Answer(Code.CHANGED)
            again = await client.ask(Operation.SIMPLEREENROLL, csr, accept=287)
            assert again.code == Code.CHANGED
        record = await site.store.read(lambda tables: tables.devices.get(device.ref))
        assert record is not None
        assert record.state is DeviceState.ENROLLED


@pytest.mark.rule("R-16")
async def test_the_connection_of_a_foreign_pvr_is_closed(tmp_path: Path) -> None:
    device = PKI.device()
    async with running(tmp_path / "site") as site, site.connected(device) as client:
        foreign = VoucherRequest(
            serial_number="SN-1", nonce=b"nonce-01", assertion=Assertion.PROXIMITY,
            proximity_registrar_pubk=certificates.spki(PKI.registrar.certificate),
        )  # fmt: skip
        pvr = FORMATS[VOUCHER_COSE].seal(foreign, device.key)
        answer = await client.ask(Operation.REQUEST_VOUCHER, pvr)
        assert answer.code == Code.UNAUTHORIZED
        with pytest.raises(LinkFailed):
            await client.ask(Operation.CACERTS)


@pytest.mark.rule("E-41")
async def test_a_client_without_certificate_gets_nowhere(tmp_path: Path) -> None:
    async with running(tmp_path / "site") as site:
        with pytest.raises(LinkFailed):
            await CoapsClient.connect(("::1", site.registrar.port), ClientTls(None), timeout=2.0)


async def test_reload_takes_over_the_policy(tmp_path: Path) -> None:
    device = PKI.device()
    async with running(tmp_path / "site") as site, site.connected(device) as client:
        config = site.folder / "registrar.toml"
        config.write_text(config.read_text().replace('mode = "open"', 'mode = "list"'))
        await site.reload()
        assert (await client.voucher(device, b"nonce-01")).code == Code.NOT_FOUND


@pytest.mark.rule("R-16", "P-44")
async def test_reload_takes_over_a_new_certificate(tmp_path: Path) -> None:
    device = PKI.device()
    make_domain(tmp_path / "new", NewDomain("New", port=0), utc_now(), random_bytes)
    async with running(tmp_path / "site") as site, site.connected(device) as before:
        for name in ("registrar.pem", "registrar.key", "ca.pem", "ca.key"):
            shutil.copy(tmp_path / "new" / name, site.folder / name)
        await site.reload()
        async with site.connected(device) as after:
            assert before.coaps.peer_chain != after.coaps.peer_chain
            # each pledge means the registrar it sees
            assert (await after.voucher(device, b"nonce-01")).code == Code.CHANGED
            assert (await before.voucher(device, b"nonce-02")).code == Code.CHANGED


async def test_a_bad_configuration_changes_nothing(tmp_path: Path) -> None:
    device = PKI.device()
    async with running(tmp_path / "site") as site, site.connected(device) as client:
        config = site.folder / "registrar.toml"
        config.write_text(config.read_text().replace('mode = "open"', 'mode = "shut"'))
        with pytest.raises(SztbError):
            await site.reload()
        assert (await client.voucher(device, b"nonce-01")).code == Code.CHANGED


async def test_health_and_metrics(tmp_path: Path) -> None:
    port = free_port()
    async with (
        running(tmp_path / "site", health=f"port = {port}"),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        async with http.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        async with http.get("/metrics") as answer:
            text = await answer.text()
            assert "sztb_registrar_alerts_total 0.0" in text
            assert "sztb_registrar_associations 0.0" in text


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_work_that_fails_is_done_again() -> None:
    calls: list[int] = []
    done = asyncio.Event()

    async def work() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise Unavailable("locked")
        done.set()
        return 0

    task = asyncio.ensure_future(repeat(0.0, work))
    await done.wait()
    task.cancel()
    assert len(calls) == 2
