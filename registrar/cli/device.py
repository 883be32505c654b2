"""``sztb-registrar device list`` and ``show``: who has asked and how far each one has come."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.output import print_facts, print_json, print_table

from ..policy import operator
from ..records import DeviceRecord, DeviceState, JournalEntry, Standing
from .common import config_option, json_option, limit_option, read
from .rows import (
    CERTIFICATE_COLUMNS,
    DEVICE_COLUMNS,
    ENTRY_COLUMNS,
    Listed,
    certificate_document,
    certificate_row,
    device_document,
    device_row,
    entry_document,
    entry_row,
    listed_document,
    listed_row,
)

if TYPE_CHECKING:
    from ..ca.interfaces import StoredCertificate
    from ..store.sql_store import SqlTransaction

manufacturer_option = click.option(
    "--manufacturer", help="Its name; needed only when serial numbers repeat."
)


@click.group()
def device() -> None:
    """Devices: list them, let them in, keep them out.

    DEVICE is a serial number, or SERIAL@HEX as the list shows it when serial numbers repeat.
    """


@device.command("list")
@click.option("--manufacturer", help="Only devices of this manufacturer.")
@click.option("--state", type=click.Choice([one.value for one in DeviceState]), help="Only these.")
@click.option("--standing", type=click.Choice([one.value for one in Standing]), help="Only these.")
@limit_option
@json_option
@config_option
@report_errors
def show_all(
    manufacturer: str | None,
    state: str | None,
    standing: str | None,
    limit: int,
    as_json: bool,
    config: Path,
) -> None:
    """Show devices, the one that changed last first."""

    def unit(tables: "SqlTransaction") -> tuple[Sequence[DeviceRecord], Sequence[Listed]]:
        found = tables.devices.find(
            state=DeviceState(state) if state else None,
            standing=Standing(standing) if standing else None,
            manufacturer=manufacturer,
            limit=limit,
        )
        ahead = state is None and standing in {None, Standing.LISTED}
        listed = tables.devices.listed(manufacturer, limit) if ahead else ()
        return found, listed

    records, listed = read(config, unit)
    if as_json:
        documents = [*map(device_document, records), *map(listed_document, listed)]
        print_json({"devices": documents})
        return
    rows = [*map(device_row, records), *map(listed_row, listed)]
    print_table(DEVICE_COLUMNS, rows, "no device has asked yet")


@device.command()
@click.argument("device", metavar="DEVICE")
@manufacturer_option
@json_option
@config_option
@report_errors
def show(device: str, manufacturer: str | None, as_json: bool, config: Path) -> None:
    """Show one device, its certificates, its journal."""

    def unit(
        tables: "SqlTransaction",
    ) -> tuple[DeviceRecord, "Sequence[StoredCertificate]", Sequence[JournalEntry]]:
        record = operator.find_device(tables, device, manufacturer)
        own = tables.certificates.of_device(record.ref)
        return record, own, tables.journal.newest(20, record.ref)

    record, own, entries = read(config, unit)
    document = device_document(record)
    if as_json:
        document["certificates"] = [certificate_document(one) for one in own]
        document["journal"] = [entry_document(one) for one in entries]
        print_json(document)
        return
    print_facts((name, str(value or "")) for name, value in document.items())
    print_table(CERTIFICATE_COLUMNS, map(certificate_row, own), "no certificates")
    print_table(ENTRY_COLUMNS, map(entry_row, entries), "no journal entries")
