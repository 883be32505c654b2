"""The command line of sztb-registrar."""

import sys
from pathlib import Path

import click

from sztb.daemon import logs
from sztb.daemon.cli import report_errors
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.run import run as run_daemon
from sztb.daemon.settings import load

from .cli.commands import GROUPS
from .cli.common import config_option
from .keys import read_password
from .settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sztb")
def main() -> None:
    """Admit new devices to this site: BRSKI registrar, EST server and domain CA in one.

    It knows the manufacturers whose devices may come, gets a voucher from the MASA for each
    device, looks at the device's history and gives it a certificate of this domain.
    """


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", default="Domain", show_default=True, help="Part of the certificate names.")
@click.option("--host", "hosts", multiple=True, help="DNS name or address; repeatable.")
@click.option("--intermediate", is_flag=True, help="An issuing CA below a root to keep offline.")
@click.option("--port", default=5684, show_default=True, help="UDP port of the registrar.")
@click.option(
    "--admission",
    type=click.Choice(["open", "list", "approve"]),
    default="approve",
    show_default=True,
    help="Which devices may onboard.",
)
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Encrypt the private keys with the first line of this file.",
)
@report_errors
def init(
    folder: Path,
    name: str,
    hosts: tuple[str, ...],
    intermediate: bool,  # a command-line flag
    port: int,
    admission: str,
    password_file: Path | None,
) -> None:
    """Make a domain in FOLDER: CA, registrar certificate, commented configuration."""
    from .new_domain import NewDomain, make_domain  # noqa: PLC0415  # only needed here

    password = read_password(password_file)
    wanted = NewDomain(name, hosts, intermediate, port, admission, password)
    files = make_domain(folder, wanted, utc_now(), random_bytes)
    for path in files:
        click.echo(f"wrote {path}")
    if intermediate:
        click.echo(f"keep {folder / 'root.key'} somewhere else: only a new issuing CA needs it")
    click.echo(f"next: sztb-registrar manufacturer add --config {files[-1]} NAME --anchor FILE")


@main.command()
@config_option
@report_errors
def check(config: Path) -> None:
    """Validate configuration, certificates and keys without starting."""
    from .checkup import findings  # noqa: PLC0415  # the server's parts are not needed elsewhere

    for line in findings(load(config, Settings), utc_now()):
        click.echo(line)
    click.echo(f"{config}: ok")


@main.command()
@config_option
@report_errors
def run(config: Path) -> None:
    """Serve devices until stopped (SIGTERM, Ctrl-C); SIGHUP reads the configuration again."""
    from .daemon import Registrar  # noqa: PLC0415

    settings = load(config, Settings)
    logs.configure(level=settings.log_level, form=settings.log_format)
    sys.exit(run_daemon(Registrar(config, settings).serve))


for group in GROUPS:
    main.add_command(group)


if __name__ == "__main__":
    main()
