"""
Lists, details and exports. Every list pages by key, so the thousandth page costs what the first one does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, func, select, tuple_

from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.bounds import load_json, some_word
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.failures import failures_of_run
from arc_proxy.store.filters import (
    CallFilter,
    Condition,
    RunFilter,
    call_conditions,
    run_conditions,
    series_of_model,
)
from arc_proxy.store.launches import exited_ns
from arc_proxy.store.live import is_final
from arc_proxy.store.load import (
    FACTS,
    LINES,
    RUNS,
    call_line,
    call_rows,
    fact_rows,
    run_row,
    whole_calls,
)
from arc_proxy.store.trees import is_root, trees_of
from arc_proxy.store.views import (
    CallDetail,
    CallLine,
    CallRow,
    Cursor,
    FactRow,
    Match,
    RunDetail,
    RunRow,
    RunTree,
    WriterCounts,
)

PAGE = 500  # rows that an export reads at a time
RUN_CALLS_MAX = 10_000
RARE_CALLS_MAX = 10_000  # so many are sorted faster than millions are gone through

ANY_CALL = CallFilter()
ANY_RUN = RunFilter()


def list_calls(
    store: Store,
    wanted: CallFilter = ANY_CALL,
    *,
    limit: int = 50,
    after: Cursor | None = None,
    oldest_first: bool = False,
) -> tuple[CallLine, ...]:
    """The latest calls, or the oldest; `after` is the last one's `cursor` on the page before."""
    with reading(store) as connection:
        return tuple(map(call_line, _lines(connection, wanted, limit, after, oldest_first)))


def list_runs(
    store: Store,
    wanted: RunFilter = ANY_RUN,
    *,
    limit: int = 50,
    after: Cursor | None = None,
    oldest_first: bool = False,
) -> tuple[RunRow, ...]:
    """The latest runs by their start, or the oldest; `after` as for calls."""
    with reading(store) as connection:
        return _runs(connection, wanted, limit, after, oldest_first)


def list_run_trees(
    store: Store,
    wanted: RunFilter = ANY_RUN,
    *,
    limit: int = 50,
    after: Cursor | None = None,
    oldest_first: bool = False,
) -> tuple[RunTree, ...]:
    """
    As `list_runs`, of runs that have no parent here, or of that id; those of their sub-agents stand below.
    """
    roots = () if wanted.run_id is not None else (is_root(),)
    with reading(store) as connection:
        return trees_of(connection, _runs(connection, wanted, limit, after, oldest_first, *roots))


def iter_calls(store: Store, wanted: CallFilter = ANY_CALL) -> Iterator[CallRow]:
    """Every call, oldest first, in pages: no transaction is open while the caller works."""
    after: Cursor | None = None
    while True:
        with reading(store) as connection:
            lines = _lines(connection, wanted, PAGE, after, True)
            rows = call_rows(connection, lines)
        yield from rows
        if len(lines) < PAGE:
            return
        after = _cursor(lines[-1])


def iter_runs(store: Store, wanted: RunFilter = ANY_RUN) -> Iterator[RunRow]:
    """Every run, oldest first, in pages."""
    after: Cursor | None = None
    while True:
        page = list_runs(store, wanted, limit=PAGE, after=after, oldest_first=True)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].cursor


def iter_whole_calls(store: Store, wanted: CallFilter = ANY_CALL) -> Iterator[Call]:
    """Every call with all that is known of it, oldest first. Saving one again changes nothing."""
    after: Cursor | None = None
    while True:
        calls, after = whole_calls_after(store, after, wanted)
        yield from calls
        if after is None:
            return


def whole_calls_after(
    store: Store, after: Cursor | None, wanted: CallFilter = ANY_CALL
) -> tuple[list[Call], Cursor | None]:
    """A page of calls with all that is known of them, and where the next begins; None where there is none."""
    with reading(store) as connection:
        lines = _lines(connection, wanted, PAGE, after, True)
        return whole_calls(connection, lines), _cursor(lines[-1]) if lines else None


