"""A manufacturer on disk and its programs as real processes."""

import contextlib
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from click.testing import CliRunner

from masa.__main__ import main
from sztb.daemon.clock import utc_now
from sztb.pki import certificates
from sztb.pki.keys import FileKey
from tests.fakes.masa import Ask, make_ask
from tests.fakes.pki import Device, Identity, make_pki

CHECKOUT = Path(__file__).parents[2]
COSE = {"Content-Type": "application/voucher+cose"}


@dataclass(frozen=True)
class Manufacturer:
    """What `sztb-masa init` made.

    Attributes:
        folder: where.
        port: of the MASA.
    """

    folder: Path
    port: int

    @property
    def config(self) -> Path:
        return self.folder / "masa.toml"

    def command(self, *arguments: str) -> list[str]:
        config = () if arguments[0] == "init" else ("--config", str(self.config))
        return [sys.executable, "-m", "masa", *arguments, *config]

    def spawn(self, *arguments: str, code: int = 0) -> str:
        """Run a command as a process; return what it said, standard error too when it fails."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, cwd=CHECKOUT
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    def run(self, *arguments: str, code: int = 0) -> str:
        """The same in this process, which saves the start."""
        done = CliRunner().invoke(main, self.command(*arguments)[3:], prog_name="sztb-masa")
        assert done.exit_code == code, done.output
        return done.stdout if code == 0 else done.output

    def edit(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def mint(self, *serial_numbers: str) -> list[Device]:
        """Make devices and return them."""
        out = self.folder / "devices"
        numbers = [part for number in serial_numbers for part in ("--serial", number)]
        self.run("device", "mint", "--out", str(out), *numbers)
        return [read_device(out / number) for number in serial_numbers]

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the block ends; it is ready when the block begins."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            address = f"\0sztb-test-{os.getpid()}-{id(notify)}"
            notify.bind(address)
            with (self.folder / "log").open("ab") as log:
                process = subprocess.Popen(
                    self.command("run"), cwd=CHECKOUT, stderr=log,
                    env=os.environ | {"NOTIFY_SOCKET": address.replace("\0", "@")},
                )  # fmt: skip
            try:
                wait_for(notify, b"READY=1", process)
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(20)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """An HTTP client that trusts the manufacturer."""
        context = ssl.create_default_context(cafile=str(self.folder / "manufacturer-ca.pem"))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(
            f"https://localhost:{self.port}", connector=connector
        ) as s:
            yield s


def wait_for(notify: socket.socket, word: bytes, process: subprocess.Popen[Any]) -> None:
    """Wait until the daemon says a word to its service manager."""
    while True:
        readable, _, _ = select.select([notify], [], [], 20)
        assert readable, "the daemon says nothing"
        assert process.poll() is None, "the daemon has ended"
        if word in notify.recv(4096):
            return


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def make_manufacturer(folder: Path) -> Manufacturer:
    """Let `sztb-masa init` make a manufacturer."""
    made = Manufacturer(folder, free_port())
    made.run("init", str(folder), "--host", "localhost", "--port", str(made.port))
    return made


def read_device(folder: Path) -> Device:
    """Read the folder of one device."""
    chain = certificates.load_pem_chain((folder / "idevid.pem").read_bytes())
    key = FileKey.from_pem((folder / "idevid.key").read_bytes())
    return Device(chain[0], key, chain[1:])


def ask_for(device: Device, nonce: bytes, registrar: Identity | None = None) -> Ask:
    """A good request of today."""
    ask = make_ask(make_pki(), device, registrar, nonce)
    return replace(ask, rvr=replace(ask.rvr, created_on=utc_now().replace(microsecond=0)))
