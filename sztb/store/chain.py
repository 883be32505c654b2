"""Append-only tables whose rows are chained by hash, so that a removed or edited row shows.

Row n holds digest(n) = SHA-256(digest(n-1) || canonical JSON of its fields). The head of every
chain is kept in `chain_heads`, so that a cut tail shows too and so that two writers take turns.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from sztb.store.prepared import Prepared

GENESIS = bytes(32)


def chain_heads(metadata: sa.MetaData) -> sa.Table:
    """Define (once per metadata) the table with the last digest of every chain."""
    known = metadata.tables.get("chain_heads")
    if known is not None:
        return known
    return sa.Table(
        "chain_heads",
        metadata,
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
    )


def chained_table(name: str, metadata: sa.MetaData, *columns: sa.Column[Any]) -> sa.Table:
    """Define an append-only table with the given columns plus sequence, previous and digest."""
    chain_heads(metadata)
    return sa.Table(
        name,
        metadata,
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        *columns,
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
    )


def _digest(previous: bytes, fields: dict[str, Any]) -> bytes:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_hex)
    return hashlib.sha256(previous + text.encode()).digest()


def _hex(value: object) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    raise TypeError(f"not chainable: {type(value).__name__}")


def append(connection: sa.Connection, table: sa.Table, fields: dict[str, Any]) -> int:
    """Add one row inside the caller's transaction and return its sequence number (from 1).

    Args:
        connection: inside a transaction.
        table: made by `chained_table`.
        fields: values for every column the table was defined with; str, int, bool, bytes, None.
    """
    statements = _statements(table)
    key = {"chain": statements.chain}
    head = statements.head.first(connection, key)
    length, previous = (0, GENESIS) if head is None else (head.length, bytes(head.digest))
    digest = _digest(previous, fields)
    row = {**fields, "sequence": length + 1, "previous": previous, "digest": digest}
    statements.insert.run(connection, row)
    advance = statements.first if head is None else statements.next
    advance.run(connection, key | {"new_length": length + 1, "new_digest": digest})
    return length + 1


@dataclass(frozen=True, slots=True)
class _Statements:
    """What `append` executes, built once per table: building costs more than executing."""

    chain: str
    head: Prepared
    insert: Prepared
    first: Prepared
    next: Prepared


@lru_cache(maxsize=32)
def _statements(table: sa.Table) -> _Statements:
    heads = chain_heads(table.metadata)
    values: dict[str, sa.BindParameter[Any]] = {
        "length": bindparam("new_length"),
        "digest": bindparam("new_digest"),
    }
    own = heads.c.name == bindparam("chain")
    return _Statements(
        chain=str(table.name),  # a plain str: SQLAlchemy's kind costs the driver a detour
        head=Prepared(sa.select(heads.c.length, heads.c.digest).where(own).with_for_update()),
        insert=Prepared(sa.insert(table)),
        first=Prepared(sa.insert(heads).values({"name": bindparam("chain")} | values)),
        next=Prepared(sa.update(heads).where(own).values(values)),
    )


def verify(connection: sa.Connection, table: sa.Table) -> int:
    """Check the whole chain and return its length.

    Raises:
        ValueError: names the first sequence number that does not fit.
    """
    heads = chain_heads(table.metadata)
    own = {"sequence", "previous", "digest"}
    previous, count = GENESIS, 0
    for row in connection.execute(sa.select(table).order_by(table.c.sequence)).mappings():
        count += 1
        fields = {name: value for name, value in row.items() if name not in own}
        if row["sequence"] != count or bytes(row["previous"]) != previous:
            raise ValueError(f"{table.name}: row missing before sequence {row['sequence']}")
        if bytes(row["digest"]) != _digest(previous, fields):
            raise ValueError(f"{table.name}: row {count} was changed")
        previous = bytes(row["digest"])
    head = connection.execute(
        sa.select(heads.c.length, heads.c.digest).where(heads.c.name == table.name)
    ).one_or_none()
    if (count, previous) != ((head.length, bytes(head.digest)) if head else (0, GENESIS)):
        raise ValueError(f"{table.name}: rows missing after sequence {count}")
    return count
