"""The life of a daemon: start, ready, reload (SIGHUP), graceful stop (SIGTERM, SIGINT)."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

import structlog

from sztb.daemon.notify import notify, watchdog_seconds

log = structlog.get_logger("daemon")

GC_NEW_OBJECTS = 10_000  # between looks for cycles; Python's 700 is for short programs


class Lifetime:
    """What the main coroutine of a daemon sees of the world outside.

    Attributes:
        stop: set when the daemon has to end.
    """

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._reload: Callable[[], Awaitable[None]] | None = None
        self._reload_wanted = asyncio.Event()

    def ready(self, status: str = "running") -> None:
        """Tell the service manager that the daemon serves."""
        gc.freeze()  # what the start made stays: nothing in it is worth looking for again
        notify(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Tell the service manager one line about what goes on."""
        notify(f"STATUS={text}")

    def on_reload(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call `callback` on SIGHUP; its errors are logged and the old state stays."""
        self._reload = callback

    def request_reload(self) -> None:
        """What SIGHUP does."""
        self._reload_wanted.set()

    async def watch(self) -> None:
        """Serve reloads and the watchdog until the daemon stops."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._serve_reloads()), group.create_task(self._feed())]
            await self.stop.wait()
            for task in tasks:
                task.cancel()

    async def _serve_reloads(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            if self._reload is None:
                log.info("nothing to reload")
                continue
            notify("RELOADING=1")
            try:
                await self._reload()
                log.info("reloaded")
            except Exception as error:  # noqa: BLE001  # a bad file must not end the service
                log.error("reload failed, the old state stays in force", error=str(error))  # noqa: TRY400
            notify("READY=1")

    async def _feed(self) -> None:
        period = watchdog_seconds()
        while period is not None:
            notify("WATCHDOG=1")
            await asyncio.sleep(period / 2)


def run(main: Callable[[Lifetime], Awaitable[int | None]]) -> int:
    """Run `main` until it returns or a signal asks it to stop; return the exit code.

    `main` must watch ``lifetime.stop`` and end by itself once it is set.
    """
    gc.set_threshold(GC_NEW_OBJECTS)

    async def supervised() -> int:
        lifetime = Lifetime()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, lifetime)
        loop.add_signal_handler(signal.SIGHUP, lifetime.request_reload)
        watcher = asyncio.ensure_future(lifetime.watch())
        try:
            return await main(lifetime) or 0
        finally:
            lifetime.stop.set()
            await watcher

    return asyncio.run(supervised())


def _stop(lifetime: Lifetime) -> None:
    if not lifetime.stop.is_set():
        notify("STOPPING=1")
        log.info("stopping")
    lifetime.stop.set()
