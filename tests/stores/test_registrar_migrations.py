"""The migrations make exactly the schema that the code expects."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from registrar.store.schema import metadata
from registrar.store.sql_store import MIGRATIONS, SqlStore
from sztb.store.migrate import upgrade
from sztb.store.sqlite import sqlite_engine

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_migrations_and_schema_agree(tmp_path):
    url = f"sqlite:///{tmp_path}/registrar.db"
    upgrade(url, MIGRATIONS)
    engine = sqlite_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        indexes = {
            (table.name, index["name"])
            for table in metadata.sorted_tables
            for index in sa.inspect(connection).get_indexes(table.name)
        }
    engine.dispose()
    expected = {(t.name, index.name) for t in metadata.sorted_tables for index in t.indexes}
    assert indexes == expected


async def test_opening_again_keeps_the_content(store: SqlStore, database_url: str) -> None:
    await store.write(lambda tables: tables.devices.list_ahead("acme", "SN-1", NOW, ""))
    again = await SqlStore.open(database_url)
    assert len(await again.read(lambda tables: tables.devices.listed())) == 1
    await again.close()
