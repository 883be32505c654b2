"""Starting, killing and awaiting the suite's programs, by way of the `nursery`."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVERS = ("masa", "registrar")
SECONDS = 30.0  # until a program serves, or ends after it was asked to


class Nursery:
    """Where programs come from; one per test process."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="sztb-"))  # short: it holds sockets
        self.started = 0
        path = os.pathsep.join((str(ROOT), str(ROOT / "scripts")))
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py")), str(self.address)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
        )  # fmt: skip
        if self.process.stdout.readline() != b"ready\n":
            self.close()
            raise AssertionError("the nursery did not start")

    @property
    def address(self):
        return self.folder / "nursery"

    def start(self, program, *arguments, log, **environment):
        """Start a program; a daemon serves once `Program.await_ready` returns."""
        return Program(self, program, arguments, log, environment)

    def start_server(self, world, role, log=None):
        """Start the MASA or the registrar of a world."""
        config = world.masa_config if role == "masa" else world.registrar_config
        log = log or world.folder / "logs" / f"{role}.log"
        return self.start(role, "run", "--config", str(config), log=log)

    def serve_world(self, world, *roles):
        """Start servers of a world, by default both, and wait until they serve."""
        started = {role: self.start_server(world, role) for role in roles or SERVERS}
        world.daemons.update(started)
        for program in started.values():
            program.await_ready()

    def new_place(self):
        """Return a path for one more socket."""
        self.started += 1
        return str(self.folder / str(self.started))

    def close(self):
        self.process.stdin.close()
        self.process.wait(SECONDS)
        self.process.stdout.close()
        shutil.rmtree(self.folder)


class Program:
    """One running program."""

    def __init__(self, nursery, program, arguments, log, environment):
        self.name, self.log = program, Path(log)
        if not self.log.exists():
            self.log.touch()
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        place = nursery.new_place()
        self._manager.bind(place)
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(str(nursery.address))
        self._said = self._connection.makefile("rb")
        order = {
            "program": program, "arguments": arguments, "log": str(log),
            "environment": {"NOTIFY_SOCKET": place} | environment,
        }  # fmt: skip
        self._connection.sendall(json.dumps(order).encode() + b"\n")
        self.number = int(self._said.readline())

    def await_ready(self):
        """Wait until it tells the service manager that it serves."""
        deadline = time.monotonic() + SECONDS
        self._manager.settimeout(0.1)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in self._manager.recv(4096):
                    return
            if not Path(f"/proc/{self.number}").exists():
                raise AssertionError(f"{self.name} ended:\n{self.log.read_text()}")
        raise AssertionError(f"{self.name} is not ready:\n{self.log.read_text()}")

    def signal(self, number):
        os.kill(self.number, number)

    def wait(self, seconds=SECONDS):
        """Wait for its end and return its exit code; minus the signal's number if killed."""
        self._connection.settimeout(seconds)
        try:
            return int(self._said.readline())
        finally:
            self._said.close()
            self._connection.close()
            self._manager.close()

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self):
        """Ask it to end; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()
