"""When migrations run, and that a start without any does not load their library."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from masa.store.sql_store import MIGRATIONS as MASA
from registrar.store.sql_store import MIGRATIONS as REGISTRAR
from sztb.errors import Unavailable
from sztb.store.migrate import newest_revision, upgrade
from sztb.store.sqlite import sqlite_engine

OPEN = """
import sys
from pathlib import Path
from sztb.store.migrate import upgrade
upgrade(sys.argv[1], Path(sys.argv[2]))
print("alembic" in sys.modules)
"""


@pytest.mark.parametrize("folder", [MASA, REGISTRAR])
def test_the_newest_file_is_the_head(folder: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder))
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision(folder)]


@pytest.mark.parametrize("folder", [MASA, REGISTRAR])
def test_alembic_is_loaded_when_there_is_something_to_do(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, f"sqlite:///{tmp_path}/x.db", str(folder)]
    said = [subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2)]
    assert said == [b"True\n", b"False\n"]


def test_an_older_schema_is_brought_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    upgrade(url, REGISTRAR)
    engine = sqlite_engine(url)
    with engine.begin() as connection:  # as if the first migration had not run yet
        for table in sa.inspect(connection).get_table_names():
            if table != "alembic_version":
                connection.exec_driver_sql(f"DROP TABLE {table}")
        connection.exec_driver_sql("DELETE FROM alembic_version")
    upgrade(url, REGISTRAR)
    with engine.connect() as connection:
        assert sa.inspect(connection).has_table("devices")
    engine.dispose()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="unable to open"):
        upgrade(f"sqlite:///{tmp_path}/no/x.db", REGISTRAR)
