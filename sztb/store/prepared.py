"""Statements for hot paths: compiled once per dialect, executed on the driver's own cursor.

`Connection.execute` costs 15 to 40 µs of Python per statement, SQLite itself 3 to 5. A `Prepared`
statement is written with SQLAlchemy like any other, so it is right on every dialect, and costs
about 6. What it does not do is convert types: give it and take from it what the driver has (int,
str, bytes, None; a boolean column reads as int on SQLite).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    constants: dict[str, object]  # parameters that the statement itself gives a value
    names: tuple[str, ...] | None  # in which order the driver wants the values; None: by name

    def arguments(self, values: Values) -> Any:  # noqa: ANN401  # whatever the driver takes
        given = {**self.constants, **values} if self.constants else values
        if self.names is None:
            return given
        return tuple([given[name] for name in self.names])


class Prepared:
    """One statement with named parameters; safe to keep at module level."""

    def __init__(self, statement: sa.Select[Any] | sa.Insert | sa.Update | sa.Delete) -> None:
        """Keep the statement; it is compiled when a connection first executes it.

        Args:
            statement: every parameter a `bindparam`; an insert takes every column of its table.
        """
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}
        self._names: tuple[str, ...] = ()
        if isinstance(statement, sa.Select):
            self._names = tuple(statement.selected_columns.keys())

    def first(self, connection: sa.Connection, values: Values) -> Any:  # noqa: ANN401
        """Return the first row of a select, with the columns as attributes, or None."""
        cursor = self._execute(connection, values)
        try:
            row = cursor.fetchone()
        finally:
            cursor.close()
        return None if row is None else SimpleNamespace(**dict(zip(self._names, row, strict=True)))

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
        made = self._compiled[dialect.name] = _Compiled(compiled.string, constants, names)
        return made