def count_calls(store: Store, *, until: Cursor | None = None) -> int:
    """All calls, or those up to and with one."""
    call = tables.call.c
    statement = select(func.count()).select_from(tables.call)
    if until is not None:
        statement = statement.where(tuple_(call.started_ns, call.id) <= tuple_(*until))
    with reading(store) as connection:
        return int(connection.execute(statement).scalar_one())


def read_call(store: Store, key: int) -> CallDetail | None:
    with reading(store) as connection:
        found = dicts(connection, LINES.where(tables.call.c.id == key))
        if not found:
            return None
        [row] = found
        [call] = whole_calls(connection, found)
        return CallDetail(line=call_line(row), call=call)


def read_run(store: Store, key: int, *, calls_max: int = RUN_CALLS_MAX) -> RunDetail | None:
    with reading(store) as connection:
        found = dicts(connection, RUNS.where(tables.run.c.id == key))
        if not found:
            return None
        fact = tables.fact.c
        return RunDetail(
            run=run_row(found[0]),
            calls=_calls_of(connection, key, calls_max),
            facts=fact_rows(
                connection, FACTS.where(fact.run_key == key).order_by(fact.at_ns, fact.id).limit(calls_max)
            ),
            parts=trees_of(connection, (run_row(found[0]),))[0].parts,
            is_final=is_final(connection, key),
            exited_ns=exited_ns(connection, found[0]),
            last_step=_last_step(connection, key),
            failures=failures_of_run(connection, key),
        )


def read_run_calls(store: Store, key: int, *, calls_max: int = RUN_CALLS_MAX) -> tuple[CallLine, ...]:
    """The calls of a run in order, without what else `read_run` reads of it."""
    with reading(store) as connection:
        return _calls_of(connection, key, calls_max)


def _calls_of(connection: Connection, run_key: int, calls_max: int) -> tuple[CallLine, ...]:
    call = tables.call.c
    calls = LINES.where(call.run_key == run_key).order_by(call.started_ns, call.id).limit(calls_max)
    return tuple(map(call_line, dicts(connection, calls)))


def read_fact(store: Store, fact_id: str) -> FactRow | None:
    """The fact of this record, whoever wrote it."""
    with reading(store) as connection:
        found = fact_rows(connection, FACTS.where(tables.fact.c.fact_id == fact_id).limit(1))
    return found[0] if found else None


def _last_step(connection: Connection, run_key: int) -> Call | None:
    call = tables.call.c
    steps = LINES.where(call.run_key == run_key, call.kind == Kind.GENERATION)
    last = dicts(connection, steps.order_by(call.started_ns.desc(), call.id.desc()).limit(1))
    return whole_calls(connection, last)[0] if last else None


def find(store: Store, text: str, *, limit: int = 10) -> tuple[Match, ...]:
    """
    What an id, or the beginning of one, stands for: calls, runs (old ids too) and sessions.

    An exact id shadows everything that only begins with it.
    """
    text = some_word(text)
    with reading(store) as connection:
        exact = _find(connection, text, text, limit)
        # The highest code point: every text that begins with `text` sorts before it.
        return exact or (_find(connection, text, text + "\U0010ffff", limit) if text else ())


def run_key_of(store: Store, run_id: str, agent: str | None) -> int | None:
    """
    The key of a run by its id, or by one that it had before. `agent` None: whoever's it is, and None where
    several have one of that id; "": who names none.
    """
    run, alias, of = tables.run, tables.run_alias, tables.agent
    now = select(run.c.id).join(of, of.c.id == run.c.agent_id).where(run.c.run_id == some_word(run_id))
    before = (
        select(run.c.id)
        .join(of, of.c.id == run.c.agent_id)
        .join(alias, alias.c.run_key == run.c.id)
        .where(alias.c.alias == some_word(run_id))
    )
    with reading(store) as connection:
        for statement in (now, before):
            of_agent = statement if agent is None else statement.where(of.c.name == some_word(agent))
            keys = set(connection.execute(of_agent.limit(2)).scalars())
            if keys:
                return keys.pop() if len(keys) == 1 else None
    return None


