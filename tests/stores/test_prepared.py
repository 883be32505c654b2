"""Prepared statements: the same results and errors as SQLAlchemy's own execution."""

import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import IntegrityError, OperationalError

from sztb.store.prepared import Prepared
from sztb.store.sqlite import sqlite_engine

metadata = sa.MetaData()
items = sa.Table(
    "items",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("size", sa.Integer),
    sa.Column("data", sa.LargeBinary),
)
INSERT = Prepared(sa.insert(items))
BY_NAME = Prepared(sa.select(items).where(items.c.name == bindparam("key")).with_for_update())
CLEAR = Prepared(
    sa.update(items).where(items.c.size > bindparam("least")).values(data=None, size=7)
)
BIGGEST = Prepared(sa.select(items.c.name).order_by(items.c.size.desc()).limit(1))
FULL = {"name": "a", "size": 1, "data": b"\0\xff"}


@pytest.fixture
def connection():
    engine = sqlite_engine("sqlite://")
    with engine.connect() as connection, connection.begin():
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def test_what_was_inserted_is_selected(connection):
    assert INSERT.run(connection, FULL) == 1
    row = BY_NAME.first(connection, {"key": "a"})
    assert (row.name, row.size, row.data) == ("a", 1, b"\0\xff")
    assert BY_NAME.first(connection, {"key": "b"}) is None


def test_constants_of_the_statement_are_kept(connection):
    for name, size in (("a", 1), ("b", 2), ("c", 3)):
        INSERT.run(connection, FULL | {"name": name, "size": size})
    assert BIGGEST.first(connection, {}).name == "c"
    assert CLEAR.run(connection, {"least": 1}) == 2
    row = BY_NAME.first(connection, {"key": "b"})
    assert (row.size, row.data) == (7, None)
    assert CLEAR.run(connection, {"least": 100}) == 0


def test_a_missing_value_is_our_bug(connection):
    with pytest.raises(KeyError):
        INSERT.run(connection, {"name": "a"})


def test_errors_are_those_of_sqlalchemy_without_the_values(connection):
    INSERT.run(connection, FULL)
    with pytest.raises(IntegrityError) as error:
        INSERT.run(connection, FULL | {"data": b"secret"})
    assert "secret" not in str(error.value)
    missing = Prepared(sa.select(sa.Table("nowhere", sa.MetaData(), sa.Column("x", sa.Integer))))
    with pytest.raises(OperationalError):
        missing.first(connection, {})


def test_each_dialect_has_its_own_text(connection):
    BY_NAME.first(connection, {"key": "a"})
    postgres = BY_NAME._compile(asyncpg.dialect())
    assert "= $1" in postgres.text
    assert postgres.text.endswith("FOR UPDATE")
    assert postgres.arguments({"key": "a"}) == ("a",)
    assert "FOR UPDATE" not in BY_NAME._compiled["sqlite"].text


def test_a_driver_with_named_parameters_gets_names():
    named = INSERT._compile(sa.create_engine("sqlite://", paramstyle="named").dialect)
    INSERT._compiled.clear()
    assert named.arguments(FULL) == FULL
