"""
What happened, for a timeline: the latest of some runs, and what came to be known since one looked last.

New calls are found by their keys. These are handed out in order, by one writer at a time, and never again;
so one who has seen all calls up to a key misses none that comes later, however long ago it began. A call that
was open is found by its own key. What analysis found of a run is replaced as a whole, under new keys: what
comes after a key may have been there before, and who shows it has to know what he has shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts, rows_in, slices
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.failures import failures_after, failures_of_run
from arc_proxy.store.load import LINES, RUNS, call_line, run_row, tools_asked
from arc_proxy.store.views import FailureRow, RunRow, TracedCall

PAGE = 1000
# Keys of failures that were removed may be given again while the table's last rows are gone.
LOOK_BACK = 500


@dataclass(frozen=True, slots=True)
class Marks:
    """Keys up to which everything was seen."""

    call: int = 0
    failure: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """
    What came since some marks. `again`: calls that were asked for by key. `over`: those of the runs that were
    asked for which have ended, as far as the traffic tells. `has_more`: not all of the new calls are here.
    """

    marks: Marks
    calls: tuple[TracedCall, ...]
    again: tuple[TracedCall, ...]
    failures: tuple[FailureRow, ...]
    over: frozenset[int]
    runs: Mapping[int, RunRow]  # by key, of all of these
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTrace:
    """The end of a run's timeline. `earlier`: how many calls stand before the first of these."""

    run: RunRow
    calls: tuple[TracedCall, ...]  # in the order in which they began
    earlier: int
    failures: tuple[FailureRow, ...]
    is_over: bool


def read_marks(store: Store) -> Marks:
    """Of what is there now. Raises StoreError."""
    with reading(store) as connection:
        return Marks(_last(connection, "call"), _last(connection, "failure"))


def read_news(
    store: Store, since: Marks, *, again: Collection[int] = (), running: Collection[int] = ()
) -> News:
    """
    At most PAGE new calls, and once they are all here, as many failures, each in the order of their keys.

    Raises StoreError.
    """
    call = tables.call.c
    with reading(store) as connection:
        page = LINES.where(call.id > since.call).order_by(call.id).limit(PAGE)
        calls = _traced(connection, dicts(connection, page))
        once_more = _traced(connection, _lines_of(connection, again))
        has_more = len(calls) == PAGE
        # Who is shown a failure is to know its run, which he does by its calls.
        failures, last_failure = ((), since.failure) if has_more else _failures(connection, since.failure)
        over = frozenset(_over(connection, running))
        keys = {each.line.run_key for each in (*calls, *once_more)} | {each.run_key for each in failures}
        return News(
            marks=Marks(calls[-1].line.key if calls else since.call, last_failure),
            calls=calls,
            again=once_more,
            failures=failures,
            over=over,
            runs=_runs(connection, keys | over),
            has_more=has_more,
        )


def read_traces(store: Store, runs: Sequence[RunRow], *, calls_max: int) -> tuple[RunTrace, ...]:
    """The latest `calls_max` calls of each of these runs, with what was found of them. Raises StoreError."""
    call = tables.call.c
    with reading(store) as connection:
        over = _over(connection, [run.key for run in runs])
        traces = []
        for run in runs:
            latest = (
                LINES.where(call.run_key == run.key)
                .order_by(call.started_ns.desc(), call.id.desc())
                .limit(calls_max)
            )
            calls = _traced(connection, dicts(connection, latest)[::-1])
            traces.append(
                RunTrace(
                    run=run,
                    calls=calls,
                    earlier=max(0, run.attempts + run.auxiliary_calls - len(calls)),
                    failures=failures_of_run(connection, run.key),
                    is_over=run.key in over,
                )
            )
        return tuple(traces)


def _last(connection: Connection, table: str) -> int:
    key = tables.metadata.tables[table].c.id
    return int(connection.execute(select(func.max(key))).scalar() or 0)


def _failures(connection: Connection, since: int) -> tuple[tuple[FailureRow, ...], int]:
    """Those after a key and some before, and up to which key they are."""
    last = _last(connection, "failure")
    failures = failures_after(connection, max(0, min(since, last) - LOOK_BACK), limit=LOOK_BACK + PAGE)
    return failures, failures[-1].key if failures else last


def _lines_of(connection: Connection, keys: Collection[int]) -> list[dict[str, Any]]:
    call = tables.call.c
    return [
        row
        for some in slices(sorted(keys))
        for row in dicts(connection, LINES.where(call.id.in_(some)).order_by(call.id))
    ]


def _traced(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> tuple[TracedCall, ...]:
    asked = tools_asked(connection, [row["id"] for row in rows])
    return tuple(TracedCall(line=call_line(row), tools=asked.get(row["id"], ())) for row in rows)


def _over(connection: Connection, run_keys: Iterable[int]) -> set[int]:
    """One that analysis has yet to look at again may have gone on since it was over."""
    wanted = {(key,) for key in run_keys}
    looked_at = rows_in(connection, tables.health, ("run_key",), wanted, "is_over")
    over = {key for key, is_over in looked_at if is_over}
    due = rows_in(connection, tables.due, ("run_key",), {(key,) for key in over})
    return over - {key for (key,) in due}


def _runs(connection: Connection, keys: Collection[int]) -> dict[int, RunRow]:
    return {
        row["id"]: run_row(row)
        for some in slices(sorted(keys))
        for row in dicts(connection, RUNS.where(tables.run.c.id.in_(some)))
    }
