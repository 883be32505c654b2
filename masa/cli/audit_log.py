"""``sztb-masa audit-log``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sztb.daemon.cli import report_errors
from sztb.daemon.output import print_json, print_table

from ..records import DeviceRecord, History
from .common import config_option, issuer_option, json_option, limit_option, one_device, read
from .rows import ISSUE_COLUMNS, history_json, issue_row

if TYPE_CHECKING:
    from ..store.sql_store import SqlTransaction


@click.group("audit-log")
def audit_log() -> None:
    """Look at the vouchers that were issued."""


@audit_log.command()
@click.argument("serial_number")
@config_option
@issuer_option
@limit_option
@json_option
@report_errors
def show(serial_number: str, config: Path, issuer: str, limit: int, as_json: bool) -> None:
    """Show every voucher of one device, oldest first."""

    def unit(transaction: "SqlTransaction") -> tuple[DeviceRecord, History]:
        record = one_device(transaction, serial_number, issuer)
        return record, transaction.issues.history(record.ref, limit)

    record, history = read(config, unit)
    if as_json:
        print_json(history_json(record, history))
        return
    print_table(ISSUE_COLUMNS, map(issue_row, history.issues), "no voucher was issued")
    unshown = history.total - len(history.issues)
    if unshown:
        click.echo(f"{unshown} older ones are not shown (--limit)")


@audit_log.command()
@config_option
@report_errors
def verify(config: Path) -> None:
    """Check that no entry of the whole log was changed or removed."""
    length = read(config, lambda transaction: transaction.issues.verify())
    click.echo(f"{length} entries, all in their chain")
