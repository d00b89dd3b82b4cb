"""What was said of fixes: when one was applied, whether it was of use, and what became of its issue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from analysis.effect import Effect, Share, effect
from arc_proxy.journal.fact import FactType
from arc_proxy.store import tables
from arc_proxy.store.bounds import load_json
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.issues import Issue

FACTS_MAX = 1_000
BEFORE_RUNS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """
    `applied_ns`: by fingerprint, when last; votes by code, one for each issue: a fix's record is that of its
    kind.
    """

    applied_ns: Mapping[str, int] = field(default_factory=dict)
    useful: Mapping[str, int] = field(default_factory=dict)
    not_useful: Mapping[str, int] = field(default_factory=dict)


def read_tries(store: Store) -> Tries:
    """From the latest facts about fixes. Raises StoreError."""
    fact = tables.fact.c
    about_fixes = fact.type.in_([FactType.FIX_APPLIED.value, FactType.FIX_VOTE.value])
    statement = select(fact.type, fact.at_ns, fact.body).where(fact.run_key.is_(None), about_fixes)
    applied: dict[str, int] = {}
    useful: Counter[str] = Counter()
    not_useful: Counter[str] = Counter()
    voted: set[str] = set()
    with reading(store) as connection:
        for row in connection.execute(statement.order_by(fact.at_ns.desc(), fact.id.desc()).limit(FACTS_MAX)):
            body = load_json(row.body)
            if row.type == FactType.FIX_APPLIED:
                applied.setdefault(str(body.get("fingerprint")), row.at_ns)
            elif (about := str(body.get("fingerprint"))) not in voted:  # the last word on an issue holds
                voted.add(about)
                votes = useful if body.get("is_useful") is True else not_useful
                votes[str(body.get("code"))] += 1
    return Tries(applied_ns=applied, useful=useful, not_useful=not_useful)


def read_effect(store: Store, issue: Issue, applied_ns: int) -> Effect:
    """Runs that began since a fix was applied, against the latest before it. Raises StoreError."""
    health = tables.health.c
    of_agent = (health.agent_id == agent_id_of(issue.agent), health.is_over)
    earlier = (
        select(health.started_ns)
        .where(*of_agent, health.started_ns < applied_ns)
        .order_by(health.started_ns.desc())
        .limit(BEFORE_RUNS_MAX)
    )
    with reading(store) as connection:
        starts = list(connection.execute(earlier).scalars())
        after_runs = connection.execute(
            select(func.count()).where(*of_agent, health.started_ns >= applied_ns)
        ).scalar_one()
        since_ns = starts[-1] if starts else applied_ns
        before = Share(_having(connection, issue.key, since_ns, applied_ns), len(starts))
        after = Share(_having(connection, issue.key, applied_ns, None), after_runs)
        latest = connection.execute(
            select(health.run_key).where(*of_agent).order_by(health.started_ns.desc()).limit(1)
        ).scalar()
        failure = tables.failure.c
        of_latest = select(failure.id).where(failure.run_key == latest, failure.issue_id == issue.key)
        latest_has = connection.execute(of_latest.limit(1)).first() is not None
    return effect(before, after, latest_has=latest_has)


def _having(connection: Connection, issue_key: int, since_ns: int, until_ns: int | None) -> int:
    """Runs of the period that are over and have the issue."""
    failure, health = tables.failure.c, tables.health.c
    statement = (
        select(func.count(failure.run_key.distinct()))
        .join(tables.health, health.run_key == failure.run_key)
        .where(failure.issue_id == issue_key, health.is_over, health.started_ns >= since_ns)
    )
    if until_ns is not None:
        statement = statement.where(health.started_ns < until_ns)
    return connection.execute(statement).scalar_one()
