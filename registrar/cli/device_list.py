"""``sztb-registrar device add`` and ``import``: the list of devices that may come."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.clock import utc_now
from sztb.pki.idevid import MAX_SERIAL_NUMBER

from ..policy.operator import OperatorError
from ..records import JournalEntry
from .common import config_option, file_type, write

if TYPE_CHECKING:
    from ..store.sql_store import SqlTransaction

MAX_ROWS = 1_000_000


@click.command()
@click.argument("serial_numbers", nargs=-1, required=True, metavar="SERIAL...")
@click.option("--manufacturer", required=True, help="Name of the manufacturer.")
@click.option("--note", default="", help="Anything, for example the order's number.")
@config_option
@report_errors
def add(serial_numbers: tuple[str, ...], manufacturer: str, note: str, config: Path) -> None:
    """List devices that may come.

    The policies 'list' and 'approve' let them in at once.
    """
    _add(config, [(manufacturer, one, note) for one in serial_numbers])


@click.command("import")
@click.argument("file", type=file_type)
@click.option("--manufacturer", help="For rows that name none.")
@config_option
@report_errors
def import_list(file: Path, manufacturer: str | None, config: Path) -> None:
    """List the devices of a CSV file.

    Columns: serial_number, and if wanted manufacturer and note. All rows are taken or none.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(read_rows(lines, manufacturer, str(file)))
    _add(config, rows)


def read_rows(
    lines: Iterable[str], manufacturer: str | None, name: str
) -> Iterator[tuple[str, str, str]]:
    """Yield (manufacturer, serial number, note) of each row.

    Raises:
        OperatorError: the column is missing, a row is incomplete, or there are too many.
    """
    reader = csv.DictReader(lines)
    if "serial_number" not in (reader.fieldnames or ()):
        raise OperatorError(f"{name}: the first line must name a column 'serial_number'")
    for row in reader:
        maker = row.get("manufacturer") or manufacturer
        if not row["serial_number"] or not maker:
            what = (
                "manufacturer (or give --manufacturer)" if row["serial_number"] else "serial number"
            )
            raise OperatorError(f"{name}:{reader.line_num}: no {what}")
        if reader.line_num > MAX_ROWS:
            raise OperatorError(f"{name}: more than {MAX_ROWS} rows; split it")
        yield maker, row["serial_number"], row.get("note") or ""


def _add(config: Path, wanted: list[tuple[str, str, str]]) -> None:
    now = utc_now()

    def unit(tables: "SqlTransaction") -> int:
        known = {one.name for one in tables.manufacturers.all()}
        added = 0
        for maker, serial_number, note in wanted:
            if maker not in known:
                raise OperatorError(f"no manufacturer '{maker}'; 'manufacturer add' comes first")
            if not 1 <= len(serial_number) <= MAX_SERIAL_NUMBER or not serial_number.isprintable():
                raise OperatorError(f"{serial_number!r} cannot be a serial number")
            added += tables.devices.list_ahead(maker, serial_number, now, note)
        tables.journal.append(JournalEntry(now, "devices-listed", None, detail=f"{added} added"))
        return added

    added = write(config, unit)
    click.echo(f"{added} listed, {len(wanted) - added} were listed before")
