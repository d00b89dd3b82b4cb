"""
Runs that go on, and the conversation that each of them is in. Reads are bounded, however long a run is.

A step belongs to the latest conversation if nearly all that it sent is at the beginning of what the latest
step sent. Not quite all: the last messages may be written otherwise a turn later, as clients do that move
their marks for the cache along. OpenAI's responses may name the one before instead of quoting it
(`previous_response_id`): there each step belongs that the latest one follows from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, false, func, literal, select

from analysis.context_eta import Turn
from arc_proxy.call import Kind
from arc_proxy.journal.fact import FactType
from arc_proxy.runs.ending import REFUSED_STATUSES, TIMEOUT_NS, how_it_ended
from arc_proxy.store import tables
from arc_proxy.store.bounds import some_word
from arc_proxy.store.bulk import dicts
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.guarded import billed_with_parts
from arc_proxy.store.launches import exited_ns
from arc_proxy.store.load import RUNS, run_row
from arc_proxy.store.payload import headers, unpack_call
from arc_proxy.store.rows import TOKEN_COLUMNS, usage_of
from arc_proxy.store.spent_since import Billed
from arc_proxy.store.views import RunRow

RUNS_MAX = 3  # of an agent, the latest
CALLS_MAX = 60  # of an agent, among which its runs are looked for
STEPS_MAX = 40  # of a run, among which the conversation is looked for
MESSAGES_MAX = 5000  # of the latest request; a longer one is cut off at its beginning
REWRITTEN_MAX = 4  # messages at the end of a request that the next one may say otherwise
SHARED_MIN = 3  # tools, a system prompt: what conversations begin with is none

_CALL = tables.call.c
_LATEST = (
    select(_CALL.run_key, _CALL.started_ns)
    .where(
        _CALL.agent_id
        == select(tables.agent.c.id).where(tables.agent.c.name == bindparam("agent")).scalar_subquery(),
        _CALL.started_ns >= bindparam("since"),
    )
    .order_by(_CALL.started_ns.desc())
    .limit(CALLS_MAX)
    .subquery()
)
# Made once: making a statement takes longer than what it asks for.
_LATEST_RUNS = (
    select(_LATEST.c.run_key)
    .group_by(_LATEST.c.run_key)
    .order_by(func.max(_LATEST.c.started_ns).desc())
    .limit(RUNS_MAX)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """
    A run that goes on. `billed` for it and for the runs of its sub-agents. `turns` of its latest
    conversation, in order; the rest is of the last of them.
    """

    run: RunRow
    billed: Billed
    provider: str
    dialect: str
    model: str
    parameters: Mapping[str, Any]
    request_headers: tuple[tuple[str, str], ...]
    turns: tuple[Turn, ...]


def read_live_runs(store: Store, agent: str | None, now_ns: int) -> tuple[LiveRun, ...]:
    """An agent's runs that go on, the latest first. Raises StoreError."""
    span = {"agent": some_word(agent or ""), "since": now_ns - TIMEOUT_NS}
    with reading(store) as connection:
        keys = connection.execute(_LATEST_RUNS, span).scalars().all()
        found = [_live(connection, key, now_ns) for key in keys]
    return tuple(run for run in found if run is not None)


def read_live_run(store: Store, run_key: int, now_ns: int) -> LiveRun | None:
    """None where the run is over, or no step of it has answered yet. Raises StoreError."""
    with reading(store) as connection:
        return _live(connection, run_key, now_ns)


def is_final(connection: Connection, run_key: int) -> bool:
    """Whether the last step of a run gave an answer, and asked for no tool, or was refused for good."""
    tool_call = tables.tool_call
    asks = select(tool_call.c.call_key).where(tool_call.c.call_key == _CALL.id).exists()
    is_refused = func.coalesce(_CALL.status.in_(REFUSED_STATUSES), false())
    answers = (~_CALL.failed & _CALL.finish_reason.is_not(None) & ~asks) | is_refused
    steps = select(answers).where(_CALL.run_key == run_key, _CALL.kind == Kind.GENERATION)
    last = steps.order_by(_CALL.started_ns.desc(), _CALL.id.desc()).limit(1)
    return bool(connection.execute(last).scalar())


