"""Runs that go on, and the conversation that they are in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from analysis.context_eta import Turn
from arc_proxy.call import Call, Grouping, ToolCall
from arc_proxy.runs.ending import SILENCE_NS, TIMEOUT_NS
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.live import RUNS_MAX, STEPS_MAX, is_final, read_live_run, read_live_runs
from arc_proxy.store.read import find
from arc_proxy.store.write import save
from pricing.usage import Usage, UsageGrade
from tests.store.conftest import BASE_NS, build_call

MakeCall = Callable[..., Call]

SYSTEM = {"role": "system", "content": "be brief"}
TOOLS = {"tools": [{"name": "look_up"}]}


def talk(turns: int, *, about: str = "ferns", mark: bool = False) -> list[dict[str, Any]]:
    """The messages of a request after so many turns. `mark`: on the last two, as for a cache."""
    messages: list[dict[str, Any]] = [TOOLS, SYSTEM, {"role": "user", "content": about}]
    for turn in range(turns):
        messages.append({"role": "assistant", "content": f"calls {turn}"})
        messages.append({"role": "tool", "content": f"found {about} {turn}"})
    for message in messages[-2:] if mark else ():
        message["cache_control"] = {"type": "ephemeral"}
    return messages


@pytest.fixture
def step(make_call: MakeCall) -> Callable[..., Call]:
    def make(
        number: int, messages: list[dict[str, Any]], tokens: int, *, run: str = "r-1", **more: Any
    ) -> Call:
        return make_call(
            number,
            grouping=Grouping(run_id=run, agent="finance"),
            prompt_messages=tuple(
                json.dumps(message, sort_keys=True, separators=(",", ":")).encode() for message in messages
            ),
            usage=Usage(input_text=tokens // 2, cache_read=tokens - tokens // 2),
            **(
                {
                    "prompt_parameters": {"max_tokens": 500},
                    "reply_tool_calls": (ToolCall(id="c", name="look_up", arguments="{}"),),
                }
                | more
            ),
        )

    return make


def second_ns(number: float) -> int:
    return BASE_NS + round(number * 1e9)


def turns_of(store: Store, now_ns: int) -> list[list[int]]:
    return [[turn.input_tokens for turn in run.turns] for run in read_live_runs(store, "finance", now_ns)]


@pytest.mark.parametrize("mark", [False, True], ids=["", "marks for the cache move along"])
def test_the_turns_of_a_run_that_goes_on(store: Store, step: Callable[..., Call], mark: bool) -> None:
    save(store, [step(at, talk(at, mark=mark), 100 * at) for at in range(1, 7)])
    [run] = read_live_runs(store, "finance", second_ns(10))
    assert run.turns == tuple(Turn(second_ns(at), 100 * at) for at in range(1, 7))
    assert run.billed.nanousd == 6 * 4500
    assert (run.run.run_id, run.provider, run.dialect) == ("r-1", "openai", "openai.chat")
    assert (run.model, run.parameters["max_tokens"]) == ("gpt-4o-mini-2024-07-18", 500)
    [match] = find(store, "r-1")
    assert read_live_run(store, match.key, second_ns(10)) == run


def test_what_talks_beside_it_is_another_conversation(store: Store, step: Callable[..., Call]) -> None:
    beside = [step(10 + at, talk(at, about="tides"), 7) for at in range(1, 4)]
    save(store, [step(1, talk(1), 100), *beside, step(20, talk(2), 200), step(21, talk(3), 300)])
    assert turns_of(store, second_ns(22)) == [[100, 200, 300]]


def test_a_response_that_names_the_one_before(store: Store, step: Callable[..., Call]) -> None:
    save(
        store,
        [
            step(
                at,
                [{"role": "user", "content": f"go on {at}"}],
                100 * at,
                reply_response_id=f"resp_{at}",
                prompt_parameters={"previous_response_id": f"resp_{at - 1}"} if at > 1 else {},
            )
            for at in range(1, 6)
        ],
    )
    assert turns_of(store, second_ns(6)) == [[100, 200, 300, 400, 500]]
    beside = step(7, talk(2), 900, reply_response_id="resp_7")
    lone = {"previous_response_id": "resp_7"}
    save(store, [beside, step(8, talk(1), 950, reply_response_id="resp_8", prompt_parameters=lone)])
    assert turns_of(store, second_ns(9)) == [[900, 950]]
    odd: dict[str, Any] = {"previous_response_id": {"not": ["an", "id"]}}
    save(store, [step(10, talk(1), 970, reply_response_id="resp_10", prompt_parameters=odd)])
    assert turns_of(store, second_ns(11)) == [[970]]


def test_a_compaction_is_another_conversation(store: Store, step: Callable[..., Call]) -> None:
    save(store, [step(at, talk(at), 100 * at) for at in range(1, 5)])
    save(store, [step(10 + at, talk(at, about="a summary"), 50 * at) for at in range(1, 3)])
    assert turns_of(store, second_ns(20)) == [[50, 100]]


def test_what_failed_or_said_nothing_of_its_tokens_is_no_turn(
    store: Store, step: Callable[..., Call]
) -> None:
    save(
        store,
        [
            step(1, talk(1), 100),
            step(2, talk(2), 0, status=429),
            step(3, talk(2), 0, usage_grade=UsageGrade.NONE),
            step(4, talk(2), 200),
        ],
    )
    assert turns_of(store, second_ns(5)) == [[100, 200]]


def test_only_the_latest_steps_are_read(store: Store, step: Callable[..., Call]) -> None:
    save(store, [step(at, talk(at), 100 * at) for at in range(1, STEPS_MAX + 11)])
    [turns] = turns_of(store, second_ns(60))
    assert len(turns) == STEPS_MAX
    assert turns[-1] == 100 * (STEPS_MAX + 10)


def test_a_run_that_is_over_is_not_live(store: Store, step: Callable[..., Call]) -> None:
    save(store, [step(1, talk(1), 100), step(2, talk(2), 200, reply_tool_calls=())])
    assert len(turns_of(store, second_ns(3))) == 1
    assert turns_of(store, second_ns(4) + SILENCE_NS) == []
    save(store, [step(10, talk(3), 300)])
    assert len(turns_of(store, second_ns(11) + SILENCE_NS)) == 1
    assert turns_of(store, second_ns(11) + TIMEOUT_NS) == []


def test_the_latest_runs_of_an_agent(store: Store, step: Callable[..., Call]) -> None:
    save(store, [step(at, talk(1), at, run=f"r-{at}") for at in range(1, RUNS_MAX + 3)])
    assert turns_of(store, second_ns(20)) == [[RUNS_MAX + 2], [RUNS_MAX + 1], [RUNS_MAX]]
    assert read_live_runs(store, "nobody", second_ns(20)) == ()
    assert read_live_run(store, 999, second_ns(20)) is None


ENDS: dict[str, tuple[dict[str, Any], bool]] = {
    "an answer": ({}, True),
    "a tool call": ({"reply_tool_calls": (ToolCall(id="c", name="f", arguments="{}"),)}, False),
    "a request that is wrong": ({"status": 400, "reply_finish_reason": None}, True),
    "a key that is refused": ({"status": 401, "reply_finish_reason": None}, True),
    "a rate limit": ({"status": 429, "reply_finish_reason": None}, False),
    "an outage": ({"status": 503, "reply_finish_reason": None}, False),
    "a call that goes on": ({"status": None, "duration_ns": None, "reply_finish_reason": None}, False),
}


@pytest.mark.parametrize(("fields", "is_last_word"), ENDS.values(), ids=ENDS)
def test_a_runs_last_word_is(store: Store, fields: dict[str, Any], is_last_word: bool) -> None:
    save(store, [build_call(1, grouping_run_id="r", **fields)])
    with reading(store) as connection:
        key = connection.execute(select(tables.run.c.id)).scalar_one()
        assert is_final(connection, key) is is_last_word
