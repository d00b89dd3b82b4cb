"""What agents have spent since a moment, midnight mostly: the sum that a budget is held against."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from sqlalchemy import ColumnElement, Connection, FromClause, case, func, literal, select, true

from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.names import OTHER_AGENT
from arc_proxy.store.sums import HOUR_NS
from pricing.cost import CostGrade

_KNOWN = ("reported_nanousd", "computed_nanousd", "estimated_nanousd", "partial_nanousd")
_OF_OTHERS = tables.call.c.series_id.in_(
    select(tables.series.c.id).where(tables.series.c.agent_id == OTHER_AGENT)
)


@dataclass(frozen=True, slots=True)
class Billed:
    """Nanodollars, a lower bound where some calls have no price or only a part of one."""

    nanousd: int = 0
    unpriced_calls: int = 0  # or priced in part

    def __add__(self, other: Billed) -> Billed:
        return Billed(self.nanousd + other.nanousd, self.unpriced_calls + other.unpriced_calls)


_Sums = list[tuple[str | None, Billed]]


def read_spent_since(store: Store, since_ns: int, until_ns: int) -> dict[str | None, Billed]:
    """
    By agent, None: calls that named none. What a clock that was ahead has dated later than until_ns, which is
    now, is not spent yet; the hour that this lies in counts whole.

    Exact: whole hours are read from the rollups, the first one from its calls where midnight is not on the
    hour. Of agents that have no sums of their own, all is read from their calls. Raises StoreError.
    """
    whole_hours, last_hour = -(-since_ns // HOUR_NS), until_ns // HOUR_NS
    whole_ns = whole_hours * HOUR_NS
    with reading(store) as connection:
        found = [_rolled_up(connection, whole_hours, last_hour)]
        if whole_ns > since_ns:
            found.append(_of_calls(connection, since_ns, min(whole_ns, until_ns), true()))
        found.append(_of_calls(connection, whole_ns, (last_hour + 1) * HOUR_NS, _OF_OTHERS))
    spent: dict[str | None, Billed] = {}
    for agent, more in chain.from_iterable(found):
        spent[agent] = spent.get(agent, Billed()) + more
    return spent


def _rolled_up(connection: Connection, first_hour: int, last_hour: int) -> _Sums:
    hour, series = tables.rollup_hour, tables.series
    rows = hour.join(series, series.c.id == hour.c.series_id)
    nanousd = sum((hour.c[name] for name in _KNOWN), literal(0))
    unpriced = hour.c.unpriced_calls + hour.c.partial_calls
    within = hour.c.start.between(first_hour, last_hour) & (series.c.agent_id != OTHER_AGENT)
    return _by_agent(connection, rows, series.c.agent_id, nanousd, unpriced, within)


def _of_calls(connection: Connection, since_ns: int, until_ns: int, condition: ColumnElement[bool]) -> _Sums:
    call = tables.call
    grade = call.c.cost_grade
    nanousd = case((grade == str(CostGrade.API_EQUIVALENT), 0), else_=func.coalesce(call.c.cost_nanousd, 0))
    unpriced = case((grade.in_([str(CostGrade.UNKNOWN), str(CostGrade.PARTIAL)]), 1), else_=0)
    within = (call.c.started_ns >= since_ns) & (call.c.started_ns < until_ns) & condition
    return _by_agent(connection, call, call.c.agent_id, nanousd, unpriced, within)


def _by_agent(
    connection: Connection,
    rows: FromClause,
    agent_id: ColumnElement[int],
    nanousd: ColumnElement[int],
    unpriced: ColumnElement[int],
    condition: ColumnElement[bool],
) -> _Sums:
    agent = tables.agent.c
    statement = (
        select(agent.name, func.sum(nanousd), func.sum(unpriced))
        .select_from(rows.outerjoin(tables.agent, agent.id == agent_id))
        .where(condition)
        .group_by(agent.name)
    )
    return [
        (name or None, Billed(int(cost or 0), int(calls or 0)))
        for name, cost, calls in connection.execute(statement)
    ]
