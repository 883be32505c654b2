"""Running a configured command when something has happened; never through a shell."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from sztb.daemon.journal import Journal

from .credential_files import ANCHORS, CERTIFICATE, KEY
from .settings import HookSettings
from .state import DirectoryStore

Event = Literal["onboarded", "renewed", "reset", "failed"]


@dataclass(frozen=True, slots=True)
class Hooks:
    """The commands of one device.

    Attributes:
        settings: which commands.
        store: whose paths they get.
        serial_number: of the device.
        journal: where their outcome is recorded.
    """

    settings: HookSettings
    store: DirectoryStore
    serial_number: str
    journal: Journal

    async def run(self, event: Event, reason: str = "") -> None:
        """Run the command of an event and wait for it; its failure changes nothing."""
        command = getattr(self.settings, event)
        if command:
            outcome = await _run(command, self._environment(event, reason), self.settings)
            self.journal.event(
                "hook", "done" if outcome == "0" else "failed", trigger=event, exit_code=outcome
            )

    async def run_due(self) -> None:
        """Run what the state says has not been run yet; after a crash perhaps once more."""
        event = self.store.state.hook_due
        if event:
            await self.run(event)
            self.store.update(msgspec.structs.replace(self.store.state, hook_due=""))

    def _environment(self, event: Event, reason: str) -> Mapping[str, str]:
        folder = self.store.credential_folder
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "SZTB_EVENT": event,
            "SZTB_SERIAL_NUMBER": self.serial_number,
            "SZTB_STATE_DIR": str(self.store.folder),
            **({"SZTB_REASON": reason} if reason else {}),
            **(_paths(folder) if folder is not None else {}),
        }


def _paths(folder: Path) -> dict[str, str]:
    return {
        "SZTB_LDEVID_CERT": str(folder / CERTIFICATE),
        "SZTB_LDEVID_KEY": str(folder / KEY),
        "SZTB_ANCHORS": str(folder / ANCHORS),
    }


async def _run(
    command: Sequence[str], environment: Mapping[str, str], settings: HookSettings
) -> str:
    """Run a command; return its exit code, or what else happened, as text."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdin=asyncio.subprocess.DEVNULL
        )
    except OSError as error:
        return error.strerror or "cannot be started"
    try:
        async with asyncio.timeout(settings.time_limit):
            return str(await process.wait())
    except TimeoutError:
        process.kill()
        await process.wait()
        return "killed at the time limit"
