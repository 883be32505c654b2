"""``sztb-registrar device approve``, ``refuse``, ``remove``: the operator's word on a device."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.clock import utc_now

from ..policy import operator
from ..policy.operator import Decided
from ..records import DeviceRecord, Instant, Standing
from .common import config_option, write
from .device import manufacturer_option

if TYPE_CHECKING:
    from ..store.sql_store import SqlTransaction

MAX_LISTED = 1_000_000

devices_argument = click.argument("devices", nargs=-1, metavar="DEVICE...")


@click.command()
@devices_argument
@click.option("--all-waiting", is_flag=True, help="Every device that waits now.")
@manufacturer_option
@config_option
@report_errors
def approve(
    devices: tuple[str, ...], all_waiting: bool, manufacturer: str | None, config: Path
) -> None:
    """Let devices in.

    One that waits gets its voucher when it asks next, normally within 20 seconds. A history that
    was refused (audit log) stays refused.
    """
    now = utc_now()

    def unit(tables: "SqlTransaction") -> list[Decided]:
        records = _meant(tables, devices, manufacturer) if devices else []
        if all_waiting:
            records += tables.devices.find(
                standing=Standing.WAITING, manufacturer=manufacturer, limit=MAX_LISTED
            )
        return [operator.approve(tables, record, now) for record in records]

    if not devices and not all_waiting:
        raise click.UsageError("name devices, or give --all-waiting")
    _tell(write(config, unit), "approved")


@click.command()
@devices_argument
@click.option("--reason", default="refused by the operator", help="For the journal.")
@manufacturer_option
@config_option
@report_errors
def refuse(devices: tuple[str, ...], reason: str, manufacturer: str | None, config: Path) -> None:
    """Keep devices out and revoke what they hold.

    They stay out, whatever the admission policy, until they are approved or listed.
    """

    def decide(tables: "SqlTransaction", record: DeviceRecord, now: Instant) -> Decided:
        return operator.refuse(tables, record, now, reason)

    _tell(_decide(config, devices, manufacturer, decide), "refused")


@click.command()
@devices_argument
@manufacturer_option
@config_option
@report_errors
def remove(devices: tuple[str, ...], manufacturer: str | None, config: Path) -> None:
    """End the membership of devices.

    Their certificates are revoked. A removed device that comes back is decided on anew, as the
    admission policy says; 'refuse' keeps it out. A device that was only listed is taken off the
    list.
    """
    now = utc_now()

    def unit(tables: "SqlTransaction") -> tuple[list[str], list[Decided]]:
        listed = tables.devices.listed(manufacturer, MAX_LISTED)
        off = [(maker, serial) for maker, serial, *_ in listed if serial in devices]
        for maker, serial in off:
            tables.devices.unlist(maker, serial)
        names = [serial for _, serial in off]
        rest = tuple(one for one in devices if one not in names)
        records = _meant(tables, rest, manufacturer)
        return names, [operator.remove(tables, record, now) for record in records]

    _check_named(devices)
    names, decided = write(config, unit)
    for name in names:
        click.echo(f"{name}: taken off the list")
    _tell(decided, "removed")


def _decide(
    config: Path,
    devices: tuple[str, ...],
    manufacturer: str | None,
    decide: Callable[["SqlTransaction", DeviceRecord, Instant], Decided],
) -> list[Decided]:
    _check_named(devices)
    now = utc_now()
    return write(
        config,
        lambda tables: [
            decide(tables, record, now) for record in _meant(tables, devices, manufacturer)
        ],
    )


def _check_named(devices: tuple[str, ...]) -> None:
    if not devices:
        raise click.UsageError("name at least one device")


def _meant(
    tables: "SqlTransaction", devices: tuple[str, ...], manufacturer: str | None
) -> list[DeviceRecord]:
    return [operator.find_device(tables, one, manufacturer) for one in devices]


def _tell(decided: list[Decided], what: str) -> None:
    for one in decided:
        before = "" if one.changed else " before"
        revoked = f", {len(one.revoked)} certificate(s) revoked" if one.revoked else ""
        click.echo(f"{one.record.ref}: {what}{before}{revoked}")
    if not decided:
        click.echo("nothing to do")
