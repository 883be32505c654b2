"""What one voucher costs the MASA: requests by the registrar's own code over kept connections."""

import asyncio
from pathlib import Path

from pledge.identity import load_factory
from pledge.voucher_request import make_pvr
from registrar.assembly import load_credentials, make_masa_client
from registrar.manufacturer_directory import ManufacturerDirectory
from registrar.rvr import certificate_bag, make_rvr, seal_rvr
from registrar.settings import Settings
from registrar.store.sql_store import SqlStore
from sztb.codepoints.media import VOUCHER_COSE
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.settings import load
from sztb.pki import certificates
from sztb.voucher.pins import Kind, ProximityLeaf

from .build import World
from .processes import WorldError

AT_ONCE = 8
ROUNDS = 400


def cpu_ms_per_voucher(world: World, factories: list[Path]) -> float:
    """Milliseconds of CPU time of the MASA per voucher, HTTPS and audit log entry included."""
    return asyncio.run(_measure(world, factories))


async def _measure(world: World, factories: list[Path]) -> float:
    settings = load(world.registrar_config, Settings)
    credentials = load_credentials(settings.credentials)
    store = await SqlStore.open(settings.store.database_url)
    makers = await store.read(lambda tables: tables.manufacturers.all())
    await store.close()
    directory = ManufacturerDirectory(makers)
    spki = certificates.spki(credentials.certificate)
    location, masa = f"localhost:{world.masa_port}", world.daemons["masa"]

    def request(factory: Path) -> bytes:
        device = load_factory(factory, None)
        pvr = make_pvr(device, random_bytes(16), ProximityLeaf(Kind.PUBK, spki), None)
        pledge = directory.identify([certificates.der(one) for one in device.chain], utc_now())
        bag = certificate_bag(credentials, (), pledge)
        return seal_rvr(VOUCHER_COSE, make_rvr(pvr, pledge, utc_now()), credentials, bag)

    waiting = [request(factories[number % len(factories)]) for number in range(ROUNDS)]
    async with make_masa_client(settings.masa, settings.credentials) as client:

        async def ask() -> None:
            while waiting:
                rvr = waiting.pop()
                answer = await client.request_voucher(location, makers[0], VOUCHER_COSE, rvr)
                if answer.status != 200:
                    raise WorldError(f"MASA: {answer.status}")

        await client.request_voucher(location, makers[0], VOUCHER_COSE, waiting[0])
        before = masa.usage().cpu_seconds
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(ask())
    return 1000 * (masa.usage().cpu_seconds - before) / ROUNDS
