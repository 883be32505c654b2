"""Measure the suite on this machine, beside the floor its cryptography sets in the same run.

Registrar and MASA are processes of their own; their CPU time comes from the operating system. The
load comes from simulated devices in further processes, which run the pledge's own code.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from world import floor, masa_load, micro
from world.build import World
from world.links import enter_namespace, find_link
from world.processes import WorldError

WARM_UP = 20  # devices before anything is counted
STEPS = ("handshake", "rv", "vs", "crts", "sen", "es")
TARGETS = {
    "registrar_cpu_ms_per_onboarding": ("at most", 2.5),
    "masa_cpu_ms_per_voucher": ("at most", 1.0),
    "join_proxy_datagrams_per_s": ("at least", 20_000.0),
    "pledge_rss_mb": ("at most", 45.0),
    "pledge_first_packet_s": ("at most", 0.4),
    "registrar_bytes_per_idle_association": ("at most", 25_000.0),
    "handshake_bytes": ("at most", 2_500.0),
}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--profile", choices=("cbrski",), default="cbrski")
    parser.add_argument("--pledges", type=int, default=500, metavar="N", help="devices (500)")
    parser.add_argument("--seconds", type=float, default=60, help="most time for them (60)")
    parser.add_argument(
        "--sqlite-dir",
        type=Path,
        metavar="DIR",
        help="where the databases are (else with the rest)",
    )
    parser.add_argument("--processes", type=int, default=2, help="load generators (2)")
    parser.add_argument("--at-once", type=int, default=8, help="devices at once in each (8)")
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    return parser.parse_args()


def say(text: str = "") -> None:
    """Print for people."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Build the world, load it, print the figures."""
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the world is taken down
    enter_namespace()
    folder = Path(tempfile.mkdtemp(prefix="sztb-bench-"))
    world = World(folder, "stateful")
    try:
        figures = bench(world, arguments)
    except WorldError as error:
        say(f"error: {error}")
        return 1
    finally:
        world.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table(figures)
    if arguments.json:
        print(json.dumps(figures))
    return 0


