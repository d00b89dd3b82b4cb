"""
What analysis found of runs: failures, the issues that they belong to, and the run's health.

A run's findings are replaced as a whole, and the sums by day follow by the difference, as all sums here do.
They count failures of the issue's own code: the others of an issue tell the same once more (the third in a
row, the one that ended the run).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, text

from analysis.delegation import Delegation
from analysis.failure import Failure, FailureCode
from analysis.spend import Spend
from analysis.step_growth import RunGrowth
from arc_proxy.store import tables
from arc_proxy.store.bounds import some_word, word
from arc_proxy.store.bulk import dicts, insert_rows, rows_in, slices
from arc_proxy.store.due import DueRun, mark_due
from arc_proxy.store.engine import Store, writing
from arc_proxy.store.names import next_id
from arc_proxy.store.spending import pack_spend
from arc_proxy.store.sums import DAY_NS

IssueName = tuple[int, str]  # agent's key, fingerprint
Sums = Counter[tuple[int, int, str]]  # issue, day, column

_ADD = text(
    "INSERT INTO issue_day (issue_id, day, failures, runs) VALUES (:issue_id, :day, :failures, :runs)"
    " ON CONFLICT (issue_id, day) DO UPDATE SET"
    " failures = issue_day.failures + excluded.failures, runs = issue_day.runs + excluded.runs"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One failure of a run: its issue by fingerprint, code and words, and when it was."""

    failure: Failure
    fingerprint: str
    code: FailureCode  # of the issue
    cause: str  # without what varies
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """
    What became of one run. `worst` is what it loses most by, `ended_by` what its last call failed of, `spend`
    where its money went, `growth` how its steps grew dearer, `delegation` what it has to do with sub-agents;
    `again_ns`: when to look at it again, None: not before it changes.
    """

    run: DueRun
    is_over: bool
    found: Sequence[Found]
    worst: Failure | None
    ended_by: FailureCode | None
    spend: Spend | None
    again_ns: int | None
    growth: RunGrowth | None = None
    delegation: Delegation | None = None


def save_findings(store: Store, findings: Iterable[Findings]) -> None:
    """
    Replace what is known of these runs, in one transaction. A run that has changed since it was read is left:
    it is due again. Raises StoreError.
    """
    given = {each.run.key: each for each in findings}
    with writing(store) as connection:
        current = _unchanged(connection, given)
        if not current:
            return
        # Before they are removed: whoever reads on by key takes a higher one for a new failure.
        first = next_id(connection, tables.failure)
        sums = _removed(connection, [each.run.key for each in current])
        issues = _issues(connection, current)
        rows: list[dict[str, Any]] = []
        for each in current:
            day = each.run.started_ns // DAY_NS
            touched = set()
            for found in each.found:
                issue = issues[each.run.agent_id, found.fingerprint]
                rows.append(_failure_row(found, first + len(rows), issue, each.run.key))
                sums[issue, day, "failures"] += found.failure.code is found.code
                touched.add(issue)
            for issue in touched:
                sums[issue, day, "runs"] += 1
        insert_rows(connection, tables.failure, rows)
        insert_rows(connection, tables.health, [_health_row(each) for each in current])
        _add(connection, sums)
        mark_due(connection, {each.run.key: each.again_ns for each in current if each.again_ns is not None})


def forget_findings(connection: Connection, run_keys: Iterable[int]) -> None:
    """Remove what was found of runs that go, or become another's; what is due of them too."""
    _add(connection, _removed(connection, sorted(run_keys)))


def _unchanged(connection: Connection, given: Mapping[int, Findings]) -> list[Findings]:
    known = dict(rows_in(connection, tables.due, ("run_key",), {(key,) for key in given}, "due_ns"))
    return [each for key, each in given.items() if known.get(key) == each.run.due_ns]


