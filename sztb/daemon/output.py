"""Tables for people, JSON for machines. Nothing from a device reaches the terminal as control."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import click

Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]


def print_json(document: Value) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> None:
    """Print a table, or a sentence when there are no rows."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(nothing)
        return
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  # late: it costs more than most commands
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair a line; empty values are left out."""
    shown = [(name, printable(value)) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {value}")


def printable(text: str) -> str:
    """Replace what a terminal would take as a command."""
    return "".join(character if character.isprintable() else "?" for character in text)


def instant(moment: datetime | None) -> str:
    """Write an instant as people read it, in UTC to the second; empty for None."""
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"


def iso(moment: datetime | None) -> str | None:
    """Write an instant for machines (RFC 3339)."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
