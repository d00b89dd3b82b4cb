"""Runs of an agent that ended before another one began: what is usual for it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from analysis.earlier import EarlierRun
from arc_proxy.call import Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.load import tools_asked

RUNS_MAX = 200
_UNCERTAIN = ("estimated_calls", "partial_calls", "unpriced_calls", "api_calls")


def read_earlier_runs(store: Store, agent: str | None, before_ns: int) -> tuple[EarlierRun, ...]:
    """The latest first, `RUNS_MAX` at most. Raises StoreError."""
    run, call = tables.run.c, tables.call.c
    last = (
        select(call.id)
        .where(call.run_key == run.id, call.kind == Kind.GENERATION.value)
        .order_by(call.started_ns.desc(), call.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    certain = [run[name] for name in _UNCERTAIN]
    latest = (
        select(run.steps, run.input_tokens, run.cost_nanousd, *certain, last.label("last"))
        .where(
            run.agent_id == agent_id_of(agent),
            run.started_ns < before_ns,
            run.ended_ns < before_ns,
            run.steps > 0,
        )
        .order_by(run.started_ns.desc())
        .limit(RUNS_MAX)
    )
    with reading(store) as connection:
        rows = dicts(connection, latest)
        asks = tools_asked(connection, [row["last"] for row in rows])
    return tuple(_run(row, asks.get(row["last"], ())) for row in rows)


def _run(row: dict[str, Any], asks: tuple[str, ...]) -> EarlierRun:
    is_known = not any(row[name] for name in _UNCERTAIN)
    return EarlierRun(
        steps=row["steps"],
        input_tokens=row["input_tokens"],
        cost_nanousd=row["cost_nanousd"] if is_known else None,
        asks=asks,
    )