def call_key_of(store: Store, call_id: str) -> int | None:
    with reading(store) as connection:
        found = select(tables.call.c.id).where(tables.call.c.call_id == some_word(call_id)).limit(1)
        return connection.execute(found).scalar()


def writer_counts(store: Store) -> tuple[WriterCounts, ...]:
    segment = tables.segment
    with reading(store) as connection:
        return tuple(
            WriterCounts(
                writer=row.writer,
                position=load_json(row.position or "null"),
                counts=load_json(row.counts or "{}"),
                tallies=load_json(row.tallies or "{}"),
            )
            for row in connection.execute(select(segment).order_by(segment.c.writer))
        )


def _find(connection: Connection, low: str, high: str, limit: int) -> tuple[Match, ...]:
    call, run, agent, session, alias = (
        tables.call,
        tables.run,
        tables.agent,
        tables.session,
        tables.run_alias,
    )
    runs = select(run.c.id, run.c.run_id, agent.c.name).join(agent, agent.c.id == run.c.agent_id)
    calls = select(call.c.id, call.c.call_id, agent.c.name).join(agent, agent.c.id == call.c.agent_id)
    sessions = select(session.c.id, session.c.session_id)
    aliased = runs.join(alias, alias.c.run_key == run.c.id)
    matches: list[Match] = []
    seen: set[tuple[str, int]] = set()
    for noun, statement, column in (
        ("call", calls, call.c.call_id),
        ("run", runs, run.c.run_id),
        ("run", aliased, alias.c.alias),
        ("session", sessions, session.c.session_id),
    ):
        within = statement.where(column >= low, column <= high).order_by(column).limit(limit)
        for key, ident, *name in connection.execute(within):
            if (noun, key) not in seen:
                seen.add((noun, key))
                matches.append(Match(noun=noun, key=key, id=ident, agent=(name[0] or None) if name else None))
    return tuple(matches[:limit])


def _runs(
    connection: Connection,
    wanted: RunFilter,
    limit: int,
    after: Cursor | None,
    oldest_first: bool,
    *more: Condition,
) -> tuple[RunRow, ...]:
    statement = RUNS.where(*run_conditions(wanted), *more)
    return tuple(map(run_row, dicts(connection, _page(statement, tables.run, limit, after, oldest_first))))


def _page(statement: Select[Any], table: Any, limit: int, after: Cursor | None, oldest_first: bool) -> Any:
    place = tuple_(table.c.started_ns, table.c.id)
    if after is not None:
        mark = tuple_(*after)
        statement = statement.where(place > mark if oldest_first else place < mark)
    order = (
        (table.c.started_ns, table.c.id) if oldest_first else (table.c.started_ns.desc(), table.c.id.desc())
    )
    return statement.order_by(*order).limit(limit)


def _lines(
    connection: Connection, wanted: CallFilter, limit: int, after: Cursor | None, oldest_first: bool
) -> list[dict[str, Any]]:
    is_rare = wanted.model is None or _is_rare(connection, wanted.model)
    statement = LINES.where(*call_conditions(wanted, model_by_index=is_rare))
    page = _page(statement, tables.call, limit, after, oldest_first)
    return dicts(connection, page)


def _is_rare(connection: Connection, model: str) -> bool:
    """By the sums of whole days, which are few whatever the number of calls."""
    day = tables.rollup_day.c
    calls = select(func.sum(day.attempts)).where(day.series_id.in_(series_of_model(model)))
    return (connection.execute(calls).scalar() or 0) <= RARE_CALLS_MAX


def _cursor(row: Mapping[str, Any]) -> Cursor:
    return (row["started_ns"], row["id"])
