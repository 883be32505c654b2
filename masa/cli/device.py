"""``sztb-masa device``: what the manufacturer knows of its devices."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.clock import utc_now
from sztb.daemon.output import print_facts, print_json, print_table

from ..records import Action, DeviceRecord
from .common import (
    config_option,
    issuer_option,
    json_option,
    limit_option,
    one_device,
    operator,
    read,
    write,
)
from .factory import import_devices, mint_devices
from .rows import DEVICE_COLUMNS, device_facts, device_json, device_row

if TYPE_CHECKING:
    from ..store.sql_store import SqlTransaction


@click.group()
def device() -> None:
    """Make devices, look at them, say who may have them."""


device.add_command(mint_devices)
device.add_command(import_devices)


@device.command("list")
@config_option
@click.option("--blocked", is_flag=True, help="Only blocked devices.")
@click.option("--sold-to", metavar="CUSTOMER", help="Only devices sold to this customer.")
@limit_option
@json_option
@report_errors
def list_devices(
    config: Path, blocked: bool, sold_to: str | None, limit: int, as_json: bool
) -> None:
    """List devices by serial number."""
    records = read(
        config,
        lambda transaction: transaction.devices.find(
            blocked=True if blocked else None, sold_to=sold_to, limit=limit
        ),
    )
    if as_json:
        print_json([device_json(record) for record in records])
    else:
        print_table(DEVICE_COLUMNS, map(device_row, records), "no devices")


@device.command()
@click.argument("serial_number")
@config_option
@issuer_option
@json_option
@report_errors
def show(serial_number: str, config: Path, issuer: str, as_json: bool) -> None:
    """Show one device."""
    record = read(config, lambda transaction: one_device(transaction, serial_number, issuer))
    if as_json:
        print_json(device_json(record))
    else:
        print_facts(device_facts(record))


def _change(
    name: str,
    detail: str,
    change: Callable[[DeviceRecord], DeviceRecord],
    *,
    config: Path,
    serial_numbers: tuple[str, ...],
    issuer: str,
) -> None:
    """Change devices and note who did it, all in one transaction."""

    def unit(transaction: "SqlTransaction") -> list[DeviceRecord]:
        changed = []
        for serial_number in serial_numbers:
            record = change(one_device(transaction, serial_number, issuer))
            transaction.devices.save(record)
            transaction.actions.append(Action(utc_now(), name, operator(), str(record.ref), detail))
            changed.append(record)
        return changed

    for record in write(config, unit):
        click.echo(f"{record.ref}: {name.removeprefix('device-')}")


serial_numbers_argument = click.argument("serial_numbers", nargs=-1, required=True)


@device.command()
@serial_numbers_argument
@config_option
@issuer_option
@click.option("--reason", default="blocked by the manufacturer", help="Kept, and shown in the log.")
@report_errors
def block(serial_numbers: tuple[str, ...], config: Path, issuer: str, reason: str) -> None:
    """Issue no more vouchers for these devices; stolen ones, for example."""
    _change(
        "device-blocked", reason, lambda record: replace(record, blocked=reason),
        config=config, serial_numbers=serial_numbers, issuer=issuer,
    )  # fmt: skip


@device.command()
@serial_numbers_argument
@config_option
@issuer_option
@report_errors
def unblock(serial_numbers: tuple[str, ...], config: Path, issuer: str) -> None:
    """Issue vouchers for these devices again."""
    _change(
        "device-unblocked", "", lambda record: replace(record, blocked=None),
        config=config, serial_numbers=serial_numbers, issuer=issuer,
    )  # fmt: skip


@device.command()
@serial_numbers_argument
@config_option
@issuer_option
@report_errors
def release(serial_numbers: tuple[str, ...], config: Path, issuer: str) -> None:
    """Forget the owner: the next domain that asks becomes it. The audit log stays."""
    _change(
        "device-released", "", lambda record: replace(record, owner=None, sold_to=None),
        config=config, serial_numbers=serial_numbers, issuer=issuer,
    )  # fmt: skip


@device.command()
@serial_numbers_argument
@config_option
@issuer_option
@click.option("--to", "customer", required=True, metavar="CUSTOMER", help="Name of its PEM file.")
@report_errors
def sell(serial_numbers: tuple[str, ...], config: Path, issuer: str, customer: str) -> None:
    """Note that these devices were sold to a customer, whose registrars then get vouchers."""
    _change(
        "device-sold", customer, lambda record: replace(record, sold_to=customer),
        config=config, serial_numbers=serial_numbers, issuer=issuer,
    )  # fmt: skip