def _removed(connection: Connection, run_keys: Sequence[int]) -> Sums:
    """Remove their rows; gives what that takes from the sums."""
    sums: Sums = Counter()
    failure = tables.failure
    for some in slices(run_keys):
        of_runs = (
            select(
                *(failure.c.issue_id, failure.c.run_key, failure.c.code, tables.health.c.started_ns),
                tables.issue.c.code.label("issue_code"),
            )
            .join(tables.health, tables.health.c.run_key == failure.c.run_key)
            .join(tables.issue, tables.issue.c.id == failure.c.issue_id)
        )
        touched = set()
        for row in dicts(connection, of_runs.where(failure.c.run_key.in_(some))):
            day = row["started_ns"] // DAY_NS
            sums[row["issue_id"], day, "failures"] -= row["code"] == row["issue_code"]
            touched.add((row["run_key"], row["issue_id"], day))
        for _, issue, day in touched:
            sums[issue, day, "runs"] -= 1
        for table in (failure, tables.health, tables.due):
            connection.execute(delete(table).where(table.c.run_key.in_(some)))
    return sums


def _issues(connection: Connection, findings: Sequence[Findings]) -> dict[IssueName, int]:
    """Keys of all issues that the runs have; those that were never seen are made."""
    wanted: dict[IssueName, Found] = {}
    for each in findings:
        for found in each.found:
            wanted.setdefault((each.run.agent_id, found.fingerprint), found)
    known = {
        (agent_id, fingerprint): key
        for agent_id, fingerprint, key in rows_in(
            connection, tables.issue, ("agent_id", "fingerprint"), set(wanted), "id"
        )
    }
    first = next_id(connection, tables.issue)
    new = {name: first + place for place, name in enumerate(name for name in wanted if name not in known)}
    insert_rows(
        connection,
        tables.issue,
        [
            {
                "id": key,
                "agent_id": name[0],
                "fingerprint": name[1],
                "code": wanted[name].code.value,
                "subject": some_word(wanted[name].failure.subject),
                "cause": some_word(wanted[name].cause),
            }
            for name, key in new.items()
        ],
    )
    return known | new


def _add(connection: Connection, sums: Sums) -> None:
    by_place: dict[tuple[int, int], dict[str, int]] = {}
    for (issue, day, column), count in sums.items():
        by_place.setdefault((issue, day), {"failures": 0, "runs": 0})[column] = count
    rows = [
        {"issue_id": issue, "day": day, **counts}
        for (issue, day), counts in by_place.items()
        if any(counts.values())
    ]
    if rows:
        connection.execute(_ADD, rows)
        empty = tables.issue_day.c.runs == 0
        for some in slices(sorted({issue for issue, _ in by_place})):
            connection.execute(delete(tables.issue_day).where(tables.issue_day.c.issue_id.in_(some), empty))


def _failure_row(found: Found, key: int, issue: int, run_key: int) -> dict[str, Any]:
    failure = found.failure
    return {
        "id": key,
        "issue_id": issue,
        "run_key": run_key,
        "call_id": word(failure.call_id) or None,
        "at_ns": found.at_ns,
        "code": failure.code.value,
        "severity": failure.severity.value,
        "is_recovered": failure.is_recovered,
        "times": failure.times,
        "message_index": failure.message_index,
        "tool_call_id": word(failure.tool_call_id) or None,
        "field": failure.field,
        "evidence": some_word(failure.evidence),
    }


def _health_row(findings: Findings) -> dict[str, Any]:
    worst = findings.worst
    return {
        "run_key": findings.run.key,
        "agent_id": findings.run.agent_id,
        "started_ns": findings.run.started_ns,
        "is_over": findings.is_over,
        "failures": len(findings.found),
        "code": worst.code.value if worst else None,
        "severity": worst.severity.value if worst else None,
        "is_recovered": worst.is_recovered if worst else False,
        "evidence": some_word(worst.evidence) if worst else None,
        "ended_by": findings.ended_by.value if findings.ended_by else None,
        "spend": _packed(findings),
    }


def _packed(findings: Findings) -> bytes | None:
    spend = findings.spend
    return pack_spend(spend, findings.growth, findings.delegation) if spend else None