def _live(connection: Connection, run_key: int, now_ns: int) -> LiveRun | None:
    found = dicts(connection, RUNS.where(tables.run.c.id == run_key))
    if not found or not _goes_on(connection, found[0], now_ns):
        return None
    steps = _steps(connection, run_key)
    if not steps:
        return None
    run, last = run_row(found[0]), steps[-1]
    envelope = _envelope(connection, last)
    parameters = envelope.get("parameters", {})
    follows = bool(parameters.get("previous_response_id"))
    talk = _followed(connection, steps, envelope) if follows else _quoted(connection, steps)
    return LiveRun(
        run=run,
        billed=billed_with_parts(connection, run_key),
        provider=last["provider"],
        dialect=last["dialect"],
        model=last["model"],
        parameters=parameters,
        request_headers=headers(envelope, "request"),
        turns=tuple(Turn(step["started_ns"], usage_of(step).input_tokens) for step in talk),
    )


def _goes_on(connection: Connection, row: Mapping[str, Any], now_ns: int) -> bool:
    if now_ns - row["ended_ns"] >= TIMEOUT_NS:
        return False
    fact = tables.fact.c
    closed = select(func.max(fact.at_ns)).where(fact.run_key == row["id"], fact.type == FactType.RUN_END)
    how = how_it_ended(
        last_ns=row["ended_ns"],
        is_final=is_final(connection, row["id"]),
        outcome_ns=row["outcome_ns"],
        now_ns=now_ns,
        exited_ns=exited_ns(connection, row),
        closed_ns=connection.execute(closed).scalar() if row["announced"] else None,
    )
    return how is None


def _steps(connection: Connection, run_key: int) -> list[dict[str, Any]]:
    """The latest that answered and said what they had read, in order, of the model of the last."""
    model = func.coalesce(_CALL.model, _CALL.model_requested).label("model")
    statement = (
        select(
            *(_CALL.id, _CALL.started_ns, _CALL.provider, _CALL.dialect, _CALL.messages, _CALL.node_id),
            *(model, _CALL.response_id, _CALL.tool_units, *(_CALL[name] for name in TOKEN_COLUMNS)),
        )
        .where(
            _CALL.run_key == run_key,
            _CALL.kind == str(Kind.GENERATION),
            ~_CALL.failed,
            _CALL.usage_grade != "none",
            _CALL.node_id.is_not(None),
            model.is_not(None),
        )
        .order_by(_CALL.started_ns.desc(), _CALL.id.desc())
        .limit(STEPS_MAX)
    )
    steps = dicts(connection, statement)[::-1]
    return [step for step in steps if step["model"] == steps[-1]["model"]]


def _envelope(connection: Connection, step: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = tables.payload.c
    packed = connection.execute(select(payload.content).where(payload.call_key == step["id"])).scalar()
    return unpack_call(packed) if packed else {}


def _followed(
    connection: Connection, steps: Sequence[dict[str, Any]], envelope: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The steps that the last one, of this envelope, follows from by the ids of responses, and itself."""
    by_response = {step["response_id"]: step for step in steps[:-1] if step["response_id"]}
    talk = [steps[-1]]
    while before := by_response.pop(_named_before(envelope), None):
        talk.append(before)
        envelope = _envelope(connection, before)
    return talk[::-1]


def _named_before(envelope: Mapping[str, Any]) -> str:
    return str(envelope.get("parameters", {}).get("previous_response_id") or "")


def _quoted(connection: Connection, steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps whose requests the last one repeats, and itself."""
    last = steps[-1]
    said = {node_id for _, node_id, _ in _upwards(connection, [last["node_id"]], MESSAGES_MAX)}
    shared: dict[int, int] = {}  # by a step's node, messages that the latest step repeats
    depths = {step["node_id"]: step["messages"] for step in steps}
    for start, node_id, above in _upwards(connection, depths, REWRITTEN_MAX):
        if node_id in said:
            shared[start] = max(shared.get(start, 0), depths[start] - above)
    return [step for step in steps if shared.get(step["node_id"], 0) >= SHARED_MIN or step is last]


def _upwards(
    connection: Connection, node_ids: Iterable[int], above_max: int
) -> Iterable[tuple[int, int, int]]:
    """From each node up to so many above it: where it started, the node there, how far it is above."""
    node = tables.node.c
    first = select(node.id.label("start"), node.id, node.parent_id, literal(0).label("above")).where(
        node.id.in_(list(node_ids))
    )
    walk = first.cte("walk", recursive=True)
    more = select(walk.c.start, node.id, node.parent_id, walk.c.above + 1).where(
        node.id == walk.c.parent_id, walk.c.above < above_max
    )
    walk = walk.union_all(more)
    rows = connection.execute(select(walk.c.start, walk.c.id, walk.c.above))
    return [(row.start, row.id, row.above) for row in rows]
