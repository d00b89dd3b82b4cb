"""
Sums over a period, for the card, the tables and the charts: from the rollups, whatever the number of calls.

A period of up to `RAW_MAX_NS` is read from the raw rows and exact to the nanosecond. A longer one is
widened to whole hours, and says so by the bounds in the answer. It is read from the days, with hours at both
ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Table, func, select, text

from arc_proxy.call import Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import stream
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.names import OTHER, OTHER_AGENT, rollup_agent
from arc_proxy.store.sums import (
    DAY_NS,
    DURATION,
    FIRST_BYTE,
    HOUR_NS,
    PROJECT_SUMS,
    RUN_SUMS,
    SERIES_SUMS,
    Difference,
)
from arc_proxy.store.totals import (
    RAW_MAX_NS,
    AgentUse,
    CallTotals,
    Doubt,
    Period,
    PeriodUse,
    Point,
    ProjectUse,
    RunTotals,
    Series,
    SeriesUse,
    latency_of,
)
from arc_proxy.store.trees import whole_key
from pricing.cost import CostGrade

HOURS_MAX_NS = 2 * DAY_NS  # beyond it the days are read
RUN_COSTS_MAX = 1000
MADE_OF_RUNS = 100


@dataclass(frozen=True, slots=True)
class MadeOf:
    """An agent's framework and version; None: no run shows any."""

    framework: str | None = None
    version: str | None = None


def read_use(store: Store, period: Period, *, agent: str | None = None) -> PeriodUse:
    """Every agent with runs or calls in the period, or the one of that name ("" for the unnamed)."""
    period = period.widened()
    before = period.before()
    with reading(store) as connection:
        names = _agent_names(connection)
        runs = _by_agent(_sum(connection, period, _RUNS), names)
        runs_before = _by_agent(_sum(connection, before, _RUNS), names)
        uses = _series_uses(connection, period, names)
    agents: dict[str | None, list[SeriesUse]] = {name: [] for name in runs}
    for use in uses:
        agents.setdefault(use.series.agent, []).append(use)
    found = [
        AgentUse(
            agent=name,
            runs=runs.get(name, RunTotals()),
            runs_before=runs_before.get(name, RunTotals()),
            series=tuple(series),
        )
        for name, series in agents.items()
        if agent is None or (name or "") == agent
    ]
    found.sort(key=lambda use: (-use.runs.runs, use.agent or ""))
    return PeriodUse(period=period, agents=tuple(found))


def read_run_totals(
    store: Store, period: Period, *, agent: str | None = None
) -> dict[str | None, tuple[RunTotals, RunTotals]]:
    """Per agent its runs of the period and of the period before, without what a whole report reads."""
    period = period.widened()
    with reading(store) as connection:
        names = _agent_names(connection)
        now = _by_agent(_sum(connection, period, _RUNS), names)
        before = _by_agent(_sum(connection, period.before(), _RUNS), names)
    return {
        name: (now.get(name, RunTotals()), before.get(name, RunTotals()))
        for name in now | before
        if agent is None or (name or "") == agent
    }


def read_projects(store: Store, period: Period, *, agent: str | None = None) -> tuple[ProjectUse, ...]:
    """Every project with runs or calls in the period, the costliest first. What names none is in none."""
    period = period.widened()
    found: dict[tuple[Any, ...], Sequence[int]] = {}
    with reading(store) as connection:
        names = _agent_names(connection)
        for (project, agent_id), sums in _sum(connection, period, _PROJECTS).items():
            if any(sums) and (agent is None or (names[agent_id] or "") == agent):
                _merge(found, (project,), sums)
    uses = [
        ProjectUse(project=project, runs=runs, failed_runs=failed, totals=_totals(CallTotals, sums))
        for (project,), (runs, failed, *sums) in found.items()
    ]
    return tuple(sorted(uses, key=lambda use: (-use.totals.known_nanousd, -use.totals.calls, use.project)))


