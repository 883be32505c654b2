"""Reading a batch of devices from a CSV file: bytes to orders, no I/O.

The first line names the columns: ``serial_number`` and, as wanted, ``common_name``, ``sold_to``,
``keys``, ``pins`` and ``csr`` (a file, from the folder of the CSV).
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace

from sztb.errors import Malformed, Refused

from ..records import Abilities, Keys, Pins
from .mint import Order, check_serial_number

COLUMNS = ("serial_number", "common_name", "sold_to", "keys", "pins", "csr")
MAX_BATCH_BYTES = 64 << 20


def read_orders(data: bytes, default: Order, read_csr: Callable[[str], bytes]) -> list[Order]:
    """Return the orders of a batch, in the order of the file.

    Args:
        data: the CSV file, UTF-8.
        default: what a row without a column or value gets.
        read_csr: returns the DER of the CSR file named in a row.

    Raises:
        Malformed: names the line: unknown column, bad value, or a serial number twice.
    """
    seen: dict[str, int] = {}
    orders = []
    for line, row in _rows(data):
        order = _order(line, row, default, read_csr)
        if order.serial_number in seen:
            first = seen[order.serial_number]
            raise Malformed(f"line {line}: {order.serial_number} is in line {first} too")
        seen[order.serial_number] = line
        orders.append(order)
    if not orders:
        raise Malformed("no devices in it")
    return orders


def _rows(data: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = data.decode("utf-8-sig")  # spreadsheets write a byte order mark
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8 text") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or ()
        unknown = [name for name in names if name not in COLUMNS]
        if "serial_number" not in names or unknown:
            raise Malformed(
                f"line 1: columns are {', '.join(COLUMNS)}"
                + (f" (not {unknown[0]!r:.40})" if unknown else "")
            )
        for row in reader:
            if None in row:
                raise Malformed(f"line {reader.line_num}: more values than columns")
            yield reader.line_num, {name: value or "" for name, value in row.items()}
    except csv.Error as error:
        raise Malformed(f"line {reader.line_num + 1}: {error}") from error


def _order(
    line: int, row: dict[str, str], default: Order, read_csr: Callable[[str], bytes]
) -> Order:
    abilities = default.abilities
    try:
        check_serial_number(row["serial_number"])
        return replace(
            default,
            serial_number=row["serial_number"],
            common_name=row.get("common_name") or default.common_name,
            sold_to=row.get("sold_to") or default.sold_to,
            abilities=Abilities(
                Keys(row.get("keys") or abilities.keys), Pins(row.get("pins") or abilities.pins)
            ),
            csr=read_csr(row["csr"]) if row.get("csr") else default.csr,
        )
    except (ValueError, Refused, Malformed) as error:
        raise Malformed(f"line {line}: {error}") from error
