"""The latest calls that failed, with what says why, and no bodies."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, text

from arc_proxy.call import CallError, Kind
from arc_proxy.journal.record import Ended
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.totals import Period

FAILED_CALLS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    agent: str | None
    run_key: int
    call_id: str
    started_ns: int
    kind: Kind
    status: int | None
    ended: Ended
    error: CallError | None
    finish_reason: str | None


def read_failed_calls(
    store: Store, period: Period, *, agent: str | None = None, calls_max: int = FAILED_CALLS_MAX
) -> tuple[FailedCall, ...]:
    """The latest `calls_max` of the period, the latest first. `agent` "": those that named none."""
    # As text: SQLite takes the index of failed calls only where the condition is spelled as in the index.
    call, name = tables.call.c, tables.agent.c.name
    statement = (
        select(
            *(name, call.run_key, call.call_id, call.started_ns, call.kind, call.status, call.ended),
            *(call.error_type, call.error_message, call.finish_reason),
        )
        .join(tables.agent, tables.agent.c.id == call.agent_id)
        .where(text("call.failed"), call.started_ns >= period.since_ns, call.started_ns < period.until_ns)
        .order_by(call.started_ns.desc())
        .limit(calls_max)
    )
    if agent is not None:
        statement = statement.where(name == agent)
    with reading(store) as connection:
        return tuple(
            FailedCall(
                agent=row.name or None,
                run_key=row.run_key,
                call_id=row.call_id,
                started_ns=row.started_ns,
                kind=Kind(row.kind),
                status=row.status,
                ended=Ended(row.ended),
                error=CallError(type=row.error_type, message=row.error_message)
                if row.error_type or row.error_message
                else None,
                finish_reason=row.finish_reason,
            )
            for row in connection.execute(statement)
        )
