"""
Where the money of runs went: kept with each run, as compressed JSON, and summed when it is asked for.

    {"n": nanodollars, "calls", "unknown", "plan", "parts": [[kind, name, nanodollars]],
     "called": {tool: times}, "resent": {tool: [...]}, "broken": [[kind, name, ...]],
     "growth": {"steps", "early", "late", "whole", "above", "grown", "cached"},
     "given": {digest of a brief: sort of sub-agent}, "told": [digest]}

What a result cost most in one run cannot be taken out of a sum again, so there are no sums by day; a report
adds the latest runs of an agent.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, astuple, dataclass
from typing import Any

import orjson
from sqlalchemy import select

from analysis.delegation import Delegation
from analysis.parts import PartKind
from analysis.spend import Broken, Resent, Spend, sum_spend
from analysis.step_growth import Grown, RunGrowth
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.totals import Period
from arc_proxy.store.trees import is_part

RUNS_MAX = 100


@dataclass(frozen=True, slots=True)
class Spent:
    """
    Of the latest runs of an agent in a period; those that are parts of another add to its money only.
    `is_all`: there were no more with a known cost. `growths`: of those with enough steps, the latest first.
    """

    spend: Spend
    is_all: bool
    growths: tuple[RunGrowth, ...] = ()


def read_spend(store: Store, agent: str | None, period: Period, *, limit: int = RUNS_MAX) -> Spent:
    """Raises StoreError."""
    health = tables.health.c
    statement = (
        select(health.spend, is_part().label("is_part"))
        .join(tables.run, tables.run.c.id == health.run_key)
        .where(
            health.agent_id == agent_id_of(agent),
            health.started_ns >= period.since_ns,
            health.started_ns < period.until_ns,
            health.spend.is_not(None),
        )
        .order_by(health.started_ns.desc())
        .limit(limit + 1)
    )
    with reading(store) as connection:
        rows = connection.execute(statement).all()
    packed = ((_unpacked(row.spend), row.is_part) for row in rows[:limit])
    runs = [(said, is_of_another) for said, is_of_another in packed if "n" in said]
    return Spent(
        sum_spend(_spend(said, runs=0 if is_of_another else 1) for said, is_of_another in runs),
        is_all=len(rows) <= limit,
        growths=tuple(_growth(said["growth"]) for said, _ in runs if "growth" in said),
    )


def unpack_spend(packed: bytes) -> tuple[Spend, Delegation]:
    """Of one run, as `pack_spend` packed it."""
    said = _unpacked(packed)
    return _spend(said, runs=1), Delegation(said.get("given", {}), tuple(said.get("told", ())))


def pack_spend(
    spend: Spend, growth: RunGrowth | None = None, delegation: Delegation | None = None
) -> bytes | None:
    """None: nothing is known of where the money went, nor of sub-agents."""
    delegation = delegation or Delegation()
    if not spend.nanousd and not delegation:
        return None
    document = {
        "n": spend.nanousd,
        "calls": spend.calls,
        "unknown": spend.unknown_calls,
        "plan": spend.plan_calls,
        "parts": [[kind, name, nanousd] for (kind, name), nanousd in spend.parts.items() if nanousd],
        "called": dict(spend.called),
        "resent": {tool: astuple(each) for tool, each in spend.resent.items()},
        "broken": [[kind, name, *astuple(each)] for (kind, name), each in spend.broken.items()],
        "growth": growth and asdict(growth),
        "given": dict(delegation.given),
        "told": list(delegation.told),
    }
    return zlib.compress(orjson.dumps({name: value for name, value in document.items() if value}))


def _unpacked(packed: bytes) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    return said


def _growth(said: dict[str, Any]) -> RunGrowth:
    return RunGrowth(**(said | {"grown": Grown(said["grown"])}))


def _spend(said: dict[str, Any], *, runs: int) -> Spend:
    return Spend(
        runs=runs,
        calls=said.get("calls", 0),
        nanousd=said.get("n", 0),
        unknown_calls=said.get("unknown", 0),
        plan_calls=said.get("plan", 0),
        parts={(PartKind(kind), name): nanousd for kind, name, nanousd in said.get("parts", ())},
        called=said.get("called", {}),
        resent={tool: Resent(*each) for tool, each in said.get("resent", {}).items()},
        broken={(PartKind(kind), name): Broken(*each) for kind, name, *each in said.get("broken", ())},
    )
