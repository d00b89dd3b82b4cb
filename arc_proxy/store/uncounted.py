"""Calls that state no usage and wait to be counted, and calls to learn from how to count them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, text

from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.load import LINES, whole_calls
from arc_proxy.store.totals import Period
from arc_proxy.tokens.learned import SAMPLES_MAX
from pricing.usage import UsageGrade

ASKED_DIALECT = "openai.chat"


def uncounted_calls(store: Store, *, after: int, limit: int) -> tuple[list[Call], int]:
    """
    Generations that ended, were answered without an error, state no usage, and were not counted yet: those
    with a key above `after`, and the last key of them.
    """
    call = tables.call.c
    waiting = text(tables.UNCOUNTED)
    keys = select(call.id).where(waiting, call.id > after).order_by(call.id).limit(limit)
    with reading(store) as connection:
        found = list(connection.execute(keys).scalars())
        lines = dicts(connection, LINES.where(call.id.in_(found)).order_by(call.id))
        return whole_calls(connection, lines), max(found, default=after)


def reported_like(store: Store, like: Call) -> list[Call]:
    """The latest calls of the same provider, dialect and model that report their usage."""
    call, series = tables.call.c, tables.series.c
    alike = select(series.id).where(
        series.provider == like.provider,
        series.dialect == like.dialect,
        series.model == (like.reply.model or like.prompt.model or ""),
        series.kind == Kind.GENERATION.value,
    )
    latest = (
        select(call.id)
        .where(call.series_id.in_(alike), call.usage_grade == UsageGrade.REPORTED.value)
        .order_by(call.started_ns.desc())
        .limit(SAMPLES_MAX)
    )
    with reading(store) as connection:
        keys = list(connection.execute(latest).scalars())
        return whole_calls(connection, dicts(connection, LINES.where(call.id.in_(keys))))


@dataclass(frozen=True, slots=True)
class Unasked:
    """Streams of one agent that state no usage because nobody asked, among the latest doubtful calls."""

    calls: int
    framework: str | None  # of one of them


def read_unasked(store: Store, period: Period, *, calls_max: int = 1000) -> dict[str | None, Unasked]:
    """Per agent; only OpenAI's chat has to be asked."""
    call = tables.call.c
    latest = (
        select(call.agent_id, call.framework, call.estimated_by, call.stream, call.dialect)
        .where(
            text(f"call.{tables.DOUBTFUL}"),
            call.started_ns >= period.since_ns,
            call.started_ns < period.until_ns,
        )
        .order_by(call.started_ns.desc())
        .limit(calls_max)
        .subquery()
        .c
    )
    statement = (
        select(tables.agent.c.name, func.count(), func.max(latest.framework))
        .join(tables.agent, tables.agent.c.id == latest.agent_id)
        .where(latest.estimated_by.is_not(None), latest.stream, latest.dialect == ASKED_DIALECT)
        .group_by(tables.agent.c.name)
    )
    with reading(store) as connection:
        return {
            name or None: Unasked(calls, framework)
            for name, calls, framework in connection.execute(statement)
        }
