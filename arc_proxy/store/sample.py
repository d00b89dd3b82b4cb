"""
Some of an agent's calls, to say what another model would make of them. Reads are bounded at any traffic.

Sums per day come from the rollups. Of each day a few calls from each of its quarters are read, by the index
of series and start; of some of these the whole request. The largest prompt is looked for among the latest
calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.load import LINES, whole_calls
from arc_proxy.store.names import OTHER_AGENT, rollup_agent
from arc_proxy.store.rows import TOKEN_COLUMNS, usage_of
from arc_proxy.store.sums import DAY_NS, SERIES_SUMS
from arc_proxy.store.totals import CallTotals
from pricing.cost import CostGrade
from pricing.usage import Usage

QUARTERS = 4
LOOKED_AT = (
    12  # the latest of a quarter among which usage is read; failed calls and unpriced ones say nothing
)
WHOLE_MAX = 40  # requests that are read whole
LARGEST_OF = 20_000  # latest calls among which the largest prompt and the longest answer are looked for

_UNPRICED = (CostGrade.UNKNOWN, CostGrade.API_EQUIVALENT)
_CALL = tables.call.c
# Made once: it is asked some hundred times for each model.
_LATEST = (
    select(
        _CALL.id,
        _CALL.failed,
        _CALL.cost_grade,
        _CALL.tool_units,
        *(_CALL[name] for name in TOKEN_COLUMNS),
    )
    .where(
        _CALL.series_id == bindparam("series"),
        _CALL.started_ns >= bindparam("since"),
        _CALL.started_ns < bindparam("until"),
    )
    .order_by(_CALL.started_ns.desc())
    .limit(LOOKED_AT)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCalls:
    """One day (UTC) of one model: its sums, and the usage of some of its calls."""

    day: int  # since the epoch
    totals: CallTotals
    usages: tuple[Usage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSample:
    days: tuple[DayCalls, ...]  # those with calls, oldest first
    calls: tuple[Call, ...]  # whole
    input_tokens_max: int
    output_tokens_max: int


def read_sample(
    store: Store,
    *,
    agent: str | None,
    provider: str,
    dialect: str,
    model: str,
    first_day: int,
    last_day: int,
    per_quarter: int,
) -> ModelSample:
    """
    Of an agent's steps with a model on days from `first_day` to `last_day`, both included; the usage of up to
    `per_quarter` calls in each quarter of a day. Raises StoreError.

    Agents beyond the cap of those that sums are kept for have none of their own, so nothing of them is found.
    """
    with reading(store) as connection:
        series = _series(connection, agent, provider, dialect, model)
        sums = _day_sums(connection, series, first_day, last_day)
        rows = {day: list(_day_rows(connection, series, day, per_quarter)) for day in sums}
        every = [row for day in sorted(rows) for row in rows[day]]
        step = -(-len(every) // WHOLE_MAX) or 1
        chosen = [row["id"] for row in every[::-1][::step]]
        lines = dicts(connection, LINES.where(tables.call.c.id.in_(chosen))) if chosen else []
        most_in, most_out = _largest(connection, series, first_day, last_day)
        return ModelSample(
            days=tuple(
                DayCalls(day=day, totals=sums[day], usages=tuple(map(usage_of, rows[day])))
                for day in sorted(sums)
            ),
            calls=tuple(whole_calls(connection, lines)),
            input_tokens_max=most_in,
            output_tokens_max=most_out,
        )


def _series(
    connection: Connection, agent: str | None, provider: str, dialect: str, model: str
) -> Sequence[int]:
    key = connection.execute(select(tables.agent.c.id).where(tables.agent.c.name == (agent or ""))).scalar()
    if key is None or rollup_agent(key) == OTHER_AGENT:
        return ()
    series = tables.series.c
    wanted = select(series.id).where(
        series.agent_id == key,
        series.provider == provider,
        series.dialect == dialect,
        series.model == model,
        series.kind != str(Kind.AUXILIARY),
    )
    return tuple(connection.execute(wanted).scalars())


def _day_sums(
    connection: Connection, series: Sequence[int], first_day: int, last_day: int
) -> dict[int, CallTotals]:
    table = tables.rollup_day.c
    columns = [func.sum(table[name]) for name in SERIES_SUMS]
    statement = (
        select(table.start, *columns)
        .where(table.series_id.in_(series), table.start >= first_day, table.start <= last_day)
        .group_by(table.start)
    )
    return {
        day: CallTotals(**dict(zip(SERIES_SUMS, map(int, sums), strict=True)))
        for day, *sums in connection.execute(statement)
        if any(sums)
    }


def _day_rows(
    connection: Connection, series: Sequence[int], day: int, per_quarter: int
) -> Iterator[Mapping[str, Any]]:
    quarter_ns = DAY_NS // QUARTERS
    for start_ns in range(day * DAY_NS, (day + 1) * DAY_NS, quarter_ns):
        for key in series:
            span = {"series": key, "since": start_ns, "until": start_ns + quarter_ns}
            found = [
                dict(row)
                for row in connection.execute(_LATEST, span).mappings()
                if not row["failed"] and row["cost_grade"] not in _UNPRICED
            ]
            yield from found[:per_quarter]


def _largest(connection: Connection, series: Sequence[int], first_day: int, last_day: int) -> tuple[int, int]:
    sent = reduce(add, [_CALL[name] for name in TOKEN_COLUMNS if name.startswith(("input_", "cache_"))])
    said = reduce(add, [_CALL[name] for name in TOKEN_COLUMNS if name.startswith("output_")])
    most = [0, 0]
    for key in series:
        latest = (
            select(sent.label("sent"), said.label("said"))
            .where(
                _CALL.series_id == key,
                _CALL.started_ns >= first_day * DAY_NS,
                _CALL.started_ns < (last_day + 1) * DAY_NS,
            )
            .order_by(_CALL.started_ns.desc())
            .limit(LARGEST_OF)
            .subquery()
        )
        found = connection.execute(select(func.max(latest.c.sent), func.max(latest.c.said))).one()
        most = [max(before, int(each or 0)) for before, each in zip(most, found, strict=True)]
    return most[0], most[1]
