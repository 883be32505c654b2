"""Schema migrations with Alembic; each role keeps its versions in ``<role>/store/migrations``.

Files there are named ``<revision>_<name>.py`` with ascending revisions. Alembic itself is loaded
only when there is something to do: it takes longer to load than all the rest takes to start.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from sztb.errors import Unavailable
from sztb.store.sqlite import sqlite_engine


def upgrade(url: str, script_location: Path) -> None:
    """Bring the database of `url` to the newest schema; does nothing when it is there already.

    Args:
        url: SQLAlchemy URL.
        script_location: folder with ``env.py`` and ``versions/``.

    Raises:
        Unavailable: the database cannot be opened or is locked.
    """
    engine = sqlite_engine(url)
    try:
        with engine.connect() as connection:
            if _revision(connection) != newest_revision(script_location):
                _run_alembic(connection, script_location)
    except OperationalError as error:
        raise Unavailable(f"database: {error.orig}") from error
    finally:
        engine.dispose()


def newest_revision(script_location: Path) -> str:
    """Return the last revision among the files in ``versions/``."""
    files = (script_location / "versions").glob("[0-9]*_*.py")
    return max(file.name.partition("_")[0] for file in files)


def _revision(connection: sa.Connection) -> str | None:
    """Return the revision that the database has; None for a new one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _run_alembic(connection: sa.Connection, script_location: Path) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    connection.rollback()  # what was read; Alembic begins by itself
    config = Config()
    config.set_main_option("script_location", str(script_location))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_environment(metadata: sa.MetaData) -> None:
    """Do what Alembic's ``env.py`` has to do, on the connection that `upgrade` handed over."""
    from alembic import context  # noqa: PLC0415

    connection: sa.Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True,
        transactional_ddl=True,
    )  # fmt: skip
    with context.begin_transaction():
        context.run_migrations()
