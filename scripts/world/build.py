"""Building the world on disk and starting its servers."""

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path

from .links import Link
from .processes import Daemon, free_port, program, run

MANUFACTURER = "Example Devices"


@dataclass(slots=True)
class World:
    """A manufacturer, a site and devices in one folder.

    Attributes:
        folder: everything is below it.
        via: ``direct`` or ``stateful``.
        link: where strangers join, None for ``direct``.
        masa_port: TCP port of the MASA; 0: chosen when it is made.
        registrar_port: UDP port of the registrar; 0: chosen when it is made.
        daemons: what runs, by role.
    """

    folder: Path
    via: str
    link: Link | None = None
    masa_port: int = 0
    registrar_port: int = 0
    daemons: dict[str, Daemon] = field(default_factory=dict)

    @property
    def masa_config(self) -> Path:
        """Configuration of the MASA."""
        return self.folder / "manufacturer" / "masa.toml"

    @property
    def registrar_config(self) -> Path:
        """Configuration of the registrar."""
        return self.folder / "site" / "registrar.toml"

    @property
    def proxy_config(self) -> Path:
        """Configuration of the join proxy."""
        return self.folder / "border-router" / "join-proxy.toml"

    @property
    def domain_ca(self) -> Path:
        """The domain's root certificate."""
        return self.folder / "site" / "ca.pem"

    def device(self, serial_number: str) -> Path:
        """Folder of one device: ``factory`` and ``state`` below it, and its configuration."""
        return self.folder / "devices" / serial_number

    def make_manufacturer(self) -> None:
        """Make the manufacturer's CA and MASA."""
        self.masa_port = self.masa_port or free_port(socket.SOCK_STREAM, 9443)
        run([
            *program("masa"), "init", str(self.masa_config.parent), "--name", MANUFACTURER,
            "--host", "localhost", "--port", str(self.masa_port),
        ])  # fmt: skip

    def mint(self, serial_numbers: list[str]) -> None:
        """Make the devices, as a factory would: certificates, keys, the maker's anchor."""
        listing = self.folder / "serial-numbers.csv"
        listing.write_text("serial_number\n" + "\n".join(serial_numbers) + "\n")
        factory = self.folder / "factory"
        run([
            *program("masa"), "device", "mint", "--config", str(self.masa_config),
            "--csv", str(listing), "--out", str(factory),
        ])  # fmt: skip
        listing.unlink()
        for serial_number in serial_numbers:
            place = self.device(serial_number)
            place.mkdir(parents=True, exist_ok=True)
            (factory / serial_number).rename(place / "factory")
            run_config = place / "pledge.toml"
            run_config.write_text(
                'factory_dir = "factory"\nstate_dir = "state"\nlog_level = "warning"\n'
            )

    def make_site(self) -> None:
        """Make the domain and tell it of the manufacturer."""
        self.registrar_port = self.registrar_port or free_port(socket.SOCK_DGRAM, 5684)
        run([
            *program("registrar"), "init", str(self.registrar_config.parent),
            "--name", "Example Site", "--host", "localhost",
            "--port", str(self.registrar_port), "--admission", "open",
        ])  # fmt: skip
        anchor = self.masa_config.parent / "manufacturer-ca.pem"
        run([
            *program("registrar"), "manufacturer", "add", MANUFACTURER,
            "--config", str(self.registrar_config),
            "--anchor", str(anchor), "--masa-anchor", str(anchor),
        ])  # fmt: skip

    def make_proxy(self, at_once: int) -> None:
        """Make the join proxy's configuration; all devices here share one link-local address."""
        if self.link is None:
            return
        run([
            *program("join_proxy"), "init", "--config", str(self.proxy_config),
            "--interface", self.link.proxy, "--registrar", f"[::1]:{self.registrar_port}",
        ])  # fmt: skip
        circuits = 8 * at_once
        with self.proxy_config.open("a") as file:
            file.write(
                "# Here all devices are processes of one machine and share its address.\n"
                f"circuits_per_pledge = {circuits}\ncircuits_per_interface = {circuits}\n"
                f"datagrams_per_second = {500 * at_once}\n"
                f"answers_per_source = {circuits}\nanswers_per_interface = {circuits}\n"
            )
        text = self.proxy_config.read_text()
        self.proxy_config.write_text(f"leisure_seconds = 0.1\n{text}")

    def start(self) -> None:
        """Start MASA, registrar and, where wanted, the join proxy."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        roles = [("masa", self.masa_config), ("registrar", self.registrar_config)]
        if self.link is not None:
            roles.append(("join_proxy", self.proxy_config))
        for role, config in roles:
            command = [*program(role), "run", "--config", str(config)]
            self.daemons[role] = Daemon.start(role.replace("_", "-"), command, logs)

    def stop(self) -> dict[str, int]:
        """Stop everything, the join proxy first, and return the exit codes."""
        return {role: self.daemons.pop(role).stop() for role in reversed(list(self.daemons))}

    def issued(self) -> set[str]:
        """The numbers, in lower-case hex, of the certificates the domain CA says it issued."""
        text = run([
            *program("registrar"), "ca", "list", "--json", "--limit", "100000",
            "--config", str(self.registrar_config),
        ])  # fmt: skip
        return {row["number"] for row in json.loads(text)["certificates"]}

    def where_devices_look(self) -> list[str]:
        """The options by which a device finds its way in."""
        if self.link is not None:
            return ["--interface", self.link.devices]
        return ["--registrar", f"[::1]:{self.registrar_port}"]