def read_chart(
    store: Store, period: Period, *, by_hour: bool, agent: str | None = None, auxiliary: bool = True
) -> tuple[Point, ...]:
    """Sums over calls by hour or by day (UTC), oldest first; hours without calls are left out."""
    table, grain = (tables.rollup_hour, HOUR_NS) if by_hour else (tables.rollup_day, DAY_NS)
    columns = [func.sum(table.c[name]) for name in SERIES_SUMS]
    statement = (
        select(table.c.start, *columns)
        .where(table.c.start >= period.since_ns // grain, table.c.start < -(-period.until_ns // grain))
        .group_by(table.c.start)
        .order_by(table.c.start)
    )
    if not auxiliary:
        steps = select(tables.series.c.id).where(tables.series.c.kind != str(Kind.AUXILIARY))
        statement = statement.where(table.c.series_id.in_(steps))
    with reading(store) as connection:
        if agent is not None:
            keys = [key for key, name in _agent_names(connection).items() if (name or "") == agent]
            of_agent = select(tables.series.c.id).where(tables.series.c.agent_id.in_(keys))
            statement = statement.where(table.c.series_id.in_(of_agent))
        return tuple(
            Point(start_ns=start * grain, totals=_totals(CallTotals, sums))
            for start, *sums in connection.execute(statement)
        )


def read_run_costs(
    store: Store, period: Period, agent: str | None, *, limit: int = RUN_COSTS_MAX
) -> tuple[int, float, float]:
    """
    Of the known costs of the latest runs of one agent in the period, each with its parts: how many, their
    sum, the sum of their squares (nanodollars). For a test of whether a change is chance.
    """
    run = tables.run.c
    latest = (
        select((run.cost_nanousd * 1.0).label("cost"), whole_key().label("whole"))
        .where(
            run.agent_id == agent_id_of(agent),
            run.started_ns >= period.since_ns,
            run.started_ns < period.until_ns,
            run.calls > 0,
            run.unpriced_calls == 0,
        )
        .order_by(run.started_ns.desc())
        .limit(limit)
        .subquery()
    )
    cost = select(func.sum(latest.c.cost).label("cost")).group_by(latest.c.whole).subquery().c.cost
    statement = select(func.count(), func.sum(cost), func.sum(cost * cost))
    with reading(store) as connection:
        count, total, squares = connection.execute(statement).one()
    return int(count), float(total or 0), float(squares or 0)


def read_made_of(store: Store, period: Period, agent: str | None) -> MadeOf:
    """What the latest runs of an agent in the period show of how it is made. Raises StoreError."""
    run = tables.run.c
    latest = (
        select(run.framework, run.version)
        .where(
            run.agent_id == agent_id_of(agent),
            run.started_ns >= period.since_ns,
            run.started_ns < period.until_ns,
        )
        .order_by(run.started_ns.desc())
        .limit(MADE_OF_RUNS)
    )
    with reading(store) as connection:
        rows = connection.execute(latest).all()
    return MadeOf(
        framework=next((row.framework for row in rows if row.framework is not None), None),
        version=next((row.version for row in rows if row.version is not None), None),
    )


def read_doubts(
    store: Store, period: Period, *, agent: str | None = None, calls_max: int = 1000
) -> tuple[Doubt, ...]:
    """Reasons for doubtful costs among the latest `calls_max` such calls, the most frequent first."""
    call = tables.call.c
    model = func.coalesce(call.model, call.model_requested, "").label("model")
    latest = (
        select(call.cost_grade, call.cost_reason, model)
        .where(
            text(f"call.{tables.DOUBTFUL}"),
            call.started_ns >= period.since_ns,
            call.started_ns < period.until_ns,
        )
        .order_by(call.started_ns.desc())
        .limit(calls_max)
    )
    if agent is not None:
        key = select(tables.agent.c.id).where(tables.agent.c.name == agent).scalar_subquery()
        latest = latest.where(call.agent_id == key)
    some = latest.subquery()
    calls = func.count().label("calls")
    columns = (some.c.cost_grade, some.c.cost_reason, some.c.model)
    statement = select(*columns, calls).group_by(*columns).order_by(calls.desc(), *columns)
    with reading(store) as connection:
        return tuple(
            Doubt(grade=CostGrade(grade), reason=reason or "", model=model_name, calls=count)
            for grade, reason, model_name, count in connection.execute(statement)
        )


def read_misreported(store: Store) -> int:
    """Of all calls, how many cost what their provider says and something else by the price book."""
    with reading(store) as connection:
        return int(connection.execute(select(func.sum(tables.rollup_day.c.misreported_calls))).scalar() or 0)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of sums: its tables, its keys and how raw rows give it."""

    hour: Table
    day: Table
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    raw: Callable[[Connection, Period], Mapping[tuple[Any, ...], Sequence[int]]]


def _raw_difference(connection: Connection, period: Period, table: Table) -> Difference:
    difference = Difference()
    add = difference.call if table is tables.call else difference.run
    started = table.c.started_ns
    rows = select(table).where(started >= period.since_ns, started < period.until_ns)
    for row in stream(connection, rows):
        add(row, 1)
    return difference


def _raw_series(connection: Connection, period: Period) -> dict[tuple[int, ...], Sequence[int]]:
    found: dict[tuple[int, ...], Sequence[int]] = {}
    for (_, series_id), sums in _raw_difference(connection, period, tables.call).series.items():
        _merge(found, (series_id,), sums)
    return found


def _raw_runs(connection: Connection, period: Period) -> dict[tuple[int, ...], Sequence[int]]:
    found: dict[tuple[int, ...], Sequence[int]] = {}
    for (_, agent_id), sums in _raw_difference(connection, period, tables.run).runs.items():
        _merge(found, (agent_id,), sums)
    return found


def _raw_latencies(connection: Connection, period: Period) -> dict[tuple[int, ...], Sequence[int]]:
    found: dict[tuple[int, ...], Sequence[int]] = {}
    for (_, *key), calls in _raw_difference(connection, period, tables.call).latencies.items():
        _merge(found, tuple(key), (calls,))
    return found


def _raw_projects(connection: Connection, period: Period) -> dict[tuple[Any, ...], Sequence[int]]:
    found: dict[tuple[Any, ...], Sequence[int]] = {}
    for table in (tables.call, tables.run):
        difference = _raw_difference(connection, period, table)
        difference.cap(connection, adds=False)
        for (_, project, agent_id), sums in difference.projects.items():
            _merge(found, (project, agent_id), sums)
    return found


_SERIES = _Kind(tables.rollup_hour, tables.rollup_day, ("series_id",), SERIES_SUMS, _raw_series)
_RUNS = _Kind(tables.run_rollup_hour, tables.run_rollup_day, ("agent_id",), RUN_SUMS, _raw_runs)
_LATENCIES = _Kind(
    tables.latency_hour, tables.latency_day, ("series_id", "what", "bucket"), ("calls",), _raw_latencies
)

_PROJECTS = _Kind(
    tables.project_hour, tables.project_day, ("project", "agent_id"), PROJECT_SUMS, _raw_projects
)


def _sum(connection: Connection, period: Period, kind: _Kind) -> Mapping[tuple[Any, ...], Sequence[int]]:
    """Sums by key over a period that was `widened`."""
    if period.until_ns - period.since_ns <= RAW_MAX_NS:
        return kind.raw(connection, period)
    found: dict[tuple[Any, ...], Sequence[int]] = {}
    for table, start, end in _spans(period, kind):
        keys = [table.c[name] for name in kind.keys]
        sums = [func.sum(table.c[name]) for name in kind.sums]
        statement = select(*keys, *sums).where(table.c.start >= start, table.c.start < end).group_by(*keys)
        for row in connection.execute(statement).all():
            _merge(found, tuple(row[: len(keys)]), [int(number) for number in row[len(keys) :]])
    return found


def _spans(period: Period, kind: _Kind) -> Iterator[tuple[Table, int, int]]:
    since, until = period.since_ns // HOUR_NS, -(-period.until_ns // HOUR_NS)
    first_day, last_day = -(-since // 24), until // 24
    if period.until_ns - period.since_ns <= HOURS_MAX_NS or first_day >= last_day:
        yield kind.hour, since, until
        return
    yield kind.day, first_day, last_day
    if since < first_day * 24:
        yield kind.hour, since, first_day * 24
    if last_day * 24 < until:
        yield kind.hour, last_day * 24, until


def _series_uses(connection: Connection, period: Period, names: Mapping[int, str | None]) -> list[SeriesUse]:
    series = _all_series(connection, names)
    histograms: dict[tuple[int, int], dict[int, int]] = {}
    for (series_id, what, bucket), (calls,) in _sum(connection, period, _LATENCIES).items():
        histograms.setdefault((series_id, what), {})[bucket] = calls
    uses = [
        SeriesUse(
            series=series[series_id],
            totals=_totals(CallTotals, sums),
            duration=latency_of(histograms.get((series_id, DURATION), {})),
            first_byte=latency_of(histograms.get((series_id, FIRST_BYTE), {})),
        )
        for (series_id,), sums in _sum(connection, period, _SERIES).items()
        if any(sums)
    ]
    uses.sort(key=lambda use: (-use.totals.known_nanousd, -use.totals.attempts, use.series.model))
    return uses


def _all_series(connection: Connection, names: Mapping[int, str | None]) -> dict[int, Series]:
    return {
        row.id: Series(
            agent=names[row.agent_id],
            provider=row.provider,
            dialect=row.dialect,
            model=row.model,
            kind=row.kind,
        )
        for row in connection.execute(select(tables.series))
    }


def _agent_names(connection: Connection) -> dict[int, str | None]:
    """Of the agents that sums are kept by."""
    agent = tables.agent.c
    rows = connection.execute(select(agent.id, agent.name).order_by(agent.id))
    names: dict[int, str | None] = {
        key: name or None for key, name in rows if rollup_agent(key) != OTHER_AGENT
    }
    return names | {OTHER_AGENT: OTHER}


def _by_agent(
    sums: Mapping[tuple[int, ...], Sequence[int]], names: Mapping[int, str | None]
) -> dict[str | None, RunTotals]:
    named: dict[tuple[Any, ...], Sequence[int]] = {}
    for (agent_id,), numbers in sums.items():
        if any(numbers):
            _merge(named, (names[agent_id],), numbers)  # an agent may be called "other", too
    return {name: _totals(RunTotals, numbers) for (name,), numbers in named.items()}


def _totals(make: Any, sums: Sequence[int]) -> Any:
    """Sums in the order of their columns, which is that of the fields."""
    names = [field.name for field in fields(make)]
    return make(**dict(zip(names, map(int, sums), strict=True)))


def _merge(found: dict[tuple[Any, ...], Sequence[int]], key: tuple[Any, ...], sums: Sequence[int]) -> None:
    known = found.get(key)
    found[key] = sums if known is None else [a + b for a, b in zip(known, sums, strict=True)]
