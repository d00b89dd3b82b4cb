"""Single failures with their issue: of one run, or all in the order in which they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select

from analysis.failure import SEVERITY, Failure, FailureCode, Severity
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import RunFilter, run_conditions
from arc_proxy.store.views import FailureRow

PAGE = 500
RUN_FAILURES_MAX = 200

_FAILURE = tables.failure.c
_ROWS: Select[Any] = (
    select(
        tables.failure,
        *(tables.issue.c.fingerprint, tables.issue.c.subject, tables.issue.c.cause),
        *(tables.run.c.run_id, tables.agent.c.name.label("agent")),
    )
    .join(tables.issue, tables.issue.c.id == _FAILURE.issue_id)
    .join(tables.run, tables.run.c.id == _FAILURE.run_key)
    .join(tables.agent, tables.agent.c.id == tables.run.c.agent_id)
)


def failures_of_run(connection: Connection, run_key: int) -> tuple[FailureRow, ...]:
    """In the order of the calls that show them."""
    statement = _ROWS.where(_FAILURE.run_key == run_key).order_by(_FAILURE.id).limit(RUN_FAILURES_MAX)
    return tuple(map(_row, dicts(connection, statement)))


def failures_after(connection: Connection, key: int, *, limit: int) -> tuple[FailureRow, ...]:
    """Those of a higher key, in the order of their keys."""
    statement = _ROWS.where(_FAILURE.id > key).order_by(_FAILURE.id).limit(limit)
    return tuple(map(_row, dicts(connection, statement)))


def iter_failures(store: Store, wanted: RunFilter) -> Iterator[FailureRow]:
    """Those of the runs that are wanted, oldest first, in pages. Raises StoreError."""
    after: tuple[int, int] | None = None
    base = _ROWS.where(*run_conditions(wanted)).order_by(_FAILURE.at_ns, _FAILURE.id).limit(PAGE)
    while True:
        page = base
        if after is not None:
            at_ns, key = after
            same = and_(_FAILURE.at_ns == at_ns, _FAILURE.id > key)
            page = base.where(or_(_FAILURE.at_ns > at_ns, same))
        with reading(store) as connection:
            rows = [_row(row) for row in dicts(connection, page)]
        yield from rows
        if len(rows) < PAGE:
            return
        after = (rows[-1].at_ns, rows[-1].key)


def failure_from(row: Mapping[str, Any], subject: str, cause: str) -> Failure:
    """A stored failure; its issue knows what it is about."""
    code, severity = FailureCode(row["code"]), Severity(row["severity"])
    return Failure(
        code,
        row["evidence"],
        row["field"],
        call_id=row["call_id"] or "",
        message_index=row["message_index"],
        tool_call_id=row["tool_call_id"],
        subject=subject,
        cause=cause,
        times=row["times"],
        is_recovered=bool(row["is_recovered"]),
        raised=None if severity is SEVERITY[code] else severity,
    )


def _row(row: Mapping[str, Any]) -> FailureRow:
    return FailureRow(
        key=row["id"],
        issue_key=row["issue_id"],
        fingerprint=row["fingerprint"],
        run_key=row["run_key"],
        run_id=row["run_id"],
        agent=row["agent"] or None,
        at_ns=row["at_ns"],
        failure=failure_from(row, row["subject"], row["cause"]),
    )
