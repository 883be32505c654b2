"""A store of the registrar on every dialect: SQLite always, PostgreSQL when there is one."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from registrar.store.sql_store import SqlStore

POSTGRES = os.environ.get("SZTB_TEST_POSTGRES_URL")
DIALECTS = ["sqlite", "postgresql"] if POSTGRES else ["sqlite"]


@pytest.fixture(params=DIALECTS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "postgresql":
        return str(POSTGRES)
    return f"sqlite:///{tmp_path}/registrar.db"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(database_url)
    yield store
    await store.close()


@pytest.fixture
async def second_store(database_url: str, store: SqlStore) -> AsyncIterator[SqlStore]:
    """Another instance of the registrar on the same database."""
    second = await SqlStore.open(database_url)
    yield second
    await second.close()
