"""
Issues of a period with their sums, and what became of each run: what a report reads of analysis.

Sums are by the day (UTC) on which runs started, so a period counts in whole days. How often an issue came
since a moment, and its first and last time, are read from the failures themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from analysis.failure import SEVERITY, Failure, FailureCode, Severity
from analysis.issue import impact
from analysis.reliability import RunResult
from arc_proxy.call import Call
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.failures import failure_from
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.load import LINES, whole_calls
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.totals import Period
from arc_proxy.store.trees import is_part

ISSUES_MAX = 50
COUNTED_MAX = 1_000  # issues, from which on a count says no more
RUN_CALLS_MAX = 500  # of a run, the latest

_ISSUE = tables.issue.c
_NAMED = (
    *(_ISSUE.id, _ISSUE.fingerprint, _ISSUE.code, _ISSUE.subject, _ISSUE.cause),
    tables.agent.c.name.label("agent"),
)
_HEALTH, _RUN = tables.health.c, tables.run.c
RESULT_COLUMNS = (
    *(_RUN.run_id, _HEALTH.started_ns, _HEALTH.code, _HEALTH.severity, _HEALTH.is_recovered),
    *(_HEALTH.evidence, _HEALTH.ended_by, _RUN.outcome, _RUN.exceptions, _RUN.version),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """
    Failures of one agent with one fingerprint. `failures` and `runs` are of the period, `recently` of the
    time since the moment that was asked for, first and last of all time.
    """

    key: int
    fingerprint: str
    agent: str | None
    code: FailureCode
    subject: str
    cause: str
    severity: Severity
    failures: int
    runs: int
    recently: int
    first_ns: int
    last_ns: int
    last: Failure
    last_failure_key: int
    last_run_id: str


def read_issues(
    store: Store,
    period: Period,
    *,
    recent_ns: int,
    agent: str | None = None,
    limit: int = ISSUES_MAX,
    also: Container[int] = (),
    codes: Collection[FailureCode] | None = None,
) -> tuple[Issue, ...]:
    """
    The worst first: so many, and those of the numbers `also`, however bad. `agent` "": of calls that named
    none. `codes` None: of every code. Raises StoreError.
    """
    issue, day = tables.issue.c, tables.issue_day.c
    sums = (func.sum(day.failures).label("failures"), func.sum(day.runs).label("runs"))
    statement = (
        select(*_NAMED, *sums)
        .join(tables.issue, issue.id == day.issue_id)
        .join(tables.agent, tables.agent.c.id == issue.agent_id)
        .where(day.day >= period.since_ns // DAY_NS, day.day <= period.until_ns // DAY_NS)
        .group_by(*_NAMED)
    )
    if agent is not None:
        statement = statement.where(tables.agent.c.name == agent)
    if codes is not None:
        statement = statement.where(issue.code.in_([str(code) for code in codes]))
    with reading(store) as connection:
        rows = dicts(connection, statement)
        ordered = sorted(rows, key=_order)
        wanted = ordered[:limit] + [row for row in ordered[limit:] if row["id"] in also]
        return tuple(_issue(connection, row, recent_ns) for row in wanted)


def count_issues(store: Store, period: Period, agent: str | None) -> int:
    """Of one agent ("" or None: of calls that named none), `COUNTED_MAX` at most. Raises StoreError."""
    issue, day = tables.issue.c, tables.issue_day.c
    in_period = (
        select(day.issue_id)
        .where(
            day.issue_id == issue.id,
            day.day >= period.since_ns // DAY_NS,
            day.day <= period.until_ns // DAY_NS,
        )
        .exists()
    )
    some = select(issue.id).where(issue.agent_id == agent_id_of(agent), in_period).limit(COUNTED_MAX)
    with reading(store) as connection:
        return int(connection.execute(select(func.count()).select_from(some.subquery())).scalar_one())


def read_issue(store: Store, key: int, *, recent_ns: int) -> Issue | None:
    """One issue with its sums over all time; None if there is none of this number, or not any more."""
    issue, day = tables.issue.c, tables.issue_day.c
    sums = select(func.sum(day.failures), func.sum(day.runs)).where(day.issue_id == key)
    statement = select(*_NAMED).join(tables.agent, tables.agent.c.id == issue.agent_id).where(issue.id == key)
    with reading(store) as connection:
        failures, runs = connection.execute(sums).one()
        rows = dicts(connection, statement)
        if not rows or not failures:
            return None
        return _issue(connection, rows[0] | {"failures": failures, "runs": runs}, recent_ns)


def read_issue_days(store: Store, keys: Collection[int], first: int, last: int) -> dict[int, dict[int, int]]:
    """By issue, then by day since the epoch (UTC, both ends included): runs that have it. StoreError."""
    day = tables.issue_day.c
    statement = select(day.issue_id, day.day, day.runs).where(
        day.issue_id.in_(keys), day.day >= first, day.day <= last
    )
    found: dict[int, dict[int, int]] = {key: {} for key in keys}
    with reading(store) as connection:
        for key, on, runs in connection.execute(statement):
            found[key][on] = runs
    return found


def read_run_of(store: Store, failure_key: int) -> list[Call]:
    """The calls of the run that a failure is of, in order. Raises StoreError."""
    failure, call = tables.failure.c, tables.call.c
    run_key = select(failure.run_key).where(failure.id == failure_key).scalar_subquery()
    lines = LINES.where(call.run_key == run_key).order_by(call.started_ns.desc(), call.id.desc())
    with reading(store) as connection:
        return whole_calls(connection, dicts(connection, lines.limit(RUN_CALLS_MAX))[::-1])


def read_results(store: Store, agent: str | None, until_ns: int, *, limit: int) -> tuple[RunResult, ...]:
    """What became of an agent's latest runs that are over, parts left out, the latest first. StoreError."""
    health, run = tables.health.c, tables.run.c
    statement = (
        select(*RESULT_COLUMNS)
        .join(tables.run, run.id == health.run_key)
        .where(
            health.agent_id == agent_id_of(agent), health.started_ns < until_ns, health.is_over, ~is_part()
        )
        .order_by(health.started_ns.desc())
        .limit(limit)
    )
    with reading(store) as connection:
        return tuple(map(result_of, dicts(connection, statement)))


