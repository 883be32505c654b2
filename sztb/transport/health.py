"""``/healthz`` and ``/metrics`` for the machine's own supervision, plain HTTP on loopback."""

from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web

from sztb.errors import Unavailable

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """Serves the two pages; never more than that."""

    def __init__(
        self,
        address: str,
        port: int,
        check: Callable[[], Awaitable[None]],
        metrics: Callable[[], bytes],
    ) -> None:
        """Prepare.

        Args:
            address: a loopback address.
            port: TCP port; 0 lets the system choose one.
            check: raises Unavailable when the service cannot do its work now.
            metrics: text of the metrics page.
        """
        self._address, self._port = address, port
        self._check, self._metrics = check, metrics
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/metrics", self._page)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._address, self._port).start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The TCP port in use."""
        return int(self._runner.addresses[0][1])

    async def _healthz(self, _request: web.Request) -> web.Response:
        try:
            await self._check()
        except Unavailable as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(text="ok\n")

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": PROMETHEUS})
