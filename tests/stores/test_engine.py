"""Units of work: durable, grouped, isolated from each other's errors."""

import asyncio
import sqlite3

import pytest
import sqlalchemy as sa

from sztb.errors import Misuse, Unavailable
from sztb.store import writer
from sztb.store.engine import Database

metadata = sa.MetaData()
items = sa.Table(
    "items", metadata, sa.Column("name", sa.String, primary_key=True), sa.Column("size", sa.Integer)
)
parts = sa.Table(
    "parts",
    metadata,
    sa.Column("item", sa.ForeignKey("items.name", deferrable=True, initially="DEFERRED")),
)


@pytest.fixture
async def database(tmp_path):
    database = await Database.open(f"sqlite:///{tmp_path}/test.db", metadata)
    yield database
    await database.close()


def insert(name):
    return lambda connection: connection.execute(sa.insert(items), {"name": name, "size": 1})


def names(connection):
    return set(connection.scalars(sa.select(items.c.name)))


async def test_what_was_written_is_read_by_another_process(database, tmp_path):
    await database.write(insert("a"))
    with sqlite3.connect(tmp_path / "test.db") as other:
        assert other.execute("select name from items").fetchall() == [("a",)]
    other.close()


async def test_an_error_in_one_unit_leaves_the_others_of_its_batch(database):
    results = await asyncio.gather(
        *(database.write(insert(name)) for name in ("a", "b", "a", "c")), return_exceptions=True
    )
    assert [isinstance(result, sa.exc.IntegrityError) for result in results] == [
        False, False, True, False,
    ]  # fmt: skip
    assert await database.read(names) == {"a", "b", "c"}


async def test_a_unit_that_fails_halfway_stores_nothing(database):
    def halfway(connection):
        insert("half")(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(halfway)
    assert await database.read(names) == set()


@pytest.mark.parametrize("beside", [[], ["a"], ["a", "b"]])
async def test_an_error_of_the_commit_goes_to_who_caused_it(database, beside):
    def orphan(connection):
        connection.execute(sa.insert(parts), {"item": "nowhere"})

    units = [orphan, *map(insert, beside)]
    results = await asyncio.gather(*map(database.write, units), return_exceptions=True)
    assert isinstance(results[0], sa.exc.IntegrityError)
    assert not any(isinstance(result, Exception) for result in results[1:])
    assert await database.read(names) == set(beside)


async def test_a_batch_that_is_split_keeps_the_errors_of_its_units(database):
    def fail_once(connection):
        if fail_once.left:
            fail_once.left -= 1
            raise sa.exc.OperationalError("x", None, Exception("passing"))
        insert("c")(connection)

    fail_once.left = 1
    units = [insert("a"), insert("a"), fail_once]
    results = await asyncio.gather(*map(database.write, units), return_exceptions=True)
    assert isinstance(results.pop(1), sa.exc.IntegrityError)
    assert not any(isinstance(result, Exception) for result in results)
    assert await database.read(names) == {"a", "c"}


async def test_many_units_share_few_commits(database):
    statements = []
    driver = await database.write(lambda connection: connection.connection.dbapi_connection)
    driver.set_trace_callback(statements.append)
    await asyncio.gather(*(database.write(insert(f"n{number}")) for number in range(500)))
    assert 1 <= statements.count("COMMIT") < 250
    assert len(await database.read(names)) == 500


async def test_reader_cannot_write(database):
    with pytest.raises(Unavailable, match=r"readonly|attempt to write"):
        await database.read(insert("x"))


async def test_locked_database_is_unavailable_and_recovers(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_MS", 20)
    database = await Database.open(f"sqlite:///{tmp_path}/locked.db", metadata)
    other = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = await asyncio.gather(
        database.write(insert("a")), database.write(insert("b")), return_exceptions=True
    )
    assert all(isinstance(answer, Unavailable) for answer in answers)
    other.execute("ROLLBACK")
    other.close()
    await database.write(insert("c"))
    assert await database.read(names) == {"c"}
    await database.close()


async def test_the_event_loop_goes_on_while_the_database_is_locked(database, tmp_path):
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(database.write(insert("a")))
    assert await database.read(names) == set()
    await asyncio.sleep(0)
    assert not waiting.done()
    other.execute("ROLLBACK")
    other.close()
    await waiting
    assert await database.read(names) == {"a"}


async def test_full_disk_is_unavailable_and_stores_nothing_of_the_unit(database):
    limit = await database.write(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=8").scalar()
    )
    assert limit == 8

    def big(connection):
        insert("small")(connection)
        connection.execute(sa.insert(items), {"name": "x" * 200_000, "size": 1})

    with pytest.raises(Unavailable, match="full"):
        await database.write(big)
    assert await database.read(names) == set()
    results = await asyncio.gather(
        database.write(insert("a")), database.write(big), database.write(insert("b")),
        return_exceptions=True,
    )  # fmt: skip
    assert [isinstance(result, Unavailable) for result in results] == [False, True, False]
    assert await database.read(names) == {"a", "b"}


async def test_too_many_waiting_units_are_turned_away(database, monkeypatch):
    monkeypatch.setattr(writer, "MAX_WAITING", 0)
    with pytest.raises(Unavailable, match="too many"):
        await database.write(insert("a"))


async def test_closed_database_is_unavailable(tmp_path):
    database = await Database.open(f"sqlite:///{tmp_path}/closed.db", metadata)
    pending = asyncio.ensure_future(database.write(insert("last")))
    await asyncio.sleep(0)
    await database.close()
    await database.close()
    await pending
    with pytest.raises(Unavailable, match="closed"):
        await database.read(names)


async def test_cancelled_caller_does_not_hurt(database):
    task = asyncio.ensure_future(database.write(insert("a")))
    await asyncio.sleep(0)
    task.cancel()
    await database.write(insert("b"))
    assert "b" in await database.read(names)


async def test_unusable_urls(tmp_path):
    with pytest.raises(Misuse, match="sqlite:///"):
        await Database.open("mysql://x")
    with pytest.raises(Unavailable, match="unable to open"):
        await Database.open(f"sqlite:///{tmp_path}/no/such/folder.db")


async def test_a_transaction_that_was_left_open_does_not_block_later_ones(database):
    database._writer._connection.run("BEGIN IMMEDIATE")
    await database.write(insert("a"))
    assert await database.read(names) == {"a"}
