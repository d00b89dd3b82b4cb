"""
What providers said of their limits to an agent, from the headers of its latest calls. Reads are bounded.

A few of the latest calls show whether any limit still holds. Where one does, more of them show how fast it
fell; of a window of hours, some older ones too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from analysis.limit_eta import LONG_NS, is_current
from arc_proxy.limit import Limit
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.payload import headers, unpack_call
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from arc_proxy.wire.rate_limit import read_limits

FIRST_MAX = 8
LATEST_MAX = 40
BACK_MAX_NS = 8 * DAY_NS  # no window is longer than a week
# How far back from the latest call some more are read.
BACK_NS = (HOUR_NS // 6, HOUR_NS, 6 * HOUR_NS, DAY_NS)
PER_STEP_BACK = 2


class LimitName(NamedTuple):
    provider: str
    model: str | None  # as requested; None: the whole account's
    name: str


def read_limit_readings(store: Store, agent: str | None, now_ns: int) -> dict[LimitName, list[Limit]]:
    """Readings of each limit that still holds, in order. Raises StoreError."""
    with reading(store) as connection:
        first = dicts(connection, _calls(agent, now_ns - BACK_MAX_NS).limit(FIRST_MAX))
        found = _readings(first)
        current = [each for every in found.values() for each in every[-1:] if is_current(each, now_ns)]
        if not current:
            return {}
        oldest = first[-1]["started_ns"]
        rows = [*first, *_more(connection, agent, oldest, LATEST_MAX - len(first), now_ns)]
        if any(each.resets_ns is not None and each.resets_ns - now_ns >= LONG_NS for each in current):
            for back_ns in BACK_NS:
                before_ns = min(oldest, first[0]["started_ns"] - back_ns)
                rows += _more(connection, agent, before_ns, PER_STEP_BACK, now_ns)
    by_call = {row["id"]: row for row in rows}
    return {
        name: readings
        for name, readings in _readings(by_call.values()).items()
        if is_current(readings[-1], now_ns)
    }


def _calls(agent: str | None, since_ns: int) -> Select[Any]:
    call = tables.call.c
    model = func.coalesce(call.model_requested, call.model, "").label("model")
    return (
        select(call.id, call.provider, model, call.started_ns, call.first_byte_ns, tables.payload.c.content)
        .join(tables.payload, tables.payload.c.call_key == call.id)
        .where(call.agent_id == agent_id_of(agent), call.started_ns >= since_ns)
        .order_by(call.started_ns.desc())
    )


def _more(
    connection: Connection, agent: str | None, before_ns: int, limit: int, now_ns: int
) -> list[dict[str, Any]]:
    older = _calls(agent, now_ns - BACK_MAX_NS).where(tables.call.c.started_ns < before_ns)
    return dicts(connection, older.limit(limit)) if limit > 0 else []


def _readings(rows: Iterable[dict[str, Any]]) -> dict[LimitName, list[Limit]]:
    found: dict[LimitName, list[Limit]] = {}
    for row in sorted(rows, key=lambda row: (_came_ns(row), row["id"])):
        said = headers(unpack_call(row["content"]), "response")
        for limit in read_limits(said, _came_ns(row)):
            model = row["model"] if limit.is_of_model else None
            found.setdefault(LimitName(row["provider"], model, limit.name), []).append(limit)
    return found


def _came_ns(row: dict[str, Any]) -> int:
    """When the response came, about: its head comes with its first byte, or shortly before."""
    return int(row["started_ns"]) + int(row["first_byte_ns"] or 0)
