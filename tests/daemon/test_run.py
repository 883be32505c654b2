"""The life of a daemon, tried on a real process with a real service manager socket."""

import os
import signal
import socket
import subprocess
import sys

import pytest

DAEMON = """
import asyncio
from sztb.daemon.logs import configure
from sztb.daemon.run import run

configure(form="json")

async def main(lifetime):
    async def reload():
        print("reload", flush=True)
        if FAIL:
            raise ValueError("bad file")
    lifetime.on_reload(reload)
    lifetime.ready()
    print("ready", flush=True)
    await lifetime.stop.wait()
    print("stopped", flush=True)
    return 7

raise SystemExit(run(main))
"""


def start(tmp_path, *, fail=False, watchdog=None):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(tmp_path / "notify"))
    channel.settimeout(10)
    environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    if watchdog:
        environment["WATCHDOG_USEC"] = str(watchdog)
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON.replace("FAIL", str(fail))],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return process, channel


@pytest.mark.parametrize("fail", [False, True])
def test_signals_and_notifications(tmp_path, fail):
    process, channel = start(tmp_path, fail=fail)
    assert channel.recv(100) == b"READY=1\nSTATUS=running"
    process.send_signal(signal.SIGHUP)
    assert channel.recv(100) == b"RELOADING=1"
    assert channel.recv(100) == b"READY=1"
    process.send_signal(signal.SIGTERM)
    assert channel.recv(100) == b"STOPPING=1"
    out, err = process.communicate(timeout=10)
    assert (out.split(), process.returncode) == (["ready", "reload", "stopped"], 7)
    assert ("reload failed" in err) is fail
    channel.close()


def test_watchdog_is_fed(tmp_path):
    process, channel = start(tmp_path, watchdog=50_000)
    seen = {channel.recv(100) for _ in range(4)}
    assert b"WATCHDOG=1" in seen
    process.terminate()
    process.communicate(timeout=10)
    channel.close()


def test_a_service_manager_that_has_gone_does_not_matter(tmp_path):
    process, channel = start(tmp_path)
    assert channel.recv(100).startswith(b"READY=1")
    channel.close()
    (tmp_path / "notify").unlink()
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert (out.split(), process.returncode, "Traceback" in err) == (["ready", "stopped"], 7, False)


LEAN = """
import sys
from sztb.daemon.lean import UNUSED, go_lean
go_lean()
import asyncio, hashlib
import sztb.daemon.logs, sztb.transport.coaps_client
assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
print([name for name in (*UNUSED, "_ssl") if sys.modules.get(name)])
"""


def test_a_small_device_does_not_load_what_it_never_uses():
    # Measuring coverage would import some of it before the program begins.
    plain = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    done = subprocess.run(
        [sys.executable, "-c", LEAN], env=plain, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
