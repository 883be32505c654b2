"""Hash-chained tables: every kind of tampering shows."""

import pytest
import sqlalchemy as sa

from sztb.store import chain

metadata = sa.MetaData()
table = chain.chained_table(
    "log", metadata, sa.Column("what", sa.String), sa.Column("data", sa.LargeBinary)
)


@pytest.fixture
def connection():
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        for number in range(3):
            chain.append(connection, table, {"what": f"event {number}", "data": bytes([number])})
        yield connection
    engine.dispose()


def test_untouched_chain_verifies(connection):
    assert chain.verify(connection, table) == 3
    assert chain.append(connection, table, {"what": "more", "data": None}) == 4
    assert chain.verify(connection, table) == 4


def test_empty_chain_verifies():
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert chain.verify(connection, table) == 0
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        pytest.param(
            "update log set what='lie' where sequence=2", "row 2 was changed", id="edited"
        ),
        pytest.param("delete from log where sequence=2", "missing before sequence 3", id="middle"),
        pytest.param("delete from log where sequence=3", "missing after sequence 2", id="tail"),
        pytest.param("delete from chain_heads", "missing after sequence 3", id="head"),
    ],
)
def test_tampering_shows(connection, statement, complaint):
    connection.execute(sa.text(statement))
    with pytest.raises(ValueError, match=complaint):
        chain.verify(connection, table)


def test_only_plain_values_are_chained(connection):
    with pytest.raises(TypeError, match="not chainable"):
        chain.append(connection, table, {"what": object(), "data": None})
