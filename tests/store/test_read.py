"""Lists, details, exports, and what an id stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from arc_proxy.call import Call, Kind, ToolCall
from arc_proxy.store import read as read_module
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.fact_table import Fact
from arc_proxy.store.filters import CallFilter, RunFilter
from arc_proxy.store.read import (
    PAGE,
    find,
    iter_calls,
    iter_runs,
    list_calls,
    list_runs,
    read_call,
    read_run,
)
from arc_proxy.store.write import save

MakeCall = Callable[..., Call]


def numbers(calls: list[Call], found: Any) -> list[int]:
    """Which of `calls` were found, by their place in it."""
    places = {call.call_id: place for place, call in enumerate(calls, 1)}
    return [places[line.call_id] for line in found]


@pytest.fixture
def calls(store: Store, make_call: MakeCall) -> list[Call]:
    """Seven calls, a second apart."""
    made = [
        make_call(1, grouping_run_id="task", grouping_session_id="s"),
        make_call(2, grouping_run_id="task", status=500, grouping_user="ada"),
        make_call(3, grouping_agent="travel", reply_model="gpt-4o", grouping_tags={"case": "17"}),
        make_call(4, grouping_agent=None, provider="anthropic", reply_model="claude"),
        make_call(5, kind=Kind.AUXILIARY, endpoint="models", reply_model=None, prompt_model=None),
        make_call(
            6, grouping_run_id="sub", grouping_parent_run_id="task", reply_model=None, prompt_model="gpt-4o"
        ),
        make_call(7, grouping_run_id="tagged", status=404, grouping_tags={"case": "17", "env": "prod"}),
    ]
    save(store, made)
    return made


FILTERS: dict[str, tuple[CallFilter, list[int]]] = {
    "all": (CallFilter(), [1, 2, 3, 4, 5, 6, 7]),
    "an agent": (CallFilter(agent="finance"), [1, 2, 5, 6, 7]),
    "no agent": (CallFilter(agent=""), [4]),
    "an agent that does not exist": (CallFilter(agent="nobody"), []),
    "a run": (CallFilter(run_id="task"), [1, 2]),
    "a session, with the run's other calls": (CallFilter(session_id="s"), [1, 2]),
    "a user": (CallFilter(user="ada"), [2]),
    "a provider": (CallFilter(provider="anthropic"), [4]),
    "a model, served or else requested": (CallFilter(model="gpt-4o"), [3, 6]),
    "a kind": (CallFilter(kind=Kind.AUXILIARY), [5]),
    "failed": (CallFilter(failed=True), [2, 7]),
    "not failed": (CallFilter(failed=False), [1, 3, 4, 5, 6]),
    "a tag": (CallFilter(tags={"case": "17"}), [3, 7]),
    "two tags": (CallFilter(tags={"case": "17", "env": "prod"}), [7]),
    "several at once": (CallFilter(agent="finance", failed=True, tags={"case": "17"}), [7]),
    "a time": (CallFilter(since_ns=1_790_000_003_000_000_000, until_ns=1_790_000_005_000_000_000), [3, 4]),
    "no text at all": (CallFilter(agent="\0", run_id="\ud800", tags={"\0": "\0"}), []),
    "an injection": (CallFilter(agent="' OR 1=1 --", tags={"' OR 1=1 --": "x"}), []),
}


@pytest.mark.parametrize(("wanted", "expected"), FILTERS.values(), ids=FILTERS)
def test_calls_are_filtered(store: Store, calls: list[Call], wanted: CallFilter, expected: list[int]) -> None:
    assert numbers(calls, list_calls(store, wanted)) == expected[::-1]
    assert numbers(calls, iter_calls(store, wanted)) == expected


RUN_FILTERS: dict[str, tuple[RunFilter, list[str]]] = {
    "all but probes": (RunFilter(), ["tagged", "sub", "r4", "r3", "task"]),
    "probes, too": (RunFilter(auxiliary=True), ["tagged", "sub", "r5", "r4", "r3", "task"]),
    "an agent": (RunFilter(agent="finance"), ["tagged", "sub", "task"]),
    "no agent": (RunFilter(agent=""), ["r4"]),
    "a session": (RunFilter(session_id="s"), ["task"]),
    "a user": (RunFilter(user="ada"), ["task"]),
    "a parent": (RunFilter(parent_run_id="task"), ["sub"]),
    "failed": (RunFilter(failed=True), ["tagged", "task"]),
    "a tag": (RunFilter(tags={"case": "17"}), ["tagged", "r3"]),
    "a run id": (RunFilter(run_id="task"), ["task"]),
    "an outcome": (RunFilter(outcome="success"), []),
    "a time": (RunFilter(since_ns=1_790_000_006_000_000_000), ["tagged", "sub"]),
}


@pytest.mark.parametrize(("wanted", "expected"), RUN_FILTERS.values(), ids=RUN_FILTERS)
def test_runs_are_filtered(store: Store, calls: list[Call], wanted: RunFilter, expected: list[str]) -> None:
    names = {f"r-{call.call_id}": f"r{place}" for place, call in enumerate(calls, 1)}
    found = [names.get(run.run_id, run.run_id) for run in list_runs(store, wanted)]
    assert found == expected
    assert [names.get(run.run_id, run.run_id) for run in iter_runs(store, wanted)] == expected[::-1]


def test_a_frequent_model_is_found_without_its_index(
    store: Store, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_module, "RARE_CALLS_MAX", 0)
    assert numbers(calls, list_calls(store, CallFilter(model="gpt-4o"))) == [6, 3]


def test_pages_show_every_call_once(store: Store, make_call: MakeCall) -> None:
    at_once = [make_call(number, at_ms=1_790_000_000_000 + number // 3) for number in range(20)]
    save(store, at_once)
    seen: list[str] = []
    after = None
    while page := list_calls(store, limit=3, after=after):
        seen += [line.call_id for line in page]
        after = page[-1].cursor
    assert sorted(seen) == sorted(call.call_id for call in at_once)
    runs: list[str] = []
    after = None
    while found := list_runs(store, limit=7, after=after, oldest_first=True):
        runs += [run.run_id for run in found]
        after = found[-1].cursor
    assert len(set(runs)) == len(runs) == 20


def test_an_export_goes_on_over_many_pages(store: Store, make_call: MakeCall) -> None:
    many = [make_call(number) for number in range(2 * PAGE + 1)]
    save(store, many)
    assert [row.call_id for row in iter_calls(store)] == [call.call_id for call in many]
    assert sum(1 for _ in iter_runs(store)) == len(many)


def test_a_row_of_the_export_has_what_the_reply_said(store: Store, make_call: MakeCall) -> None:
    message = b'{"content":"hi","role":"assistant","tool_calls":[{"arguments":"{\\"q\\":1}"}]}'
    tools = (
        ToolCall(id="c1", name="search", arguments='{"q":1}'),
        ToolCall(id="c2", name="x", arguments="{}"),
    )
    save(store, [make_call(1, reply_message=message, reply_output_text="hi", reply_tool_calls=tools)])
    [row] = iter_calls(store)
    assert (row.output_text, row.tool_calls) == ("hi", tools)
    assert row.usage_raw == {"prompt_tokens": 10, "completion_tokens": 5}
    with reading(store) as connection:
        stored = connection.execute(select(tables.tool_call.c.name, tables.tool_call.c.tool_call_id)).all()
    assert sorted(map(tuple, stored)) == [("search", "c1"), ("x", "c2")]


def test_the_detail_of_a_run_has_its_calls_in_order_and_its_facts(store: Store, make_call: MakeCall) -> None:
    save(
        store,
        [make_call(number, grouping_run_id="task") for number in (3, 1, 2)],
        [
            Fact(
                fact_id="1",
                writer="w",
                at_ns=5,
                body={"fact": "outcome", "run_id": "task", "outcome": "success"},
            )
        ],
    )
    [run] = list_runs(store)
    detail = read_run(store, run.key)
    assert detail is not None
    assert [line.started_ns for line in detail.calls] == [
        make_call(number).started_ns for number in (1, 2, 3)
    ]
    assert [fact.body["outcome"] for fact in detail.facts] == ["success"]
    assert read_run(store, 999_999) is None
    assert read_call(store, 999_999) is None


def test_what_an_id_or_its_beginning_stands_for(store: Store, calls: list[Call]) -> None:
    first = calls[0].call_id
    with writing(store) as connection:
        key = connection.execute(select(tables.run.c.id).where(tables.run.c.run_id == "sub")).scalar_one()
        connection.execute(tables.run_alias.insert(), {"alias": "r-old", "run_key": key})
    cases = {
        first: [("call", first)],
        first[:5]: [("call", call.call_id) for call in calls],
        "task": [("run", "task")],
        "ta": [("run", "tagged"), ("run", "task")],
        "s": [("session", "s")],
        "su": [("run", "sub")],
        "r-old": [("run", "sub")],
        "nothing like it": [],
        "": [],
        "%": [],
        "_": [],
        "\0": [],
        "\ud800": [],
    }
    found = {text: [(match.noun, match.id) for match in find(store, text)] for text in cases}
    assert found == cases
    assert len(find(store, first[:5], limit=2)) == 2


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("", "ix_call_started"),
        ("call.run_key = 1 AND", "ix_call_run_started"),
        ("call.agent_id = 1 AND", "ix_call_agent_started"),
        ("call.failed AND", "ix_call_failed"),
        (f"call.{tables.DOUBTFUL} AND", "ix_call_doubtful"),
    ],
)
def test_lists_are_served_by_an_index(store: Store, condition: str, index: str) -> None:
    """On SQLite, whose planner says so without statistics."""
    if not store.is_sqlite:
        return
    statement = (
        f"EXPLAIN QUERY PLAN SELECT * FROM call WHERE {condition} started_ns < 5 "
        "ORDER BY started_ns DESC, id DESC"
    )
    with reading(store) as connection:
        plan = [row[-1] for row in connection.exec_driver_sql(statement)]
    assert index in plan[0]
    assert not any("TEMP B-TREE" in step for step in plan)
