"""Programs that `arc-proxy run` launched, and the runs that ended with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from arc_proxy.journal.fact import FactType
from arc_proxy.store import tables
from arc_proxy.store.load import FACTS, fact_rows

LAUNCHES_MAX = 200  # after a run's last call, looked through for the one that it belongs to


def has_launches(connection: Connection, since_ns: int) -> bool:
    """Whether any launch ended since then."""
    fact = tables.fact.c
    ended = select(fact.id).where(
        fact.run_key.is_(None), fact.type == FactType.LAUNCH.value, fact.at_ns >= since_ns
    )
    return connection.execute(ended.limit(1)).first() is not None


def exited_ns(connection: Connection, run: Mapping[str, Any]) -> int | None:
    """When the launch ended in whose time the run began, if it is known: launches are facts of no run."""
    fact = tables.fact.c
    ended = FACTS.where(fact.run_key.is_(None), fact.type == FactType.LAUNCH, fact.at_ns >= run["ended_ns"])
    for launch in fact_rows(connection, ended.order_by(fact.at_ns).limit(LAUNCHES_MAX)):
        lasted_ms = launch.body.get("duration_ms")
        if launch.body.get("agent") == run["agent"] and isinstance(lasted_ms, int | float):
            began_ns = launch.at_ns - int(lasted_ms) * 1_000_000
            return launch.at_ns if began_ns <= run["started_ns"] else None
    return None
