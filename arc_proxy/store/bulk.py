"""
Many rows at a time, in and out, as SQL text with plain tuples.

SQLAlchemy writes the text once; what it would do per value, some 25 us for a call's 57 columns and 10 us for
each value of an IN, is left out. Values are those that the drivers take as they are: int, float, str,
bytes, bool and None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Select, Table, insert
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

T = TypeVar("T")

STREAMED_AT_A_TIME = 1000
IN_MAX = 512  # values in one IN: far below what either database refuses

Name = tuple[Any, ...]


def slices(items: Sequence[T], size: int = IN_MAX) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Every row has every column of the table."""
    if rows:
        sql, columns = _insertion(connection.dialect.name, table)
        values = itemgetter(*columns)
        connection.exec_driver_sql(sql, [values(row) for row in rows])


def rows_in(
    connection: Connection, table: Table, columns: Sequence[str], wanted: Iterable[Name], *picked: str
) -> Iterator[tuple[Any, ...]]:
    """The values of `columns` and `picked` of the rows whose `columns` are among `wanted`."""
    names = sorted(set(wanted))
    for some in slices(names):
        if connection.dialect.name == "sqlite":
            # Padded to a power of two, so that the database sees a few texts again and again.
            size = 1 << (len(some) - 1).bit_length()
            padded = [*some, *[some[-1]] * (size - len(some))] if len(columns) == 1 else some
            sql = _selection(table, tuple(columns), picked, len(padded))
            values: tuple[Any, ...] = tuple(value for name in padded for value in name)
        else:
            sql = _array_selection(table, tuple(columns), picked)
            values = tuple(list(column) for column in zip(*some, strict=True))
        yield from map(tuple, connection.exec_driver_sql(sql, values))


def dicts(connection: Connection, statement: Select[Any]) -> list[dict[str, Any]]:
    """The rows that a statement finds. SQLAlchemy's mappings take three times as long."""
    result = connection.execute(statement)
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def stream(connection: Connection, statement: Select[Any]) -> Iterator[dict[str, Any]]:
    """As `dicts`, some rows at a time: for more of them than memory should hold."""
    # An option of the statement: one of the connection would outlast it.
    result = connection.execute(statement, execution_options={"yield_per": STREAMED_AT_A_TIME})
    names = tuple(result.keys())
    for row in result:
        yield dict(zip(names, row, strict=True))


@lru_cache(maxsize=64)
def _insertion(dialect: str, table: Table) -> tuple[str, tuple[str, ...]]:
    compiled = insert(table).compile(dialect=_DIALECTS[dialect])
    columns = compiled.positiontup
    assert columns is not None, "both dialects are asked for positional parameters"
    return str(compiled), tuple(columns)


@lru_cache(maxsize=256)
def _selection(table: Table, columns: tuple[str, ...], picked: tuple[str, ...], size: int) -> str:
    """For SQLite. An IN of pairs would scan the table; a cross join is made in the order it is written in."""
    quote = _DIALECTS["sqlite"].identifier_preparer.quote
    head = f"SELECT {_names(table, (*columns, *picked), quote)} FROM"
    name = quote(table.name)
    if len(columns) == 1:
        return f"{head} {name} WHERE {_names(table, columns, quote)} IN ({', '.join('?' * size)})"
    fields = [f"w{number}" for number in range(len(columns))]
    one = f"({', '.join('?' * len(columns))})"
    matches = " AND ".join(
        f"{name}.{quote(column)} = wanted.{field}" for column, field in zip(columns, fields, strict=True)
    )
    return (
        f"WITH wanted({', '.join(fields)}) AS (VALUES {', '.join([one] * size)}) "
        f"{head} wanted CROSS JOIN {name} ON {matches}"
    )


@lru_cache(maxsize=64)
def _array_selection(table: Table, columns: tuple[str, ...], picked: tuple[str, ...]) -> str:
    """For PostgreSQL, with one array for each column."""
    dialect = _DIALECTS["postgresql"]
    quote = dialect.identifier_preparer.quote
    name = quote(table.name)
    fields = [f"w{number}" for number in range(len(columns))]
    arrays = ", ".join(
        f"%s::{table.c[column].type.compile(dialect).partition(' ')[0]}[]" for column in columns
    )
    matches = " AND ".join(
        f"{name}.{quote(column)} = wanted.{field}" for column, field in zip(columns, fields, strict=True)
    )
    head = f"SELECT {_names(table, (*columns, *picked), quote)} FROM"
    return f"{head} unnest({arrays}) AS wanted({', '.join(fields)}) JOIN {name} ON {matches}"


def _names(table: Table, columns: Iterable[str], quote: Callable[[str], str]) -> str:
    return ", ".join(f"{quote(table.name)}.{quote(column)}" for column in columns)


# Positional parameters, which both drivers' text takes.
_DIALECTS: dict[str, Dialect] = {
    "sqlite": SQLiteDialect(paramstyle="qmark"),
    "postgresql": PGDialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
