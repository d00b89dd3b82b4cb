"""
Sums by hour and by day, so that a report over ten million calls reads some thousand rows.

Kept by difference: whoever changes a call's or a run's row subtracts what the old row added and adds what
the new one does, in the same transaction. A call counts in the hour that it started in (UTC), a run in the
hour of its first call. `rollup` compares them with the raw rows and makes them anew.

A latency histogram has buckets of floor(log2(ms) * 4), so each is 19 % wider than the one before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from arc_proxy.call import Kind
from arc_proxy.journal.record import Ended
from arc_proxy.store import tables
from arc_proxy.store.bounds import load_json
from arc_proxy.store.names import rollup_agent, rollup_projects
from arc_proxy.store.rows import TOKEN_COLUMNS, tokens_of
from pricing.cost import CostGrade

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS

FIRST_BYTE = 0  # latency_*.what: these numbers reach the disk
DURATION = 1

_BUCKETS_PER_DOUBLING = 4
_BUCKET_MIN, _BUCKET_MAX = -8, 120  # a quarter of a millisecond; twelve days

SERIES_SUMS = tuple(column.name for column in tables.rollup_hour.c if not column.primary_key)
RUN_SUMS = tuple(column.name for column in tables.run_rollup_hour.c if not column.primary_key)
STEP_SUMS = SERIES_SUMS[: SERIES_SUMS.index(TOKEN_COLUMNS[0])]  # in which auxiliary calls are no steps
PROJECT_SUMS = ("runs", "failed_runs", *SERIES_SUMS)

_GRADES = (
    CostGrade.PROVIDER_REPORTED,
    CostGrade.COMPUTED,
    CostGrade.ESTIMATED,
    CostGrade.PARTIAL,
    CostGrade.UNKNOWN,
    CostGrade.API_EQUIVALENT,
)
_PRICED = tuple(grade for grade in _GRADES if grade is not CostGrade.UNKNOWN)

Sums = list[int]
K = TypeVar("K")

HOURS = (tables.rollup_hour, tables.run_rollup_hour, tables.latency_hour, tables.project_hour)
DAYS = (tables.rollup_day, tables.run_rollup_day, tables.latency_day, tables.project_day)


def series_sums(row: Mapping[str, Any]) -> tuple[int, ...]:
    """What one call's row adds to SERIES_SUMS."""
    grade, ended = row["cost_grade"], row["ended"]
    cost = row["cost_nanousd"] or 0
    return (
        row["attempt_of"] is None,
        1,
        row["failed"],
        ended == Ended.CLIENT_CLOSED,
        ended == Ended.INTERRUPTED,
        row["captured"] != "full",
        row["unsecured"],
        *tokens_of(row),
        *[grade == each for each in _GRADES],
        *[cost if grade == each else 0 for each in _PRICED],
        *_disputed(grade, row["cost_nanousd"], row["disputed_nanousd"]),
    )


def _disputed(grade: str, cost: int | None, other: int | None) -> tuple[int, int, int, int]:
    """Calls that price lists disagree about, how much less and more they could be, and misreported ones."""
    if cost is None or other is None or grade == CostGrade.API_EQUIVALENT:
        return (0, 0, 0, 0)
    if grade == CostGrade.PROVIDER_REPORTED:
        return (0, 0, 0, 1)
    return (1, max(cost - other, 0), max(other - cost, 0), 0)


def run_sums(row: Mapping[str, Any]) -> tuple[int, ...]:
    """What one run's row adds to RUN_SUMS. Of a run of nothing but probes, nothing."""
    if not row["calls"] and not row["announced"]:
        return (0,) * len(RUN_SUMS)
    has_no_price = row["unpriced_calls"] and not row["cost_nanousd"] and not row["api_nanousd"]
    return (
        1,
        row["parent_run_id"] is not None,
        row["failed"],
        row["outcome"] is not None,
        bool(has_no_price),
        *[row[name] for name in RUN_SUMS[5:-1]],
        (row["ended_ns"] - row["started_ns"]) // 1_000_000,
    )


def project_of(row: Mapping[str, Any]) -> str | None:
    """The project of a call's or a run's row: its tag, None where it has none."""
    if row["tags"] is None or '"project"' not in row["tags"]:
        return None
    return load_json(row["tags"]).get("project") or None


def latency_bucket(ns: int) -> int:
    if ns <= 0:
        return _BUCKET_MIN
    return max(_BUCKET_MIN, min(_BUCKET_MAX, math.floor(math.log2(ns / 1e6) * _BUCKETS_PER_DOUBLING)))


def quantile_ms(histogram: Mapping[int, int], share: float) -> float | None:
    """
    The latency that `share` (0..1) of the calls in {bucket: calls} stayed below, in milliseconds.

    Within a bucket calls are taken to lie evenly on the logarithmic scale. None without calls.
    """
    calls = sum(histogram.values())
    if calls <= 0:
        return None
    wanted = share * calls
    below = 0
    for bucket in sorted(histogram):
        here = histogram[bucket]
        if here > 0 and below + here >= wanted:
            position = bucket + (wanted - below) / here
            return float(2 ** (position / _BUCKETS_PER_DOUBLING))
        below += here
    return float(2 ** ((max(histogram) + 1) / _BUCKETS_PER_DOUBLING))


