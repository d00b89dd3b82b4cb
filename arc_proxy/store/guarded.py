"""What a guard looks at before a call of a named run may go on."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import RunFilter, run_conditions
from arc_proxy.store.load import LINES, RUNS, run_row, whole_calls
from arc_proxy.store.trees import trees_of
from arc_proxy.store.views import RunRow
from pricing.cost import CostGrade


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSoFar:
    """`nanousd` is what was billed for it and for the runs of its sub-agents; `calls`: its latest."""

    agent: str | None
    nanousd: int
    calls: tuple[Call, ...]


def read_run_so_far(store: Store, agent: str | None, run_id: str, *, calls_max: int) -> RunSoFar | None:
    """
    The run that a caller named; None: nothing of it is stored. `agent` None: the latest run of that name,
    since some agents are named by what they send only. Raises StoreError.
    """
    run = tables.run.c
    named = run_conditions(RunFilter(run_id=run_id, agent=agent, auxiliary=True))
    latest = RUNS.where(*named).order_by(run.started_ns.desc(), run.id.desc()).limit(1)
    with reading(store) as connection:
        found = [run_row(row) for row in dicts(connection, latest)]
        if not found:
            return None
        return RunSoFar(
            agent=found[0].agent,
            nanousd=billed_so_far(connection, found[0]),
            calls=_latest(connection, found[0].key, calls_max),
        )


def billed_so_far(connection: Connection, run: RunRow) -> int:
    """Nanodollars, of a run and of those of its sub-agents."""
    (tree,) = trees_of(connection, (run,))
    return sum(_billed(each) for _, each in tree.lines())


def _billed(run: RunRow) -> int:
    return 0 if run.cost_grade is CostGrade.API_EQUIVALENT else run.cost_nanousd or 0


def _latest(connection: Connection, run_key: int, calls_max: int) -> tuple[Call, ...]:
    call = tables.call.c
    latest = (
        LINES.where(call.run_key == run_key, call.kind == str(Kind.GENERATION))
        .order_by(call.started_ns.desc(), call.id.desc())
        .limit(calls_max)
    )
    return tuple(whole_calls(connection, dicts(connection, latest)[::-1]))
