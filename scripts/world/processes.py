"""Starting, watching and measuring the programs of the suite as real processes."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

READY_SECONDS = 30.0
STOP_SECONDS = 15.0
_PROCESS_CPU_CLOCK = 2  # CPUCLOCK_SCHED, as clock_getcpuclockid() makes it (Linux)
_PAGE = resource.getpagesize()


class WorldError(Exception):
    """The world could not be built; the text says what to look at."""


def program(role: str) -> list[str]:
    """The command of a role, run by the same Python as this script."""
    return [sys.executable, "-m", role]


def run(command: list[str], *, timeout: float = 600) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        WorldError: it failed; the text has its last words.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise WorldError(f"{' '.join(command[1:])}: exit {done.returncode}\n" + "\n".join(words))
    return done.stdout


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it started.

    Attributes:
        cpu_seconds: user and system time of all its threads, from the operating system.
        rss_bytes: memory in use now.
    """

    cpu_seconds: float
    rss_bytes: int


class Daemon:
    """One running program; ready when it says so by sd_notify."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @classmethod
    def start(cls, name: str, command: list[str], folder: Path) -> Self:
        """Start a daemon and wait until it serves.

        Args:
            name: for messages, and of its log file.
            command: what to run.
            folder: where ``<name>.log`` goes.

        Raises:
            WorldError: it ended or was not ready in time.
        """
        log = folder / f"{name}.log"
        with tempfile.TemporaryDirectory() as private, log.open("ab") as output:
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            channel.bind(f"{private}/notify")
            environment = os.environ | {"NOTIFY_SOCKET": f"{private}/notify"}
            process = _spawn(command, environment, output)
            daemon = cls(name, process, log)
            try:
                daemon._await_ready(channel)
            except WorldError:
                process.kill()
                process.wait()
                raise
            finally:
                channel.close()
        return daemon

    def _await_ready(self, channel: socket.socket) -> None:
        channel.settimeout(0.2)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in channel.recv(4096):
                    return
            if self.process.poll() is not None:
                raise WorldError(f"{self.name} did not start:\n{self.last_words()}")
        raise WorldError(f"{self.name} was not ready in {READY_SECONDS:.0f} s; see {self.log}")

    def last_words(self, lines: int = 8) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def usage(self) -> Usage:
        """Read its accounting from the operating system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        # The scheduler's clock of the process; the times in /proc are sampled by ticks and, for
        # a process that mostly waits, far off.
        cpu = time.clock_gettime((~self.process.pid << 3) | _PROCESS_CPU_CLOCK)
        return Usage(cpu, int(fields[21]) * _PAGE)

    def stop(self) -> int:
        """Ask it to end and return its exit code; kill it when it does not listen."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def _spawn(
    command: list[str], environment: dict[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
    )


def free_port(kind: socket.SocketKind, wanted: int) -> int:
    """Return `wanted` when nobody uses it on this machine, else any free port."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET6, kind) as probe:
            try:
                probe.bind(("::", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise WorldError("no free port")
