"""The running registrar: parts are opened in order, closed in reverse, reloaded on SIGHUP."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import structlog

from sztb.daemon.clock import utc_now
from sztb.daemon.journal import Journal
from sztb.daemon.run import Lifetime
from sztb.daemon.settings import load
from sztb.errors import SztbError
from sztb.transport.association import Limits
from sztb.transport.coaps_server import CoapsServer
from sztb.transport.health import HealthServer
from sztb.transport.tls.config import ServerTls

from . import audit
from .announce import Announcer
from .assembly import load_credentials, make_ca, make_masa_client, make_rules
from .background import Background
from .clients import Clients
from .policy.configured import make_admission
from .resources import Resources
from .settings import ListenSettings, Settings
from .site import Site
from .store.sql_store import SqlStore

log = structlog.get_logger("registrar")

GRACE = 10.0  # seconds for what is in hand when the daemon stops (design.md 7)
MAX_BODY = 16_384  # bytes of a request (est-D20)
SWEEP_EVERY = 30.0  # seconds between looks for overdue audits
PURGE_EVERY = 3600.0  # seconds between removals of old voucher requests
LOOK_EVERY = 5.0  # seconds between looks at the interfaces


class Registrar:
    """One registrar with everything it holds open.

    Attributes:
        port: UDP port in use, once it serves.
    """

    def __init__(self, config: Path, settings: Settings) -> None:
        """Prepare.

        Args:
            config: read again on reload.
            settings: what is in it now.
        """
        self.port = settings.listen.port
        self._config = config
        self._settings = settings
        self._masa_clients = AsyncExitStack()

    async def serve(self, lifetime: Lifetime) -> None:
        """Run until asked to stop.

        Raises:
            SztbError, OSError: something that is needed cannot be opened.
        """
        async with AsyncExitStack() as stack:
            store = await SqlStore.open(self._settings.store.database_url)
            stack.push_async_callback(store.close)
            await take_over(store)
            await stack.enter_async_context(self._masa_clients)
            background = await stack.enter_async_context(Background(GRACE))
            resources = Resources(await self._site(self._settings, store, background))
            server = await listen(self._settings.listen, resources)
            stack.push_async_callback(server.close, GRACE)
            metrics = resources.site.metrics
            metrics.watch("associations", "DTLS associations.", lambda: server.associations)
            metrics.watch("half_open", "DTLS handshakes in progress.", lambda: server.half_open)
            await self._open_health(stack, resources)
            self.port = int(server.address[1])
            lifetime.on_reload(lambda: self._reload(resources, store, server))
            log.info("serving", address=str(server.address[0]), port=self.port)
            lifetime.ready(f"serving on port {self.port}")
            await self._until_stopped(lifetime, resources)

    async def _until_stopped(self, lifetime: Lifetime, resources: Resources) -> None:
        async with asyncio.TaskGroup() as group:
            work = [
                group.create_task(repeat(SWEEP_EVERY, lambda: audit.sweep(resources.site))),
                group.create_task(repeat(PURGE_EVERY, lambda: purge(resources.site))),
                group.create_task(announce(self._settings.listen.discovery_interfaces, self.port)),
            ]
            await lifetime.stop.wait()
            for task in work:
                task.cancel()

    async def _site(self, settings: Settings, store: SqlStore, background: Background) -> Site:
        ca = make_ca(settings.ca, store)
        grace = timedelta(days=settings.ca.renewal_grace_days)
        return Site(
            credentials=load_credentials(settings.credentials),
            store=store,
            ca=ca,
            masas=await self._masa_clients.enter_async_context(
                make_masa_client(settings.masa, settings.credentials)
            ),
            admission=make_admission(settings.admission),
            clients=Clients(store, ca, grace),
            background=background,
            journal=Journal("registrar"),
            now=utc_now,
            rules=make_rules(settings),
        )

    async def _open_health(self, stack: AsyncExitStack, resources: Resources) -> None:
        health, site = self._settings.health, resources.site
        if health.port:
            server = HealthServer(health.address, health.port, site.check, site.metrics.text)
            await stack.enter_async_context(server)

    async def _reload(self, resources: Resources, store: SqlStore, server: CoapsServer) -> None:
        """Take over what the configuration and the files say now; open sockets stay as they are.

        Raises:
            SztbError, OSError: the configuration or a file is wrong; nothing changed.
        """
        old = resources.site
        new = await self._site(load(self._config, Settings), store, old.background)
        server.reload(ServerTls(new.credentials.tls))
        resources.site = replace(new, metrics=old.metrics)


async def listen(settings: ListenSettings, resources: Resources) -> CoapsServer:
    """Open the one port of everything (R-04); clients without certificate are turned away.

    Raises:
        OSError: the address cannot be used.
    """
    return await CoapsServer.bind(
        settings.address,
        settings.port,
        ServerTls(resources.site.credentials.tls),
        resources.handle,
        limits=Limits(
            half_open_per_source=settings.half_open_per_source,
            half_open=settings.half_open,
            associations=settings.associations,
            idle_seconds=settings.idle_seconds,
        ),
        max_body=MAX_BODY,
    )


async def take_over(store: SqlStore) -> None:
    """Free the devices whose voucher requests an earlier run had in hand when it was killed."""
    try:
        await store.write(lambda tables: tables.pending.release_all())
    except SztbError as error:
        log.warning("devices may have to wait until leases run out", error=str(error))


async def announce(interfaces: list[str], port: int) -> None:
    """Answer discovery on the configured links until cancelled (R-39)."""
    if not interfaces:
        return
    async with Announcer(interfaces, port) as announcer:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            announcer.look_at_interfaces()


async def purge(site: Site) -> int:
    """Forget voucher requests that no pledge repeats any more; returns how many."""
    now, forget = site.now(), site.rules.forget_requests
    return await site.store.write(lambda tables: tables.pending.purge(now, forget))


async def repeat(seconds: float, work: Callable[[], Awaitable[int]]) -> None:
    """Do `work` again and again until cancelled; what fails now may work next time."""
    while True:
        try:
            await work()
        except SztbError as error:
            log.warning("will try again", error=str(error))
        await asyncio.sleep(seconds)
