"""Statements for hot paths: compiled once per dialect, executed on the driver's own cursor.

`Connection.execute` costs 15 to 40 µs of Python per statement, SQLite itself 3 to 5. A `Prepared`
statement is written with SQLAlchemy like any other, so it is right on every dialect, and costs
about 6. What it does not do is convert types: give it and take from it what the driver has (int,
str, bytes, None; a boolean column reads as int on SQLite).
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, object]
Bind = Callable[[Values], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    arguments: Bind  # from named values to what the driver takes


class Prepared:
    """One statement with named parameters; safe to keep at module level."""

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete) -> None:
        """Keep the statement; it is compiled when a connection first executes it.

        Args:
            statement: every parameter a `bindparam`; an insert takes every column of its table.
        """
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}
        columns = statement.selected_columns.keys() if isinstance(statement, sa.Select) else ()
        self._row: Any = namedtuple("_Row", columns)  # type: ignore[misc]  # known at run time

    def first(self, connection: sa.Connection, values: Values) -> Any:  # noqa: ANN401
        """Return the first row of a select, with the columns as attributes, or None."""
        cursor = self._execute(connection, values)
        try:
            row = cursor.fetchone()
        finally:
            cursor.close()
        return None if row is None else self._row._make(row)

    def run(self, connection: sa.Connection, values: Values) -> int:
        """Execute an insert, update or delete; return how many rows it touched."""
        cursor = self._execute(connection, values)
        count: int = cursor.rowcount
        cursor.close()
        return count

    def _execute(self, connection: sa.Connection, values: Values) -> Any:  # noqa: ANN401
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.text, compiled.arguments(values))
        except dialect.loaded_dbapi.Error as error:
            cursor.close()
            raise DBAPIError.instance(  # as Connection.execute would say it; never the values
                compiled.text, None, error, dialect.loaded_dbapi.Error, dialect=dialect
            ) from error
        return cursor

    def _compile(self, dialect: sa.Dialect) -> _Compiled:
        keys = None
        if isinstance(self._statement, sa.Insert):
            keys = self._statement.table.columns.keys()
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101  # what compile() makes of statements
        constants = {
            name: bind.value for bind, name in compiled.bind_names.items() if not bind.required
        }
        names = tuple(compiled.positiontup or ()) if compiled.positional else None
        made = self._compiled[dialect.name] = _Compiled(compiled.string, _bind(names, constants))
        return made


def _bind(names: tuple[str, ...] | None, constants: dict[str, object]) -> Bind:
    """Return what puts values and the statement's own constants into the driver's form.

    Args:
        names: in which order the driver wants the values; None: by name.
        constants: parameters that the statement itself gives a value.
    """
    if names is None:
        return lambda values: {**constants, **values}
    if constants:
        return lambda values: tuple([{**constants, **values}[name] for name in names])
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])