@dataclass(slots=True)
class Difference:
    """What one transaction adds to the sums, by hour."""

    series: dict[tuple[int, int], Sums] = field(default_factory=dict)  # (hour, series)
    runs: dict[tuple[int, int], Sums] = field(default_factory=dict)  # (hour, agent)
    latencies: Counter[tuple[int, int, int, int]] = field(
        default_factory=Counter
    )  # (hour, series, what, bucket)

    projects: dict[tuple[int, str, int], Sums] = field(default_factory=dict)  # (hour, project, agent)

    def call(self, row: Mapping[str, Any], sign: int) -> None:
        hour, series_id = row["started_ns"] // HOUR_NS, row["series_id"]
        sums = series_sums(row)
        _add(self.series, (hour, series_id), sums, sign)
        project = project_of(row)
        if project is not None:
            steps = sums[: len(STEP_SUMS)] if row["kind"] != Kind.AUXILIARY else (0,) * len(STEP_SUMS)
            key = (hour, project, rollup_agent(row["agent_id"]))
            _add(self.projects, key, (0, 0, *steps, *sums[len(STEP_SUMS) :]), sign)
        if row["failed"] or row["ended"] != Ended.COMPLETE or row["kind"] == Kind.AUXILIARY:
            return
        if row["first_byte_ns"] is not None:
            self.latencies[hour, series_id, FIRST_BYTE, latency_bucket(row["first_byte_ns"])] += sign
        if row["duration_ns"] is not None:
            self.latencies[hour, series_id, DURATION, latency_bucket(row["duration_ns"])] += sign

    def run(self, row: Mapping[str, Any], sign: int) -> None:
        key = (row["started_ns"] // HOUR_NS, rollup_agent(row["agent_id"]))
        sums = run_sums(row)
        _add(self.runs, key, sums, sign)
        project = project_of(row)
        if project is not None:
            nothing = (0,) * len(SERIES_SUMS)
            runs = (sums[0], sums[RUN_SUMS.index("failed_runs")])
            _add(self.projects, (key[0], project, key[1]), (*runs, *nothing), sign)

    def cap(self, connection: Connection, *, adds: bool) -> None:
        """Have projects beyond the cap count as one: see `names.rollup_projects`."""
        kept = rollup_projects(connection, {project for _, project, _ in self.projects}, adds=adds)
        given, self.projects = self.projects, {}
        for (hour, project, agent_id), sums in given.items():
            _add(self.projects, (hour, kept[project], agent_id), sums, 1)

    def by_day(self) -> Difference:
        days = Difference()
        for (hour, series_id), sums in self.series.items():
            _add(days.series, (hour // 24, series_id), sums, 1)
        for (hour, agent_id), sums in self.runs.items():
            _add(days.runs, (hour // 24, agent_id), sums, 1)
        for (hour, *rest), calls in self.latencies.items():
            days.latencies[hour // 24, rest[0], rest[1], rest[2]] += calls
        for (hour, project, agent_id), sums in self.projects.items():
            _add(days.projects, (hour // 24, project, agent_id), sums, 1)
        return days

    def store(self, connection: Connection) -> None:
        """Add it to the hours and to the days."""
        if self.projects:
            self.cap(connection, adds=True)
        for difference, grain in ((self, HOURS), (self.by_day(), DAYS)):
            for table, rows in zip(grain, difference.rows(), strict=True):
                if rows:
                    connection.execute(_adding(connection.dialect.name, table.name), rows)

    def rows(self) -> tuple[list[dict[str, Any]], ...]:
        """Rows of the tables of one grain, but those that are all zero, in the order of their keys."""
        return (
            [
                {"start": start, "series_id": series_id, **dict(zip(SERIES_SUMS, sums, strict=True))}
                for (start, series_id), sums in sorted(self.series.items())
                if any(sums)
            ],
            [
                {"start": start, "agent_id": agent_id, **dict(zip(RUN_SUMS, sums, strict=True))}
                for (start, agent_id), sums in sorted(self.runs.items())
                if any(sums)
            ],
            [
                {"start": start, "series_id": series_id, "what": what, "bucket": bucket, "calls": calls}
                for (start, series_id, what, bucket), calls in sorted(self.latencies.items())
                if calls
            ],
            [
                {"start": start, "project": project, "agent_id": agent_id}
                | dict(zip(PROJECT_SUMS, sums, strict=True))
                for (start, project, agent_id), sums in sorted(self.projects.items())
                if any(sums)
            ],
        )


def _add(into: dict[K, Sums], key: K, sums: Sequence[int], sign: int) -> None:
    old = into.get(key)
    if old is None:
        into[key] = [sign * number for number in sums]
    else:
        into[key] = [before + sign * number for before, number in zip(old, sums, strict=True)]


@lru_cache(maxsize=16)
def _adding(dialect: str, table_name: str) -> Any:
    """INSERT, or where the key is there already, add."""
    table = tables.metadata.tables[table_name]
    make = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = make(table)
    sums = {
        column.name: column + statement.excluded[column.name] for column in table.c if not column.primary_key
    }
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)
