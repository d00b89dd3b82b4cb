"""Issues that people merged: what facts say of it, and the runs that it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, func, select

from analysis.merge import IssueName, MergeRule, Target, merged
from arc_proxy.journal.fact import FactType
from arc_proxy.store import tables
from arc_proxy.store.bounds import load_json
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.rows import Row

RULES_MAX = 1_000
_TYPES = (FactType.ISSUE_MERGE.value, FactType.ISSUE_SPLIT.value)


def read_merged(store: Store) -> Mapping[IssueName, Target]:
    """By the latest rules. Raises StoreError."""
    fact = tables.fact.c
    latest = (
        select(fact.body)
        .where(fact.run_key.is_(None), fact.type.in_(_TYPES))
        .order_by(fact.at_ns.desc(), fact.id.desc())
        .limit(RULES_MAX)
    )
    with reading(store) as connection:
        bodies = connection.execute(latest).scalars().all()
    return merged(filter(None, (_rule(load_json(body)) for body in reversed(bodies))))


def _rule(body: Mapping[str, object]) -> MergeRule | None:
    fingerprint, into = body.get("fingerprint"), body.get("into")
    agent = body.get("agent") or ""
    if not isinstance(fingerprint, str) or not isinstance(agent, str):
        return None
    if body.get("fact") == FactType.ISSUE_SPLIT:
        return MergeRule(agent, fingerprint, None)
    if not isinstance(into, str):
        return None
    return MergeRule(
        agent, fingerprint, Target(into, str(body.get("subject") or ""), str(body.get("cause") or ""))
    )


def mark_merged_due(connection: Connection, facts: Iterable[Row]) -> None:
    """Have the runs looked at again that have an issue that a new fact merges or splits."""
    due, failure, issue, agent = tables.due, tables.failure.c, tables.issue.c, tables.agent.c
    for row in facts:
        if row["type"] not in _TYPES:
            continue
        body = load_json(row["body"])
        named = [each for name in ("fingerprint", "into") if isinstance(each := body.get(name), str)]
        runs = (
            select(failure.run_key, func.max(failure.at_ns))
            .join(tables.issue, issue.id == failure.issue_id)
            .join(tables.agent, agent.id == issue.agent_id)
            .where(
                issue.fingerprint.in_(named),
                agent.name == (row["agent"] or ""),
                failure.run_key.not_in(select(due.c.run_key)),
            )
            .group_by(failure.run_key)
        )
        connection.execute(due.insert().from_select(["run_key", "due_ns"], runs))
