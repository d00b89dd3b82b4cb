"""
What providers said of their limits to an agent, from the headers of its latest calls. Reads are bounded.

A few of the latest calls show whether any limit still holds. Where one does, more of them show how fast it
fell; of a window of hours, some older ones too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from analysis.limit_eta import LONG_NS, is_current
from arc_proxy.limit import Limit
from arc_proxy.store import tables
from arc_proxy.store.bounds import some_word
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.payload import headers, unpack_call
from arc_proxy.store.sums import DAY_NS, HOUR_NS
from arc_proxy.wire.rate_limit import read_limits

FIRST_MAX = 8
LATEST_MAX = 40
BACK_MAX_NS = 8 * DAY_NS  # no window is longer than a week
# How far back from the latest call some more are read.
BACK_NS = (HOUR_NS // 6, HOUR_NS, 6 * HOUR_NS, DAY_NS)
PER_STEP_BACK = 2

_FAR_NS = 2**62
_CALL = tables.call.c
# Made once: making a statement takes longer than what it asks for.
_LATEST = (
    select(
        *(_CALL.id, _CALL.provider, _CALL.started_ns, _CALL.first_byte_ns, tables.payload.c.content),
        func.coalesce(_CALL.model_requested, _CALL.model, "").label("model"),
    )
    .join(tables.payload, tables.payload.c.call_key == _CALL.id)
    .where(
        _CALL.agent_id
        == select(tables.agent.c.id).where(tables.agent.c.name == bindparam("agent")).scalar_subquery(),
        _CALL.started_ns >= bindparam("since"),
        _CALL.started_ns < bindparam("before"),
    )
    .order_by(_CALL.started_ns.desc())
    .limit(bindparam("limit"))
)


class LimitName(NamedTuple):
    provider: str
    model: str | None  # as requested; None: the whole account's
    name: str


def read_limit_readings(store: Store, agent: str | None, now_ns: int) -> dict[LimitName, list[Limit]]:
    """Readings of each limit that still holds, in order. Raises StoreError."""
    since_ns = now_ns - BACK_MAX_NS
    with reading(store) as connection:
        first = _latest(connection, agent, since_ns=since_ns, before_ns=_FAR_NS, limit=FIRST_MAX)
        found = _readings(first)
        current = [each for every in found.values() for each in every[-1:] if is_current(each, now_ns)]
        if not current:
            return {}
        oldest_ns = first[-1]["started_ns"]
        spans = [(oldest_ns, LATEST_MAX - len(first))]
        if any(each.resets_ns is not None and each.resets_ns - now_ns >= LONG_NS for each in current):
            latest_ns = first[0]["started_ns"]
            spans += [(min(oldest_ns, latest_ns - back_ns), PER_STEP_BACK) for back_ns in BACK_NS]
        rows = [
            *first,
            *(
                row
                for before_ns, limit in spans
                for row in _latest(connection, agent, since_ns=since_ns, before_ns=before_ns, limit=limit)
            ),
        ]
    by_call = {row["id"]: row for row in rows}
    return {
        name: readings
        for name, readings in _readings(by_call.values()).items()
        if is_current(readings[-1], now_ns)
    }


def _latest(
    connection: Connection, agent: str | None, *, since_ns: int, before_ns: int, limit: int
) -> list[dict[str, Any]]:
    span = {"agent": some_word(agent or ""), "since": since_ns, "before": before_ns, "limit": limit}
    return [dict(row) for row in connection.execute(_LATEST, span).mappings()] if limit > 0 else []


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
