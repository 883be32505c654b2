"""The command line of sztb-masa."""

import asyncio
import sys
from pathlib import Path

import click

from sztb.daemon import logs
from sztb.daemon.cli import report_errors
from sztb.daemon.clock import random_bytes, utc_now
from sztb.daemon.run import run as run_daemon

from .cli.audit_log import audit_log
from .cli.common import config_option, file_type
from .cli.device import device
from .credentials import read_password
from .settings import load_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sztb")
def main() -> None:
    """Vouch for the devices of a manufacturer: MASA, its audit log, and the factory's tool.

    Registrars ask it for vouchers over HTTPS. It knows its devices, decides who may have them,
    writes every voucher into a log before it leaves, and shows that log to present and former
    owners.
    """


main.add_command(device)
main.add_command(audit_log)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--name", default="Manufacturer", show_default=True, help="Part of certificate names."
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    required=True,
    help="DNS name or address of the MASA; repeatable, the first one goes into IDevIDs.",
)
@click.option(
    "--port", default=9443, show_default=True, type=click.IntRange(1, 65535), help="TCP port."
)
@click.option(
    "--password-file", type=file_type, help="Encrypt the private keys with its first line."
)
@report_errors
def init(
    folder: Path, name: str, hosts: tuple[str, ...], port: int, password_file: Path | None
) -> None:
    """Make a manufacturer in FOLDER: CAs, voucher signer, TLS certificate, configuration."""
    from .new_manufacturer import NewManufacturer, make_manufacturer  # noqa: PLC0415  # only here

    wanted = NewManufacturer(name, hosts, port, read_password(password_file))
    *files, config = make_manufacturer(folder, wanted, utc_now(), random_bytes)
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(f"wrote {config}\n")
    click.echo(NEXT.format(config=config, folder=folder, url=wanted.masa_url))


NEXT = """\
next:
  sztb-masa device mint --config {config} --serial SN-1 --out DIR
  sztb-masa run --config {config}
give to every registrar that shall admit these devices (as anchor, and as MASA anchor):
  {folder}/manufacturer-ca.pem
keep offline: {folder}/manufacturer-ca.key; it is not needed to run
registrars come to https://{url}"""


@main.command()
@config_option
@report_errors
def check(config: Path) -> None:
    """Validate configuration, certificates, keys and the chain of the audit log."""
    from .checking import check_all  # noqa: PLC0415  # only here

    for line in asyncio.run(check_all(load_settings(config))):
        click.echo(line)
    click.echo(f"{config}: ok")


@main.command()
@config_option
@report_errors
def run(config: Path) -> None:
    """Serve registrars until stopped (SIGTERM, Ctrl-C); SIGHUP reloads policy and certificates."""
    from .daemon import Masa  # noqa: PLC0415  # the other commands need no server

    settings = load_settings(config)
    logs.configure(level=settings.log.level, form=settings.log.format)
    sys.exit(run_daemon(Masa(config, settings).serve))


if __name__ == "__main__":
    main()
