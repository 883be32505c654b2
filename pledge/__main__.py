"""The command line of sztb-pledge."""

import math
import sys
from pathlib import Path

import click
import msgspec

from sztb.daemon.cli import report_errors
from sztb.daemon.lean import go_lean

from .settings import DEFAULT_PATH, TEMPLATE, Settings

EXIT_CODES = """\b
Exit codes:
  0  onboarded, or stopped by a signal
  1  an error: configuration, factory data, state directory
  2  wrong usage
  3  --once: not onboarded within the time limit
  4  --once: every registrar that was found refused this device
"""

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
    """Bring this device from its factory identity into a domain, without touching it.

    The device finds a join proxy or registrar, gets a voucher from its manufacturer that says
    whom to trust, and enrols for a certificate of the domain, which it then keeps fresh.
    """


@main.command()
@config_option
@click.option("--factory", type=click.Path(path_type=Path), help="Folder of the factory data.")
@click.option("--state", type=click.Path(path_type=Path), help="Folder for the device's state.")
@report_errors
def init(config: Path, factory: Path | None, state: Path | None) -> None:
    """Write a commented configuration."""
    from sztb.daemon.files import write_atomic  # noqa: PLC0415  # only here
    from sztb.daemon.settings import SettingsError  # noqa: PLC0415

    if config.exists():
        raise SettingsError(config, None, "exists already", "remove it or name another --config")
    defaults = Settings()
    text = TEMPLATE.format(
        factory=(factory or defaults.factory_dir).absolute(),
        state=(state or defaults.state_dir).absolute(),
    )
    config.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(config, text.encode(), mode=0o644)
    click.echo(f"wrote {config}\nnext: sztb-pledge check --config {config}")


@main.command(epilog=EXIT_CODES)
@config_option
@click.option("--once", is_flag=True, help="End when onboarded, or when it will not work.")
@click.option(
    "--give-up-after",
    type=click.FloatRange(min=1),
    help="With --once: seconds after which to end with exit code 3.",
)
@click.option("--registrar", help="Address of the registrar or join proxy: '[address]:port'.")
@click.option("--interface", "interfaces", multiple=True, help="Where to look; repeatable.")
@click.option(
    "--timeline-json",
    "timeline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append one line of JSON per attempt to this file.",
)
@report_errors
def run(
    config: Path,
    once: bool,
    give_up_after: float | None,
    registrar: str | None,
    interfaces: tuple[str, ...],
    timeline: Path | None,
) -> None:
    """Onboard when in factory state, then keep the certificate fresh until stopped."""
    go_lean()
    from sztb.daemon import logs  # noqa: PLC0415  # help and errors need none of this
    from sztb.daemon.run import run as run_daemon  # noqa: PLC0415

    from .daemon import RunOptions, serve  # noqa: PLC0415

    settings = _load(config)
    discovery = msgspec.structs.replace(
        settings.discovery,
        registrar=registrar or settings.discovery.registrar,
        interfaces=list(interfaces) or settings.discovery.interfaces,
    )
    settings = msgspec.structs.replace(settings, discovery=discovery)
    logs.configure(level=settings.log_level, form=settings.log_format)
    options = RunOptions(once, math.inf if give_up_after is None else give_up_after, timeline)
    sys.exit(run_daemon(lambda lifetime: serve(settings, options, lifetime)))


@main.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@report_errors
def status(config: Path, as_json: bool) -> None:
    """Tell what state the device is in."""
    from sztb.daemon.clock import utc_now  # noqa: PLC0415

    from .condition import Condition  # noqa: PLC0415
    from .daemon import read_factory  # noqa: PLC0415
    from .state import DirectoryStore  # noqa: PLC0415

    settings = _load(config)
    store = DirectoryStore.look(settings.state_dir)
    serial_number = read_factory(settings).serial_number
    condition = Condition(serial_number, store.state, store.credential(), utc_now())
    if as_json:
        click.echo(msgspec.json.encode(condition.data()).decode())
        return
    for line in condition.lines():
        click.echo(line)


@main.command()
@config_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@report_errors
def reset(config: Path, yes: bool) -> None:
    """Delete what the domain gave the device: back to factory state."""
    import asyncio  # noqa: PLC0415

    from sztb.daemon.journal import Journal  # noqa: PLC0415

    from .daemon import read_factory  # noqa: PLC0415
    from .hooks import Hooks  # noqa: PLC0415
    from .state import DirectoryStore  # noqa: PLC0415

    settings = _load(config)
    serial_number = read_factory(settings).serial_number
    if not yes:
        click.confirm(f"Delete the domain credential of device {serial_number}?", abort=True)
    store = DirectoryStore.open(settings.state_dir)
    try:
        store.reset()
        asyncio.run(Hooks(settings.hooks, store, serial_number, Journal("pledge")).run("reset"))
    finally:
        store.close()
    click.echo(f"device {serial_number} is in factory state")


@main.command()
@config_option
@report_errors
def check(config: Path) -> None:
    """Validate configuration, factory data and state without starting."""
    from .daemon import parse_endpoint, read_factory  # noqa: PLC0415
    from .state import DirectoryStore  # noqa: PLC0415

    settings = _load(config)
    factory = read_factory(settings)
    click.echo(f"device: {factory.serial_number}")
    anchors = factory.voucher_anchors
    click.echo(f"voucher anchors: {len(anchors.certificates) + len(anchors.keys)}")
    if settings.discovery.registrar:
        click.echo(f"registrar: {parse_endpoint(settings.discovery.registrar).text}")
    onboarded = settings.state_dir.exists() and DirectoryStore.look(settings.state_dir).credential()
    click.echo("state: onboarded" if onboarded else "state: factory")
    click.echo(f"{config}: ok")


def _load(config: Path) -> Settings:
    from sztb.daemon.settings import load  # noqa: PLC0415  # not needed for --help

    return load(config, Settings)


if __name__ == "__main__":
    main()
