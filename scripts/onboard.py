"""Build a whole world, plug in N new devices, and see that each one joins by itself."""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from world.build import World
from world.check import NotAccepted, check_device, check_keys_stayed
from world.devices import Outcome, run_devices
from world.links import enter_namespace, find_link
from world.processes import WorldError

LISTED = 100  # devices in the JSON
SHOWN = 12  # devices whose timeline is shown
PROFILES = ("cbrski",)
VIAS = ("direct", "stateful")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/onboard", description=__doc__)
    parser.add_argument("--pledges", type=int, default=3, metavar="N", help="new devices (3)")
    parser.add_argument(
        "--profile", choices=PROFILES, default="cbrski",
        help="cbrski: constrained BRSKI over CoAP/DTLS",
    )  # fmt: skip
    parser.add_argument(
        "--via", choices=VIAS, default="stateful",
        help="stateful: through a join proxy found on the link; direct: the registrar's address",
    )  # fmt: skip
    parser.add_argument(
        "--at-once", type=int, default=4 * (os.cpu_count() or 1), metavar="K",
        help="devices that are starting up at the same time",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the world in DIR")
    arguments = parser.parse_args()
    if not 1 <= arguments.pledges <= 100_000:
        parser.error("--pledges: 1 to 100000")
    if arguments.keep and arguments.keep.exists() and any(arguments.keep.iterdir()):
        parser.error(f"--keep: {arguments.keep} is not empty")
    return arguments


def say(text: str = "") -> None:
    """Print for people; JSON goes to standard output alone."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run it all; 0 only if every device was accepted by the independent check."""
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the world is taken down
    if arguments.via != "direct":
        enter_namespace()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="sztb-"))
    folder.mkdir(parents=True, exist_ok=True)
    world = World(folder.resolve(), arguments.via)
    try:
        return onboard(world, arguments)
    except WorldError as error:
        say(f"error: {error}")
        return 1
    finally:
        world.stop()
        if arguments.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def onboard(world: World, arguments: argparse.Namespace) -> int:
    """Build, run, check, tell."""
    numbers = [f"SZ-{number:05}" for number in range(1, arguments.pledges + 1)]
    say(f"manufacturer: CA, MASA and {len(numbers)} devices with factory identities")
    world.make_manufacturer()
    world.mint(numbers)
    say("site: domain CA and registrar" + (", join proxy" if arguments.via != "direct" else ""))
    world.make_site()
    if arguments.via != "direct":
        world.link = find_link()
    world.make_proxy(min(arguments.at_once, len(numbers)))
    world.start()
    say("plugging in the devices\n")
    began = time.monotonic()
    outcomes = run_devices(world, numbers, arguments.at_once, progress(len(numbers)))
    seconds = time.monotonic() - began
    accepted = judge(world, outcomes)
    codes = world.stop()
    if any(codes.values()):
        raise WorldError(f"a server did not stop cleanly: {codes}")
    report(world, accepted, len(numbers), seconds, arguments)
    return 0 if len(accepted) == len(numbers) else 1


def progress(total: int) -> Any:  # noqa: ANN401  # a callback
    """Make the callback that shows each device as it ends, or a count when there are many."""
    ended = 0

    def show(outcome: Outcome) -> None:
        nonlocal ended
        ended += 1
        if ended <= SHOWN or outcome.exit_code:
            say(timeline(outcome))
        elif ended % 50 == 0 or ended == total:
            say(f"{ended} of {total}")

    return show


def timeline(outcome: Outcome) -> str:
    """One device in one line: what took how long and how many bytes."""
    record = outcome.record or {}
    steps = " · ".join(
        f"{step['name']} {1000 * step['seconds']:.0f} ms"
        + (f" {step['bytes_sent']}/{step['bytes_received']} B" if step["bytes_sent"] else "")
        for step in record.get("steps", [])
    )
    word = "onboarded" if outcome.exit_code == 0 else f"exit {outcome.exit_code}"
    tail = f"\n{outcome.words}" if outcome.exit_code else ""
    return f"{outcome.serial_number}  {word}  {record.get('seconds', 0):.2f} s  {steps}{tail}"


def judge(world: World, outcomes: list[Outcome]) -> dict[str, dict[str, Any]]:
    """Let the independent check look at every device; returns the accepted ones."""
    issued = world.issued()
    accepted: dict[str, dict[str, Any]] = {}
    for outcome in outcomes:
        try:
            digest = check_device(world, outcome.serial_number, issued)
        except NotAccepted as error:
            say(f"{outcome.serial_number}  NOT ACCEPTED: {error}")
            continue
        if outcome.exit_code == 0 and outcome.record:
            accepted[outcome.serial_number] = outcome.record | {"ldevid_sha256": digest}
    check_keys_stayed(world, list(accepted))
    return accepted


def report(
    world: World,
    accepted: dict[str, dict[str, Any]],
    total: int,
    seconds: float,
    arguments: argparse.Namespace,
) -> None:
    """Tell the result to people and, if asked, as JSON."""
    say(f"\n{len(accepted)} of {total} onboarded in {seconds:.1f} s; every LDevID checked")
    if arguments.keep:
        say(f"the world is in {world.folder}; README says how to start its programs by hand")
    if not arguments.json:
        return
    keys = ("serial_number", "outcome", "ldevid_sha256", "seconds", "steps")
    devices = [{key: record.get(key) for key in keys} for record in accepted.values()]
    print(json.dumps({
        "profile": arguments.profile, "via": arguments.via, "pledges": total,
        "onboarded": len(accepted), "seconds": round(seconds, 3),
        "per_second": round(len(accepted) / seconds, 2), "devices": devices[:LISTED],
    }))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