def _order(row: dict[str, Any]) -> tuple[float, int, int]:
    return (-impact(FailureCode(row["code"]), int(row["runs"])), -int(row["failures"]), row["id"])


def _issue(connection: Connection, row: dict[str, Any], recent_ns: int) -> Issue:
    failure = tables.failure.c
    of_it = failure.issue_id == row["id"]
    latest = (
        select(tables.failure, tables.run.c.run_id)
        .join(tables.run, tables.run.c.id == failure.run_key)
        .where(of_it)
        .order_by(failure.at_ns.desc(), failure.id.desc())
        .limit(1)
    )
    [last] = dicts(connection, latest)
    first_ns = connection.execute(select(func.min(failure.at_ns)).where(of_it)).scalar_one()
    since = select(func.count()).where(of_it, failure.at_ns >= recent_ns, failure.code == row["code"])
    code = FailureCode(row["code"])
    return Issue(
        key=row["id"],
        fingerprint=row["fingerprint"],
        agent=row["agent"] or None,
        code=code,
        subject=row["subject"],
        cause=row["cause"],
        severity=SEVERITY[code],
        failures=int(row["failures"]),
        runs=int(row["runs"]),
        recently=connection.execute(since).scalar_one(),
        first_ns=first_ns,
        last_ns=last["at_ns"],
        last=failure_from(last, row["subject"], row["cause"]),
        last_failure_key=last["id"],
        last_run_id=last["run_id"],
    )


def result_of(row: Mapping[str, Any]) -> RunResult:
    """Of RESULT_COLUMNS. A reported outcome holds; an exception that came out of the agent is a failure."""
    outcome = None if row["outcome"] is None else row["outcome"] == "success"
    if outcome is None and row["exceptions"]:
        outcome = False
    return RunResult(
        run_id=row["run_id"],
        started_ns=row["started_ns"],
        failures=() if row["code"] is None else (_worst(row),),
        outcome=outcome,
        ended_by=None if row["ended_by"] is None else FailureCode(row["ended_by"]),
        version=row["version"],
    )


def _worst(row: Mapping[str, Any]) -> Failure:
    severity = Severity(row["severity"])
    return Failure(
        FailureCode(row["code"]),
        row["evidence"] or "",
        "",
        is_recovered=bool(row["is_recovered"]),
        raised=severity,
    )
