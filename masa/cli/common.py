"""What the commands share: opening the store, options, naming one device."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from sztb.errors import Malformed

from ..records import DeviceRecord
from ..settings import DEFAULT_PATH, Settings, load_settings

if TYPE_CHECKING:  # SQL is loaded when a command runs, not for its --help
    from ..store.sql_store import SqlStore, SqlTransaction

T = TypeVar("T")

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_PATH,
    show_default=True,
    help="Configuration file of the MASA.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of a table."
)
limit_option = click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 1_000_000), help="At most."
)
issuer_option = click.option(
    "--issuer",
    default="",
    metavar="HEX",
    help="First digits of the IDevID issuer's key identifier, where serial numbers repeat.",
)
file_type = click.Path(exists=True, dir_okay=False, path_type=Path)


def with_store(config: Path, work: Callable[["SqlStore", Settings], Awaitable[T]]) -> T:
    """Run `work` on the MASA's database, beside the daemon if that runs.

    Raises:
        SettingsError: the configuration cannot be used.
        Unavailable: the database cannot be opened or is locked.
    """
    from ..store.sql_store import SqlStore  # noqa: PLC0415  # see above

    settings = load_settings(config)

    async def main() -> T:
        store = await SqlStore.open(settings.store.database_url)
        try:
            return await work(store, settings)
        finally:
            await store.close()

    return asyncio.run(main())


def read(config: Path, unit: Callable[["SqlTransaction"], T]) -> T:
    """Run one unit that only reads."""
    return with_store(config, lambda store, _settings: store.read(unit))


def write(config: Path, unit: Callable[["SqlTransaction"], T]) -> T:
    """Run one unit and return when it is durable."""
    return with_store(config, lambda store, _settings: store.write(unit))


def one_device(transaction: "SqlTransaction", serial_number: str, issuer: str) -> DeviceRecord:
    """Return the one device of this serial number.

    Args:
        transaction: on the store.
        serial_number: exactly as in the IDevID.
        issuer: hexadecimal, the beginning of the issuer's key identifier; empty for any.

    Raises:
        Malformed: none, or several.
    """
    found = [
        record
        for record in transaction.devices.find(serial_number=serial_number)
        if record.ref.idevid_issuer.hex().startswith(issuer.lower())
    ]
    if not found:
        raise Malformed(f"no device {serial_number}: 'sztb-masa device list' shows them")
    if len(found) > 1:
        names = ", ".join(record.ref.idevid_issuer.hex()[:8] for record in found)
        raise Malformed(f"several devices {serial_number}: name one with --issuer ({names})")
    return found[0]


def operator() -> str:
    """Return who runs the command, for the table of actions."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this user id
        return "unknown"
