"""The running MASA: parts are opened in order, closed in reverse, reloaded on SIGHUP."""

from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from sztb.daemon.clock import utc_now
from sztb.daemon.journal import Journal
from sztb.daemon.run import Lifetime
from sztb.transport.health import HealthServer
from sztb.transport.https import HttpsLimits, HttpsServer, serve
from sztb.transport.tls_stream import StreamLimits

from .assembly import make_server_tls, make_service
from .metrics import Metrics
from .resources import Resources
from .settings import Settings, load_settings
from .store.sql_store import SqlStore

log = structlog.get_logger("masa")

GRACE = 10.0  # seconds for what is in hand when the daemon stops (design.md 7)


class Masa:
    """One MASA with everything it holds open."""

    def __init__(self, config: Path, settings: Settings) -> None:
        """Prepare.

        Args:
            config: read again on reload.
            settings: what is in it now.
        """
        self._config = config
        self._settings = settings

    async def serve(self, lifetime: Lifetime) -> None:
        """Run until asked to stop.

        Raises:
            SztbError, OSError: something that is needed cannot be opened.
        """
        async with AsyncExitStack() as stack:
            store = await SqlStore.open(self._settings.store.database_url)
            stack.push_async_callback(store.close)
            resources = Resources(
                make_service(self._settings, store, Journal("masa"), Metrics(), utc_now)
            )
            stack.push_async_callback(resources.close)
            server = await self._listen(resources)
            stack.push_async_callback(server.close, GRACE)
            await self._open_health(stack, resources)
            lifetime.on_reload(lambda: self._reload(resources, server))
            log.info("serving", address=str(server.address[0]), port=server.address[1])
            lifetime.ready(f"serving on port {server.address[1]}")
            await lifetime.stop.wait()

    async def _listen(self, resources: Resources) -> HttpsServer:
        listen = self._settings.listen
        host = "" if listen.address == "::" else listen.address  # asyncio: one socket per family
        limits = HttpsLimits(stream=StreamLimits(connections=listen.connections))
        tls = make_server_tls(self._settings.tls)
        return await serve(resources.application(), host, listen.port, tls, limits=limits)

    async def _open_health(self, stack: AsyncExitStack, resources: Resources) -> None:
        health, metrics = self._settings.health, resources.service.metrics
        if health.port:
            server = HealthServer(health.address, health.port, resources.check, metrics.exposition)
            await stack.enter_async_context(server)

    async def _reload(self, resources: Resources, server: HttpsServer) -> None:
        """Take over what the configuration says now; sockets and database stay as they are.

        Connections that are open keep the certificate they have seen.

        Raises:
            SztbError, OSError: the configuration or a file is wrong; nothing changed.
        """
        settings, old = load_settings(self._config), resources.service
        tls = make_server_tls(settings.tls)
        new = make_service(settings, old.store, old.journal, old.metrics, old.now)
        server.renew(tls)
        resources.service = new
        await old.revocation.close()
