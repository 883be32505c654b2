"""The command line of sztb-join-proxy."""

import sys
from pathlib import Path

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.files import write_atomic
from sztb.daemon.lean import go_lean
from sztb.daemon.settings import SettingsError, load

from .settings import DEFAULT_PATH, TEMPLATE, Settings

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_PATH,
    show_default=True,
    help="Configuration file.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sztb")
def main() -> None:
    """Relay new devices on a link to the registrar (constrained join proxy).

    The proxy knows nothing of the devices and cannot read what they say: it moves datagrams
    between its link-local side and one registrar address.
    """


@main.command()
@config_option
@click.option(
    "--interface",
    "interfaces",
    multiple=True,
    required=True,
    help="Where devices join; repeatable.",
)
@click.option("--registrar", required=True, help="CoAPS address, e.g. '[2001:db8::1]:5684'.")
@report_errors
def init(config: Path, interfaces: tuple[str, ...], registrar: str) -> None:
    """Write a commented configuration."""
    if config.exists():
        raise SettingsError(config, None, "exists already", "remove it or name another --config")
    config.parent.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{name}"' for name in interfaces)
    text = TEMPLATE.format(interfaces=names, registrar=registrar)
    write_atomic(config, text.encode(), mode=0o644)
    click.echo(f"wrote {config}\nnext: sztb-join-proxy run --config {config}")


@main.command()
@config_option
@report_errors
def check(config: Path) -> None:
    """Validate the configuration without starting."""
    from .daemon import resolve_registrar  # noqa: PLC0415  # asyncio parts are not needed elsewhere
    from .interfaces import missing  # noqa: PLC0415

    settings = load(config, Settings)
    _, address = resolve_registrar(settings.registrar)
    click.echo(f"registrar: {address[0]} port {address[1]}")
    for name in missing(settings.interfaces):
        click.echo(f"interface {name}: not there now; 'run' waits for it")
    click.echo(f"{config}: ok")


@main.command()
@config_option
@report_errors
def run(config: Path) -> None:
    """Relay until stopped (SIGTERM, Ctrl-C)."""
    go_lean()
    from sztb.daemon import logs  # noqa: PLC0415  # asyncio comes with these
    from sztb.daemon.run import run as run_daemon  # noqa: PLC0415

    from .daemon import serve  # noqa: PLC0415

    settings = load(config, Settings)
    logs.configure(level=settings.log_level, form=settings.log_format)
    sys.exit(run_daemon(lambda lifetime: serve(settings, lifetime)))


if __name__ == "__main__":
    main()
