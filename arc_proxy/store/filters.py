"""
Which calls, which runs: what a person asked for, as conditions. Values are bound, never written into SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from arc_proxy.call import Kind
from arc_proxy.store import tables
from arc_proxy.store.bounds import dump_json, some_word
from arc_proxy.store.names import OTHER, OTHER_AGENT

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """None: any. `model`: as served, or as requested where no reply named one. Agent "": the unnamed."""

    since_ns: int | None = None
    until_ns: int | None = None  # not included
    agent: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    user: str | None = None
    provider: str | None = None
    model: str | None = None
    kind: Kind | None = None
    failed: bool | None = None
    tags: Mapping[str, str] = field(default_factory=dict)  # all of them, on the call or its run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """As CallFilter. Runs of nothing but probes are left out unless `auxiliary`."""

    since_ns: int | None = None  # of the run's start
    until_ns: int | None = None
    agent: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    parent_run_id: str | None = None
    user: str | None = None
    failed: bool | None = None
    outcome: str | None = None
    framework: str | None = None
    model: str | None = None  # one of its models
    issue: int | None = None  # that it has a failure of
    tags: Mapping[str, str] = field(default_factory=dict)  # all of them, on the run or any of its calls
    auxiliary: bool = False


def call_conditions(wanted: CallFilter, *, model_by_index: bool = True) -> list[Condition]:
    """
    `model_by_index` is for a model with few calls. The calls of a frequent one are better found on the way
    through all of them in the order that they are wanted in, than all looked up and sorted.
    """
    call, run, tag = tables.call.c, tables.run.c, tables.tag.c
    conditions = _span(call.started_ns, wanted.since_ns, wanted.until_ns)
    conditions += _equal(
        {
            call.user: wanted.user,
            call.provider: wanted.provider,
            call.kind: None if wanted.kind is None else str(wanted.kind),
            call.failed: wanted.failed,
        }
    )
    if wanted.agent is not None:
        conditions.append(call.agent_id == agent_id_of(wanted.agent))
    if wanted.run_id is not None:
        conditions.append(call.run_key.in_(select(run.id).where(run.run_id == _stored(wanted.run_id))))
    if wanted.session_id is not None:
        conditions.append(
            call.run_key.in_(select(run.id).where(run.session_key == _session_key(wanted.session_id)))
        )
    if wanted.model is not None:
        conditions.append(_has_model(wanted.model, model_by_index))
    for name, value in wanted.tags.items():
        has_tag = and_(tag.name == _stored(name), tag.value == _stored(value))
        conditions.append(
            or_(
                call.id.in_(select(tag.call_key).where(has_tag)),
                call.run_key.in_(select(tag.run_key).where(has_tag, tag.call_key == 0)),
            )
        )
    return conditions


def run_conditions(wanted: RunFilter) -> list[Condition]:
    run, tag = tables.run.c, tables.tag.c
    conditions = _span(run.started_ns, wanted.since_ns, wanted.until_ns)
    conditions += _equal(
        {
            run.run_id: wanted.run_id,
            run.parent_run_id: wanted.parent_run_id,
            run.user: wanted.user,
            run.failed: wanted.failed,
            run.outcome: wanted.outcome,
            run.framework: wanted.framework,
        }
    )
    if wanted.agent is not None:
        conditions.append(run.agent_id == agent_id_of(wanted.agent))
    if wanted.session_id is not None:
        conditions.append(run.session_key == _session_key(wanted.session_id))
    if wanted.model is not None:
        # The column is a JSON list: the name stands in it as JSON would write it.
        conditions.append(run.models.contains(dump_json(_stored(wanted.model)).decode(), autoescape=True))
    if wanted.issue is not None:
        failure = tables.failure.c
        conditions.append(run.id.in_(select(failure.run_key).where(failure.issue_id == wanted.issue)))
    for name, value in wanted.tags.items():
        conditions.append(
            run.id.in_(select(tag.run_key).where(tag.name == _stored(name), tag.value == _stored(value)))
        )
    if not wanted.auxiliary:
        conditions.append(is_of_its_own())
    return conditions


def is_of_its_own() -> Condition:
    """Whether a run has steps or was announced: else there were only auxiliary calls."""
    return or_(tables.run.c.calls > 0, tables.run.c.announced)


def _span(started: Any, since_ns: int | None, until_ns: int | None) -> list[Condition]:
    conditions: list[Condition] = []
    if since_ns is not None:
        conditions.append(started >= since_ns)
    if until_ns is not None:
        conditions.append(started < until_ns)
    return conditions


def _equal(wanted: Mapping[Any, Any]) -> list[Condition]:
    return [column == _stored(value) for column, value in wanted.items() if value is not None]


def _stored(value: Any) -> Any:
    """A text as it would have been stored, since it may have been, and no other can be asked for."""
    return some_word(value) if isinstance(value, str) else value


def agent_id_of(name: str | None) -> Any:
    """The key of an agent, as a subquery; None and "" are those that named none."""
    return select(tables.agent.c.id).where(tables.agent.c.name == _stored(name or "")).scalar_subquery()


def _session_key(session_id: str) -> Any:
    return (
        select(tables.session.c.id)
        .where(tables.session.c.session_id == _stored(session_id))
        .scalar_subquery()
    )


def _has_model(model: str, by_index: bool) -> Condition:
    """The index knows series; beyond the caps, and always, the text has to say it, too."""
    call = tables.call.c
    # A sum is no column, so no index serves it.
    series_id = call.series_id if by_index else call.series_id + 0
    return and_(
        series_id.in_(series_of_model(model)),
        func.coalesce(call.model, call.model_requested) == _stored(model),
    )


def series_of_model(model: str) -> Select[tuple[int]]:
    """Keys of the series in which calls of a model may be."""
    series = tables.series.c
    may_have = or_(series.model == _stored(model), series.model == OTHER, series.agent_id == OTHER_AGENT)
    return select(series.id).where(may_have)
