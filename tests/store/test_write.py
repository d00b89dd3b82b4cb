"""Save, and what is there afterwards: one contract on both databases."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, text

from arc_proxy.call import Call, CallError, Captured, ChunkTime, Kind, ToolCall
from arc_proxy.errors import StoreError
from arc_proxy.journal.record import Ended
from arc_proxy.store import rollup, tables
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.fact_table import Fact
from arc_proxy.store.read import (
    find,
    iter_calls,
    iter_whole_calls,
    list_calls,
    list_runs,
    read_call,
    read_run,
    writer_counts,
)
from arc_proxy.store.write import Saved, forget_positions, read_positions, save
from pricing.cost import Cost, CostGrade, CostLine
from pricing.usage import Usage, UsageGrade

MakeCall = Callable[..., Call]


def snapshot(store: Store) -> dict[str, list[str]]:
    """Every row of every table."""
    with reading(store) as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in tables.metadata.sorted_tables
        }


def count(store: Store, name: str) -> int:
    with reading(store) as connection:
        statement = select(func.count()).select_from(tables.metadata.tables[name])
        return int(connection.execute(statement).scalar_one())


def whole(store: Store) -> list[Call]:
    return list(iter_whole_calls(store))


CALLS: dict[str, dict[str, Any]] = {
    "a plain completion": {},
    "everything that a call can say": {
        "grouping_session_id": "s-1",
        "grouping_parent_run_id": "parent",
        "grouping_user": "ada",
        "grouping_version": "1.2",
        "grouping_tags": {"case": "17", "env": "prod"},
        "grouping_rule": "header",
        "grouping_confidence": 1.0,
        "prompt_stream": True,
        "prompt_parameters": {"tool_choice": {"type": "auto"}, "deep": [1, None, 2.5]},
        "reply_tool_calls": (
            ToolCall(id="call_1", name="search", arguments='{"q":"hello"}'),
            ToolCall(id=None, name="search", arguments=""),
        ),
        "reply_server_tools": ("web_search",),
        "reply_service_tier": "priority",
        "reply_events": 17,
        "usage": Usage(
            input_text=1,
            input_audio=2,
            input_image=3,
            cache_read=4,
            cache_write_5m=5,
            cache_write_1h=6,
            output_text=7,
            output_audio=8,
            output_image=9,
            reasoning=2,
            tool_units={"web_search": 2},
        ),
        "usage_grade": UsageGrade.PARTIAL,
        "cost": Cost(
            nanousd=17,
            grade=CostGrade.PARTIAL,
            lines=(
                CostLine(bucket="input_text", units=1, rate_picousd=5, rate_id="a"),
                CostLine(bucket="tool:web_search", units=2, rate_picousd=6, rate_id="b"),
            ),
            rate_id="a",
            table_version="v1",
            reason="no price for audio",
        ),
        "captured": Captured.HEAD,
        "unsecured": True,
        "attempt_of": "01arz3ndektsv4rrffq69g5fav",
        "attempt": 2,
        "chunk_times": (ChunkTime(after_ns=1_000_000, size=10), ChunkTime(after_ns=2_500_000, size=0)),
    },
    "nothing but a request": {
        "url": None,
        "first_byte_ns": None,
        "duration_ns": None,
        "status": None,
        "ended": Ended.INTERRUPTED,
        "reply_model": None,
        "reply_response_id": None,
        "reply_finish_reason": None,
        "reply_output_text": None,
        "reply_usage": None,
        "reply_message": None,
        "reply_finished": False,
        "prompt_messages": (),
        "prompt_model": None,
        "prompt_parameters": {},
        "usage": Usage(),
        "usage_grade": UsageGrade.NONE,
        "cost": Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="the request names no model"),
        "request_headers": (),
        "response_headers": (),
        "request_id": None,
        "grouping_agent": None,
    },
    "an error": {
        "status": 429,
        "ended": Ended.COMPLETE,
        "reply_error": CallError(type="rate_limit_error", message="slow down\nplease"),
        "reply_message": None,
        "reply_output_text": None,
        "cost": Cost(nanousd=0, grade=CostGrade.COMPUTED),
    },
    "an empty text as its answer": {
        "reply_output_text": "",
        "reply_message": b'{"content":"","role":"assistant"}',
    },
    "a text that its message spells in another way": {
        "reply_output_text": "gr\u00fc\u00df dich",
        "reply_message": b'{"content":"gr\\u00fc\\u00df dich","role":"assistant"}',
    },
    "a message that begins like a compressed one": {"prompt_messages": (b"\x28\xb5\x2f\xfd", b"(" * 500)},
    "the same message twice": {"prompt_messages": (b'{"a":1}', b'{"a":1}', b'{"a":1}')},
}


@pytest.mark.parametrize("fields", CALLS.values(), ids=CALLS)
def test_a_call_comes_back_as_it_was_saved(store: Store, make_call: MakeCall, fields: dict[str, Any]) -> None:
    call = make_call(1, **fields)
    assert save(store, [call]) == Saved(new=1)
    assert whole(store) == [call]
    detail = read_call(store, list_calls(store)[0].key)
    assert detail is not None
    assert detail.call == call
    assert rollup.check(store) == ()


def test_saving_again_changes_nothing(store: Store, make_call: MakeCall) -> None:
    calls = [make_call(number, **fields) for number, fields in enumerate(CALLS.values(), 1)]
    facts = [fact(1, "outcome", outcome="success")]
    save(store, calls, facts, {"abcdef01": [1, 2]})
    before = snapshot(store)
    assert save(store, calls, facts, {"abcdef01": [1, 2]}) == Saved(same=len(calls))
    assert save(store, reversed(calls)) == Saved(same=len(calls))
    store.memory.forget()
    assert save(store, whole(store)) == Saved(same=len(calls))
    assert snapshot(store) == before


def test_the_last_word_on_a_call_within_a_batch_counts(store: Store, make_call: MakeCall) -> None:
    first = make_call(1, ended=Ended.INTERRUPTED)
    assert save(store, [first, make_call(1)]) == Saved(new=1)
    assert whole(store) == [make_call(1)]


UNFINISHED: dict[str, dict[str, Any]] = {
    "its body was cut": {
        "reply_message": b'{"content":"hel","role":"assistant"}',
        "reply_output_text": "hel",
    },
    "nothing of its reply was there": CALLS["nothing but a request"],
    "it had failed": {"status": 500, "reply_error": CallError(type="server_error", message="oops")},
    "it began in another month": {"started_ns": 1_700_000_000_000_000_000},
    "it belonged to another run, agent and session": {
        "grouping_run_id": "elsewhere",
        "grouping_agent": "travel",
        "grouping_session_id": "s-9",
    },
    "it had another model, user and more tags": {
        "reply_model": "gpt-4o",
        "grouping_user": "ada",
        "grouping_tags": {"case": "1"},
    },
    "it was auxiliary": {"kind": Kind.AUXILIARY},
    "it took longer": {"duration_ns": 60_000_000_000},
}


@pytest.mark.parametrize("fields", UNFINISHED.values(), ids=UNFINISHED)
def test_a_call_is_updated_and_nothing_of_the_old_one_stays(
    store: Store, make_call: MakeCall, clear: Callable[[Store], None], fields: dict[str, Any]
) -> None:
    unfinished = make_call(1, **{"ended": Ended.INTERRUPTED, **fields})
    others = [make_call(2), make_call(3, grouping_run_id="elsewhere")]
    save(store, [unfinished, *others])
    assert save(store, [make_call(1)]) == Saved(changed=1)
    assert rollup.check(store) == ()
    assert list_calls(store)[-1].ended is Ended.COMPLETE
    runs = list_runs(store)
    clear(store)
    save(store, [make_call(1), *others])
    assert [dataclasses.replace(run, key=0) for run in list_runs(store)] == [
        dataclasses.replace(run, key=0) for run in runs
    ]


def test_messages_of_a_conversation_are_stored_once(store: Store, make_call: MakeCall) -> None:
    messages = [b'{"content":"system","role":"system"}', b'{"content":"go","role":"user"}']
    calls = []
    for step in range(1, 21):
        reply = b'{"content":"step %d","role":"assistant"}' % step
        calls.append(
            make_call(step, grouping_run_id="loop", prompt_messages=tuple(messages), reply_message=reply)
        )
        messages += [reply, b'{"content":"result %d","role":"tool"}' % step]
    save(store, calls[:7])
    store.memory.forget()  # as after a restart
    save(store, calls[7:9])
    save(store, calls[9:])
    assert count(store, "message") == 2 + 20 + 19
    assert count(store, "node") == 2 + 2 * 19
    assert [call.prompt.messages for call in whole(store)] == [call.prompt.messages for call in calls]


def test_messages_are_stored_anew_each_month(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, at_ms=1_790_000_000_000), make_call(2, at_ms=1_793_500_000_000)])
    with reading(store) as connection:
        months = connection.execute(select(tables.message.c.month, func.count()).group_by("month")).all()
    assert sorted(map(tuple, months)) == [(202609, 3), (202611, 3)]
    assert count(store, "node") == 4


def test_two_processes_may_save_the_same_conversation(store: Store, make_call: MakeCall) -> None:
    other = Store(engine=store.engine, path=store.path, opened_as=store.opened_as)
    save(store, [make_call(1)])
    save(other, [make_call(2)])
    save(store, [make_call(3, prompt_messages=(b'{"a":1}',))])
    save(other, [make_call(4, prompt_messages=(b'{"a":1}', b'{"b":2}'))])
    assert count(store, "message") == 5
    assert rollup.check(store) == ()


def test_hashes_of_messages_are_keyed_per_store(store: Store, make_call: MakeCall) -> None:
    hashes = []
    for _ in range(2):
        save(store, [make_call(1)])
        with reading(store) as connection:
            hashes.append(set(connection.execute(select(tables.message.c.hash)).scalars()))
        with writing(store) as connection:
            for table in reversed(tables.metadata.sorted_tables):
                connection.execute(table.delete())
        store.memory.forget()
    assert not hashes[0] & hashes[1]


def test_positions_come_back_as_they_were_saved_with_the_rows(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1)], positions={"abcdef01": (3, 17), "00000002": (1, 0)})
    save(store, [], positions={"00000002": [2, 5]})
    assert read_positions(store) == {"abcdef01": [3, 17], "00000002": [2, 5]}
    forget_positions(store)
    assert read_positions(store) == {}


def test_a_save_that_fails_leaves_no_trace(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1)], positions={"abcdef01": [1, 1]})
    before = snapshot(store)
    with writing(store) as connection:
        connection.execute(text("ALTER TABLE run_rollup_day RENAME TO elsewhere"))
    try:
        with pytest.raises(StoreError):
            save(store, [make_call(2)], positions={"abcdef01": [1, 2]})
    finally:
        with writing(store) as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO run_rollup_day"))
    assert snapshot(store) == before
    save(store, [make_call(2)], positions={"abcdef01": [1, 2]})
    assert whole(store) == [make_call(1), make_call(2)]
    assert rollup.check(store) == ()


def test_a_row_that_the_database_refuses_holds_up_no_other(store: Store, make_call: MakeCall) -> None:
    wrong = make_call(2, prompt_stream=None)
    saved = save(store, [make_call(1), wrong, make_call(3)], positions={"abcdef01": [1, 3]})
    assert (saved.new, list(saved.refused)) == (2, [wrong.call_id])
    assert whole(store) == [make_call(1), make_call(3)]
    assert read_positions(store) == {"abcdef01": [1, 3]}


ODD: dict[str, dict[str, Any]] = {
    "a NUL in every text": {
        "reply_model": "a\0b",
        "prompt_model": "a\0b",
        "grouping_tags": {"a\0": "b\0"},
        "reply_error": CallError(type="\0", message="\0"),
        "reply_output_text": "\0",
        "reply_message": b'{"content":"\\u0000"}',
        "prompt_parameters": {"\0": "\0"},
        "ended_detail": "\0",
        "reply_tool_calls": (ToolCall(id="\0", name="\0", arguments="\0"),),
        "request_headers": (("a\0", "b\0"),),
    },
    "half of a surrogate pair in every text": {
        "reply_model": "\ud800",
        "grouping_user": "\udfff",
        "reply_error": CallError(type="\ud800", message="\ud800"),
        "reply_output_text": "\ud800",
        "prompt_parameters": {"\ud800": "\ud800"},
        "reply_tool_calls": (ToolCall(id="\ud800", name="\ud800", arguments="\ud800"),),
    },
    "numbers beyond 64 bits": {
        "usage": Usage(input_text=2**70, output_text=-5),
        "cost_nanousd": 2**80,
        "status": 2**65,
        "duration_ns": 2**64,
        "prompt_parameters": {"seed": 2**100},
        "reply_usage": {"prompt_tokens": 2**70},
        "request_bytes": 2**64,
    },
    "a model's name of a megabyte": {
        "reply_model": "x" * 1_000_000,
        "grouping_tags": {"y" * 10_000: "z" * 10_000},
        "reply_error": CallError(type="t" * 10_000, message="m" * 1_000_000),
    },
    "parameters nested without end": {"prompt_parameters": {"a": None}},
}
_nested: Any = []
for _ in range(5000):
    _nested = [_nested]
ODD["parameters nested without end"]["prompt_parameters"] = {"a": _nested}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_whatever_the_wire_brought_a_row_is_written(
    store: Store, make_call: MakeCall, fields: dict[str, Any]
) -> None:
    call = make_call(1, **fields)
    assert save(store, [call, make_call(2)]) == Saved(new=2)
    assert save(store, [call]) == Saved(same=1)
    again = whole(store)[0]
    assert again.call_id == call.call_id
    assert save(store, [again]).refused == {}
    assert [row.call_id for row in iter_calls(store)] == [call.call_id, make_call(2).call_id]
    assert rollup.check(store) == ()


# --- facts


def fact(
    number: int, kind: str, run_id: str = "task", at_ns: int = 1_790_000_000_000_000_000, **body: Any
) -> Fact:
    return Fact(
        fact_id=f"{number:026d}",
        writer="0000fac7",
        at_ns=at_ns + number,
        body={"fact": kind, "run_id": run_id, **body},
    )


def test_a_run_is_announced_before_its_first_call(store: Store, make_call: MakeCall) -> None:
    start = fact(1, "run_start", agent="finance", session_id="s", version="2", user="ada", tags={"case": "1"})
    save(store, [], [start])
    [run] = list_runs(store)
    assert (run.agent, run.run_id, run.session_id, run.version, run.user) == (
        "finance",
        "task",
        "s",
        "2",
        "ada",
    )
    assert (run.calls, run.announced, run.tags, run.cost_nanousd) == (0, True, {"case": "1"}, None)
    save(store, [make_call(1, grouping_run_id="task")])
    [run] = list_runs(store)
    assert (run.calls, run.started_ns) == (1, start.at_ns)
    [line] = list_calls(store)
    assert line.session_id == "s"
    assert rollup.check(store) == ()


def test_an_outcome_waits_for_its_run(store: Store, make_call: MakeCall) -> None:
    save(
        store, [], [fact(1, "outcome", outcome="failure", source="tests"), fact(2, "run_end", run_id="other")]
    )
    assert list_runs(store) == ()
    save(store, [make_call(1, grouping_run_id="task")])
    [run] = list_runs(store)
    assert (run.outcome, run.outcome_source, run.failed) == ("failure", "tests", True)
    assert rollup.check(store) == ()


def test_the_latest_outcome_counts_whatever_the_order(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(1, grouping_run_id="task")])
    save(store, [], [fact(9, "outcome", outcome="success", source="person")])
    save(store, [], [fact(3, "outcome", outcome="failure", source="tests")])
    [run] = list_runs(store)
    assert (run.outcome, run.outcome_source) == ("success", "person")
    assert rollup.check(store) == ()


def test_a_fact_is_kept_once(store: Store, make_call: MakeCall) -> None:
    calls, facts = [make_call(1, grouping_run_id="task")], [fact(1, "exception", type="KeyError")]
    assert save(store, calls, [*facts, *facts]).facts == 1
    assert save(store, calls, facts).facts == 0
    [run] = list_runs(store)
    assert run.exceptions == 1
    detail = read_run(store, run.key)
    assert detail is not None
    assert [row.body for row in detail.facts] == [{"fact": "exception", "run_id": "task", "type": "KeyError"}]


ONE_SIDED: dict[str, tuple[list[dict[str, Any]], list[Fact], bool]] = {
    "no failure": ([{}], [], False),
    "a failed call": ([{"status": 500}], [], True),
    "an error that the next step made up for": ([{"status": 500}, {}], [], False),
    "a failure that a retry made up for": ([{"status": 500}, {"attempt_of": "a", "attempt": 2}], [], False),
    "a retry that failed, too": ([{"status": 500}, {"attempt_of": "a", "status": 500}], [], True),
    "a stream that was cut": ([{"ended": Ended.TRUNCATED}], [], True),
    "a client that left": ([{"ended": Ended.CLIENT_CLOSED}], [], False),
    "our own death": ([{"ended": Ended.INTERRUPTED}], [], False),
    "a failed probe": ([{}, {"kind": Kind.AUXILIARY, "status": 404}], [], False),
    "an exception": ([{}], [fact(1, "exception", type="KeyError")], True),
    "a reported failure": ([{}], [fact(1, "outcome", outcome="failure")], True),
    "a reported success in spite of all": (
        [{"status": 500}],
        [fact(1, "outcome", outcome="success"), fact(2, "exception", type="KeyError")],
        False,
    ),
}


@pytest.mark.parametrize(("calls", "facts", "failed"), ONE_SIDED.values(), ids=ONE_SIDED)
def test_when_a_run_has_failed(
    store: Store, make_call: MakeCall, calls: list[dict[str, Any]], facts: list[Fact], failed: bool
) -> None:
    made = [make_call(number, grouping_run_id="task", **fields) for number, fields in enumerate(calls, 1)]
    save(store, made, facts)
    [run] = list_runs(store)
    assert run.failed is failed


def test_a_fact_without_an_agent_finds_the_run_of_its_id(store: Store, make_call: MakeCall) -> None:
    save(
        store, [make_call(1, grouping_run_id="1"), make_call(2, grouping_run_id="1", grouping_agent="travel")]
    )
    save(store, [], [fact(1, "outcome", run_id="1", agent="finance", outcome="failure")])
    assert {run.agent: run.outcome for run in list_runs(store)} == {"finance": "failure", "travel": None}
    save(store, [], [fact(2, "outcome", run_id="1", outcome="success")])
    assert {run.agent: run.outcome for run in list_runs(store)} == {"finance": "failure", "travel": "success"}


def test_odd_facts_are_kept_and_harm_nothing(store: Store, make_call: MakeCall) -> None:
    odd = [
        Fact(fact_id="1", writer="w", at_ns=-5, body={"fact": "outcome", "run_id": "task", "outcome": 17}),
        Fact(fact_id="2", writer="w", at_ns=2**70, body={"fact": "later\0", "run_id": ["no"], "x": "\ud800"}),
        Fact(fact_id="3", writer="w", at_ns=1, body={}),
        Fact(fact_id="4", writer="w", at_ns=1, body={"fact": "run_start", "run_id": "task", "tags": [1]}),
        Fact(fact_id="5", writer="w", at_ns=1, body={"fact": "run_start", "run_id": "t\0", "tags": {"a": 1}}),
    ]
    assert save(store, [make_call(1, grouping_run_id="task")], odd) == Saved(new=1, facts=5)
    assert save(store, [], odd) == Saved()
    assert rollup.check(store) == ()


# --- runs


def test_cost_grades_of_a_run(store: Store, make_call: MakeCall) -> None:
    unknown = Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no such model")
    api = Cost(nanousd=70, grade=CostGrade.API_EQUIVALENT, reason="subscription")
    free = Cost(nanousd=0, grade=CostGrade.COMPUTED)
    known = Cost(nanousd=100, grade=CostGrade.COMPUTED)
    cases: dict[str, tuple[list[Cost], int | None, CostGrade]] = {
        "known": ([known, known], 200, CostGrade.COMPUTED),
        "unknown is never $0": ([unknown, free], None, CostGrade.UNKNOWN),
        "a lower bound": ([unknown, known], 100, CostGrade.PARTIAL),
        "estimated": (
            [dataclasses.replace(known, grade=CostGrade.ESTIMATED), known],
            200,
            CostGrade.ESTIMATED,
        ),
        "reported": (
            [dataclasses.replace(known, grade=CostGrade.PROVIDER_REPORTED)] * 2,
            200,
            CostGrade.PROVIDER_REPORTED,
        ),
        "subscription": ([api, api, free], 140, CostGrade.API_EQUIVALENT),
        "never summed with billed cost": ([api, known], 100, CostGrade.COMPUTED),
    }
    calls = [
        make_call(10 * number + index, grouping_run_id=name, cost=cost)
        for number, (name, (costs, _, _)) in enumerate(cases.items())
        for index, cost in enumerate(costs)
    ]
    save(store, calls)
    found = {run.run_id: (run.cost_nanousd, run.cost_grade) for run in list_runs(store)}
    assert found == {name: (nanousd, grade) for name, (_, nanousd, grade) in cases.items()}


def test_calls_of_a_run_are_counted_by_what_they_are(store: Store, make_call: MakeCall) -> None:
    kinds = [
        {},
        {"attempt_of": "x", "attempt": 2},
        {"kind": Kind.EMBEDDING},
        {"kind": Kind.AUXILIARY, "status": 404},
        {"status": 429},
    ]
    save(store, [make_call(n, grouping_run_id="task", **fields) for n, fields in enumerate(kinds, 1)])
    [run] = list_runs(store)
    assert (run.calls, run.attempts, run.steps, run.auxiliary_calls, run.errors) == (3, 4, 2, 1, 1)
    assert (run.started_ns, run.ended_ns) == (make_call(1).started_ns, make_call(5).started_ns + 900_000_000)


def test_where_calls_disagree_the_order_of_arrival_does_not_matter(
    store: Store, make_call: MakeCall, clear: Callable[[Store], None]
) -> None:
    calls = [
        make_call(1, grouping_run_id="task", grouping_user="bob", grouping_tags={"a": "2"}),
        make_call(2, grouping_run_id="task", grouping_user="ada", grouping_session_id="s", reply_model="m2"),
        make_call(3, grouping_run_id="task", grouping_version="9", grouping_tags={"a": "1", "b": "1"}),
    ]
    frameworks = ("anthropic-python", "langgraph", "langchain")
    calls = [dataclasses.replace(call, framework=name) for call, name in zip(calls, frameworks, strict=True)]
    found = []
    for order in (calls, calls[::-1], [calls[1], calls[0], calls[2]]):
        clear(store)
        for call in order:
            save(store, [call])
        found.append([dataclasses.replace(run, key=0) for run in list_runs(store)])
    assert found[0] == found[1] == found[2]
    [run] = found[0]
    assert (run.user, run.version, run.tags, run.session_id) == ("ada", "9", {"a": "1", "b": "1"}, "s")
    assert run.models == ("gpt-4o-mini-2024-07-18", "m2")
    assert run.framework == "langgraph"


def test_one_run_id_of_two_agents_is_two_runs(store: Store, make_call: MakeCall) -> None:
    save(
        store, [make_call(1, grouping_run_id="1"), make_call(2, grouping_run_id="1", grouping_agent="travel")]
    )
    assert [(match.noun, match.id, match.agent) for match in find(store, "1")] == [
        ("run", "1", "finance"),
        ("run", "1", "travel"),
    ]


def test_counts_replace_and_tallies_add_up(store: Store) -> None:
    save(store, [], counts={"w": {"lost_records": 1}}, tallies={"w": {"malformed": 2}})
    save(store, [], counts={"w": {"lost_records": 5}}, tallies={"w": {"malformed": 1, "corrupt": 1}})
    [counts] = writer_counts(store)
    assert (counts.counts, counts.tallies) == ({"lost_records": 5}, {"malformed": 3, "corrupt": 1})


# --- trouble


def test_a_full_disk_is_a_store_error_and_what_was_there_stays(store: Store, make_call: MakeCall) -> None:
    """SQLite can be told how large the disk is."""
    if not store.is_sqlite:
        return
    save(store, [make_call(1)], positions={"abcdef01": [1, 1]})
    with reading(store) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    noise = tuple(b'{"n":"%s"}' % bytes(range(48, 58)) * 200 + str(n).encode() * 500 for n in range(200))
    with pytest.raises(StoreError, match="full"):
        save(store, [make_call(2, prompt_messages=noise)], positions={"abcdef01": [1, 2]})
    assert (whole(store), read_positions(store)) == ([make_call(1)], {"abcdef01": [1, 1]})
    with reading(store) as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert save(store, [make_call(2, prompt_messages=noise)]) == Saved(new=1)
    assert rollup.check(store) == ()


def test_threads_and_processes_that_save_at_once_wait_for_each_other(
    store: Store, make_call: MakeCall
) -> None:
    stores = [store, Store(engine=store.engine, path=store.path, opened_as=store.opened_as)]
    failures: list[BaseException] = []

    def saver(number: int) -> None:
        try:
            for batch in range(5):
                calls = [
                    make_call(batch * 4 + n, grouping_run_id=f"r{n % 2}", duration_ns=number * 1000)
                    for n in range(6)
                ]
                save(stores[number % 2], calls, [fact(batch, "exception", run_id="r1")])
        except BaseException as error:  # noqa: BLE001  the assertion below shows it
            failures.append(error)

    threads = [threading.Thread(target=saver, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(whole(store)) == 22
    assert count(store, "message") == 3
    assert rollup.check(store) == ()
