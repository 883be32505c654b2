"""``sztb-registrar journal``: every decision, in a chain that shows tampering."""

from pathlib import Path

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.output import print_json, print_table

from ..policy import operator
from ..policy.operator import OperatorError
from .common import config_option, json_option, limit_option, read
from .rows import ENTRY_COLUMNS, entry_document, entry_row


@click.group()
def journal() -> None:
    """What the registrar decided, and why."""


@journal.command("list")
@click.option("--device", help="Only entries about one device.")
@limit_option
@json_option
@config_option
@report_errors
def show_all(device: str | None, limit: int, as_json: bool, config: Path) -> None:
    """Show entries, the newest first.

    '!' marks those a human should look at.
    """
    entries = read(
        config,
        lambda tables: tables.journal.newest(
            limit, None if device is None else operator.find_device(tables, device).ref
        ),
    )
    if as_json:
        print_json({"journal": [entry_document(one) for one in entries]})
        return
    print_table(ENTRY_COLUMNS, map(entry_row, entries), "the journal is empty")


@journal.command()
@config_option
@report_errors
def verify(config: Path) -> None:
    """Check that no entry was changed or removed."""
    try:
        length = read(config, lambda tables: tables.journal.verify())
    except ValueError as error:
        raise OperatorError(f"{error}; compare with a backup and with the log files") from error
    click.echo(f"{length} entries, none changed or missing")
