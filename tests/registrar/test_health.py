"""/healthz and /metrics."""

import aiohttp

from sztb.errors import Unavailable
from sztb.transport.health import HealthServer
from tests.fakes.registrar_site import World


async def test_pages(world: World) -> None:
    server = HealthServer("127.0.0.1", 0, world.site.check, world.site.metrics.text)
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:
        async with http.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (200, "ok\n")
        world.store.fail = Unavailable("disk full")
        async with http.get("/healthz") as answer:
            assert (answer.status, await answer.text()) == (503, "disk full\n")
        async with http.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        async with http.get("/") as answer:
            assert answer.status == 404
