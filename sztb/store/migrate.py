"""Schema migrations with Alembic; each role keeps its versions in ``<role>/store/migrations``."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
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
    config = Config()
    config.set_main_option("script_location", str(script_location))
    engine = sqlite_engine(url)
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise Unavailable(f"database: {error.orig}") from error
    finally:
        engine.dispose()


def run_environment(metadata: sa.MetaData) -> None:
    """Do what Alembic's ``env.py`` has to do, on the connection that `upgrade` handed over."""
    connection: sa.Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True,
        transactional_ddl=True,
    )  # fmt: skip
    with context.begin_transaction():
        context.run_migrations()
