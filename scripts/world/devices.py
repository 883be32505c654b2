"""Running new devices, each a process of its own that is told nothing but where its link is."""

import json
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .build import World
from .processes import program

GIVE_UP = 120.0  # seconds per device


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one device ended.

    Attributes:
        serial_number: whose.
        exit_code: of the process; 0 is onboarded.
        record: the last attempt as the pledge wrote it, None when it never came that far.
        words: the end of what it logged.
    """

    serial_number: str
    exit_code: int
    record: dict[str, Any] | None
    words: str


def run_device(world: World, serial_number: str) -> Outcome:
    """Plug in one device and wait until it has ended."""
    place = world.device(serial_number)
    timeline = place / "timeline.json"
    command = [
        *program("pledge"), "run", "--once", "--give-up-after", str(GIVE_UP),
        "--config", str(place / "pledge.toml"), "--timeline-json", str(timeline),
        *world.where_devices_look(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = "\n".join(done.stderr.strip().splitlines()[-6:])
    return Outcome(serial_number, done.returncode, last_record(timeline), words)


def last_record(timeline: Path) -> dict[str, Any] | None:
    """Read the last line of a pledge's timeline."""
    if not timeline.exists():
        return None
    lines = timeline.read_text().splitlines()
    record: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return record or None


def run_devices(
    world: World, serial_numbers: Iterable[str], at_once: int, ended: Callable[[Outcome], None]
) -> list[Outcome]:
    """Plug in many devices, at most `at_once` of them starting up together."""
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(run_device, world, number) for number in serial_numbers]
        for future in as_completed(running):
            outcomes.append(future.result())
            ended(outcomes[-1])
    return sorted(outcomes, key=lambda outcome: outcome.serial_number)
