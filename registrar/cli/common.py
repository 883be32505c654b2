"""What the operator's commands share: opening the store, options, time."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from sztb.daemon.settings import load

from ..settings import DEFAULT_PATH, Settings

if TYPE_CHECKING:  # SQL is loaded when a command runs, not for its --help
    from ..store.sql_store import SqlStore, SqlTransaction

T = TypeVar("T")

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT_PATH,
    show_default=True,
    help="Configuration file of the registrar.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of a table."
)
limit_option = click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most."
)
file_type = click.Path(exists=True, dir_okay=False, path_type=Path)


def with_store(config: Path, work: Callable[["SqlStore", Settings], Awaitable[T]]) -> T:
    """Run `work` on the registrar's database, beside the daemon if that runs.

    Raises:
        SettingsError: the configuration cannot be used.
        Unavailable: the database cannot be opened or is locked.
    """
    from ..store.sql_store import SqlStore  # noqa: PLC0415  # see above

    settings = load(config, Settings)

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
