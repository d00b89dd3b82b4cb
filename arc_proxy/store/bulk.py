"""
Many rows at a time, in and out, as SQL text with plain tuples.

SQLAlchemy writes the text once; what it would do per value, some 25 us for a call's 57 columns and 10 us for
each value of an IN, is left out. Values are those that the drivers take as they are: int, float, str,
bytes, bool and None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Table, insert, select
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

T = TypeVar("T")

STREAMED = {"yield_per": 1000}  # for one statement; on a connection it would outlast it
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
    names = sorted(wanted)
    for some in slices(names):
        # Padded to a power of two, so that the database sees a few texts again and again.
        size = 1 << (len(some) - 1).bit_length()
        padded = [*some, *[some[-1]] * (size - len(some))]
        sql = _selection(connection.dialect.name, table, tuple(columns), picked, size)
        values = tuple(value for name in padded for value in name)
        yield from map(tuple, connection.exec_driver_sql(sql, values))


@lru_cache(maxsize=64)
def _insertion(dialect: str, table: Table) -> tuple[str, tuple[str, ...]]:
    compiled = insert(table).compile(dialect=_DIALECTS[dialect])
    columns = compiled.positiontup
    assert columns is not None, "both dialects are asked for positional parameters"
    return str(compiled), tuple(columns)


@lru_cache(maxsize=256)
def _selection(
    dialect: str, table: Table, columns: tuple[str, ...], picked: tuple[str, ...], size: int
) -> str:
    is_sqlite = dialect == "sqlite"
    prepare = _DIALECTS[dialect].identifier_preparer
    # SQLite takes a list of pairs only as VALUES, whose types PostgreSQL would have to guess.
    mark = "?" if is_sqlite else "%s"
    one = f"({', '.join([mark] * len(columns))})" if len(columns) > 1 else mark
    values = ", ".join([one] * size)
    if len(columns) > 1 and is_sqlite:
        values = f"VALUES {values}"
    quoted = ", ".join(prepare.quote(name) for name in columns)
    sought = f"({quoted})" if len(columns) > 1 else quoted
    head = select(*(table.c[name] for name in (*columns, *picked))).compile(dialect=_DIALECTS[dialect])
    return f"{head} WHERE {sought} IN ({values})"


# Positional parameters, which both drivers' text takes.
_DIALECTS: dict[str, Dialect] = {
    "sqlite": SQLiteDialect(paramstyle="qmark"),
    "postgresql": PGDialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