def bench(world: World, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure everything."""
    numbers = [f"SZ-{number:05}" for number in range(1, arguments.pledges + WARM_UP + 2)]
    say(f"building the world with {len(numbers)} devices")
    world.make_manufacturer()
    world.mint(numbers)
    world.make_site()
    world.link = find_link()
    world.make_proxy(64)
    if arguments.sqlite_dir:
        move_databases(world, arguments.sqlite_dir)
    world.start()
    lowest = floor.measure()
    say("warming up")
    warm, measured, last = numbers[:WARM_UP], numbers[WARM_UP:-1], numbers[-1]
    load(world, warm, arguments)
    say(f"{len(measured)} devices")
    figures = onboardings(world, measured, arguments, lowest)
    say("single parts")
    figures |= parts(world, warm, last)
    figures["floor"] = {
        "sign_us": round(lowest.sign_us, 1),
        "verify_us": round(lowest.verify_us, 1),
        "ecdh_us": round(lowest.ecdh_us, 1),
        "registrar_ms": round(lowest.registrar_ms, 3),
    }
    return figures


def move_databases(world: World, folder: Path) -> None:
    """Put the databases elsewhere by editing the configurations."""
    folder.mkdir(parents=True, exist_ok=True)
    for config, old in ((world.masa_config, "masa.db"), (world.registrar_config, "registrar.db")):
        text = config.read_text()
        if f'"{old}"' not in text:
            raise WorldError(f"{config}: no database file '{old}' to move")
        new = folder.resolve() / f"{world.folder.name}-{old}"
        config.write_text(text.replace(f'"{old}"', json.dumps(str(new))))


def load(world: World, numbers: list[str], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Let devices onboard from several processes and return their records."""
    command = [sys.executable, "-m", "world.load"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    running = []
    for index in range(arguments.processes):
        order = {
            "devices": [
                str(world.device(n) / "factory") for n in numbers[index :: arguments.processes]
            ],
            "registrar": f"[::1]:{world.registrar_port}",
            "at_once": arguments.at_once,
            "seconds": arguments.seconds,
        }
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        running.append(process)
    records: list[dict[str, Any]] = []
    for process in running:
        assert process.stdout is not None
        records += [json.loads(line) for line in process.stdout]
        if process.wait() != 0:
            raise WorldError("a load generator failed")
    return records


def onboardings(
    world: World, numbers: list[str], arguments: argparse.Namespace, lowest: floor.Floor
) -> dict[str, Any]:
    """The figures of the main job."""
    registrar, masa = world.daemons["registrar"], world.daemons["masa"]
    before, began = (registrar.usage(), masa.usage()), time.monotonic()
    records = load(world, numbers, arguments)
    seconds = time.monotonic() - began
    after = (registrar.usage(), masa.usage())
    good = [record for record in records if record["outcome"] == "onboarded"]
    if not good:
        raise WorldError(f"no device onboarded; see {world.folder}/logs")
    registrar_ms = 1000 * (after[0].cpu_seconds - before[0].cpu_seconds) / len(good)
    masa_ms = 1000 * (after[1].cpu_seconds - before[1].cpu_seconds) / len(good)
    return {
        "profile": arguments.profile,
        "pledges": len(numbers),
        "onboarded": len(good),
        "onboardings_per_s": round(len(good) / seconds, 1),
        "onboarding_median_s": round(statistics.median(r["seconds"] for r in good), 3),
        "registrar_cpu_ms_per_onboarding": round(registrar_ms, 3),
        "masa_cpu_ms_per_onboarding": round(masa_ms, 3),
        "registrar_floor_ratio": round(registrar_ms / lowest.registrar_ms, 2),
        "registrar_rss_mb": round(after[0].rss_bytes / 1e6, 1),
        "masa_rss_mb": round(after[1].rss_bytes / 1e6, 1),
        "wire_bytes": wire_bytes(good),
    }


def wire_bytes(records: list[dict[str, Any]]) -> dict[str, int]:
    """Median UDP payload bytes at the pledge per step, both directions together."""
    moved: dict[str, list[int]] = {}
    for record in records:
        for step in record["steps"]:
            moved.setdefault(step["name"], []).append(step["bytes_sent"] + step["bytes_received"])
    return {name: round(statistics.median(moved[name])) for name in STEPS if name in moved}


def parts(world: World, known: list[str], last: str) -> dict[str, Any]:
    """The figures of single parts."""
    factories = [world.device(number) / "factory" for number in known]
    factory = factories[0]
    figures: dict[str, Any] = {
        "masa_cpu_ms_per_voucher": round(masa_load.cpu_ms_per_voucher(world, factories), 3),
        "dtls_handshakes_per_s": round(micro.handshakes_per_second(factory)),
        "registrar_bytes_per_idle_association": round(
            micro.bytes_per_idle_association(world, factory)
        ),
    }
    memory, first = micro.pledge_start(world.device(last) / "pledge.toml", world.registrar_port)
    figures["pledge_rss_mb"], figures["pledge_first_packet_s"] = round(memory, 1), round(first, 3)
    figures["join_proxy_rss_mb"] = round(world.daemons["join_proxy"].usage().rss_bytes / 1e6, 1)
    world.daemons.pop("registrar").stop()  # its port is needed for an echo
    figures["join_proxy_datagrams_per_s"] = round(micro.proxy_datagrams_per_second(world, 3.0))
    return figures


def table(figures: dict[str, Any]) -> None:
    """Print the figures with their targets."""
    flat = dict(figures)
    wire = flat.pop("wire_bytes")
    lowest = flat.pop("floor")
    flat["handshake_bytes"] = wire.get("handshake", 0)
    say()
    for name, value in flat.items():
        say(f"{name:40} {value!s:>12}  {verdict(name, value)}")
    say(f"{'wire bytes per step':40} " + ", ".join(f"{k} {v}" for k, v in wire.items()))
    say(f"{'crypto floor of this run':40} " + ", ".join(f"{k} {v}" for k, v in lowest.items()))


def verdict(name: str, value: float) -> str:
    """Hold a figure against its target."""
    if name not in TARGETS:
        return ""
    word, target = TARGETS[name]
    met = value <= target if word == "at most" else value >= target
    return f"target {word} {target:g}: " + ("met" if met else f"missed, {value / target:.2f} times")


if __name__ == "__main__":
    sys.exit(main())
