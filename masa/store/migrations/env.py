"""Alembic's entry: runs the versions on the connection that `sztb.store.migrate` hands over."""

from masa.store.schema import metadata
from sztb.store.migrate import run_environment

run_environment(metadata)
