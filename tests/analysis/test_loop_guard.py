"""Does a run go in circles right now?"""

from __future__ import annotations

from typing import Any

import pytest

from analysis.budget import Budgets
from analysis.guard import Objection, ObjectionCode, Standing, objection
from analysis.loop_guard import PAUSE_NS, Loop, LoopKind, calls_wanted, find_loop
from arc_proxy.call import Call, CallError
from arc_proxy.journal.record import Ended
from tests.analysis.talk import BASE_NS, call, result, run_of, says, user

LIMIT = 3
NOW_NS = BASE_NS + 60 * 10**9
SAME, TURNS, ERROR = LoopKind.SAME_CALLS, LoopKind.ALTERNATING_CALLS, LoopKind.SAME_ERROR


def steps(*asked: tuple[str, str, str | None]) -> list[dict[str, Any]]:
    """A user's question, then a tool call each with what came back; None: nothing yet."""
    messages = [user("What was the profit?")]
    for number, (name, arguments, answer) in enumerate(asked):
        messages.append(says(None, (f"c{number}", name, arguments)))
        if answer is not None:
            messages.append(result(f"c{number}", answer))
    return messages


def same(times: int, *, last: str | None = None) -> list[dict[str, Any]]:
    return steps(*[("search", '{"q": 1}', "none")] * (times - 1), ("search", '{"q": 1}', last))


FOUND = {
    "the same call as often as is allowed": (same(3), Loop(SAME, "search", 3)),
    "one call less": (same(2), None),
    "the same arguments, written otherwise": (
        steps(
            ("f", '{"a":1,"b":2}', "x"),
            ("f", '{"b": 2, "a": 1}', "x"),
            ("f", ' {"a": 1, "b": 2}', None),
        ),
        Loop(SAME, "f", 3),
    ),
    "other arguments at last": (
        steps(("f", "{}", "x"), ("f", "{}", "x"), ("f", '{"a": 1}', None)),
        None,
    ),
    "another result in between": (
        steps(("f", "{}", "x"), ("f", "{}", "y"), ("f", "{}", None)),
        None,
    ),
    "a tool made for waiting": (steps(*[("check_status", "{}", "running")] * 5), None),
    "a tool that waits between looks": (
        steps(*[("sleep", "{}", "ok"), ("look", "{}", "nothing")] * 4),
        None,
    ),
    "two calls in turns": (
        steps(*[("f", "{}", "x"), ("g", "{}", "y")] * 2),
        Loop(TURNS, "f and g", 2),
    ),
    "two calls in turns, with something new": (
        steps(("f", "{}", "x"), ("g", "{}", "y"), ("f", "{}", "x2"), ("g", "{}", "y")),
        None,
    ),
    "the same call of two arguments in turns": (
        steps(*[("f", '{"a":1}', "x"), ("f", '{"a":2}', "y")] * 2),
        Loop(TURNS, "f and f", 2),
    ),
    "the same error with other arguments": (
        steps(
            *((("f", f'{{"row": {row}}}', f"KeyError: 'profit', row {row}")) for row in range(3)),
            ("f", '{"row": 9}', None),
        ),
        Loop(ERROR, "KeyError: 'profit', row 2", 3),
    ),
    "other errors": (
        steps(("f", "1", "KeyError: 'a'"), ("f", "2", "ValueError: b"), ("f", "3", "KeyError: 'a'")),
        None,
    ),
    "the same error of other tools": (
        steps(("f", "1", "Error: no disk"), ("g", "2", "Error: no disk"), ("h", "3", "Error: no disk")),
        None,
    ),
    "an error that was got over": (
        steps(
            *[("f", str(number), "Error: no disk") for number in range(3)],
            ("f", "9", "42 rows"),
            ("g", "{}", None),
        ),
        None,
    ),
    "the user asks for it again and again": (
        [
            message
            for number in range(4)
            for message in (
                user("And now?"),
                says(None, (f"c{number}", "f", "{}")),
                result(f"c{number}", "none"),
                says("Nothing new."),
            )
        ],
        None,
    ),
    "no tools at all": ([user("hi"), says("hello"), user("hi"), says("hello")], None),
}


@pytest.mark.parametrize(("messages", "found"), FOUND.values(), ids=FOUND)
def test_finds(messages: list[dict[str, Any]], found: Loop | None) -> None:
    calls = run_of(*messages)
    assert find_loop(calls, LIMIT, NOW_NS) == found
    assert find_loop(calls[-calls_wanted(LIMIT) :], LIMIT, NOW_NS) == found, "the latest calls are enough"


def refusal(number: int, status: int, kind: str, said: str, **more: Any) -> Call:
    return call(number, [user("hi")], None, status=status, error=CallError(type=kind, message=said), **more)


REFUSALS = {
    "a request that is wrong each time": ((400, "invalid_request_error", "Unknown parameter: 'x'."), True),
    "a model that is not there": ((404, "not_found", "The model `m` does not exist"), True),
    "a quota that is spent": ((429, "insufficient_quota", "You exceeded your current quota"), True),
    "a rate limit": ((429, "rate_limit_exceeded", "Rate limit reached for requests"), False),
    "an outage": ((503, "overloaded_error", "Overloaded"), False),
}


@pytest.mark.parametrize(("said", "is_loop"), REFUSALS.values(), ids=REFUSALS)
def test_finds_what_a_provider_answers_again_and_again(said: tuple[int, str, str], is_loop: bool) -> None:
    calls = [refusal(number, *said) for number in range(LIMIT)]
    assert (find_loop(calls, LIMIT, NOW_NS) is not None) is is_loop
    assert find_loop(calls[1:], LIMIT, NOW_NS) is None, "one less"
    assert find_loop([*calls, *run_of(user("hi"), says("hello"))], LIMIT, NOW_NS) is None, "then it went well"


def test_what_arc_proxy_refused_is_no_part_of_a_loop() -> None:
    calls = run_of(*same(2))
    ours = [
        call(
            10 + number,
            same(2),
            None,
            status=402,
            ended=Ended.REFUSED,
            error=CallError(type="e", message="m"),
        )
        for number in range(5)
    ]
    assert find_loop([*calls, *ours], LIMIT, NOW_NS) is None
    assert find_loop([*run_of(*same(3)), *ours], LIMIT, NOW_NS) == Loop(SAME, "search", 3), "still there"


def test_a_run_that_comes_back_after_a_pause_begins_anew() -> None:
    calls = run_of(*same(3))
    assert find_loop(calls, LIMIT, calls[-1].started_ns + PAUSE_NS) is not None
    assert find_loop(calls, LIMIT, calls[-1].started_ns + PAUSE_NS + 1) is None


def test_parallel_conversations_that_do_the_same_are_none() -> None:
    calls = [
        call(number, [user(f"part {number}")], says(None, (f"c{number}", "search", "{}")))
        for number in range(6)
    ]
    assert find_loop(calls, LIMIT, NOW_NS) is None


DOLLAR = 10**9
SPENT = {
    "within all budgets": ({}, None),
    "the run's": ({"run_nanousd": 2 * DOLLAR}, ObjectionCode.RUN_BUDGET),
    "the run's, to the nanodollar": ({"run_nanousd": DOLLAR}, ObjectionCode.RUN_BUDGET),
    "less by a nanodollar": ({"run_nanousd": DOLLAR - 1}, None),
    "the agent's": ({"agent": "a", "agent_nanousd": 5 * DOLLAR}, ObjectionCode.AGENT_BUDGET),
    "another agent's": ({"agent": "b", "agent_nanousd": 5 * DOLLAR}, None),
    "the day's": ({"day_nanousd": 20 * DOLLAR}, ObjectionCode.DAY_BUDGET),
    "a run in circles": ({"calls": run_of(*same(3))}, ObjectionCode.LOOP),
}


@pytest.mark.parametrize(("standing", "code"), SPENT.values(), ids=SPENT)
def test_objects(standing: dict[str, Any], code: ObjectionCode | None) -> None:
    budgets = Budgets(per_run=DOLLAR, per_agent={"a": 5 * DOLLAR}, per_day=20 * DOLLAR)
    found = objection(Standing(**standing), budgets, asked_nanousd=None, loop_limit=LIMIT, now_ns=NOW_NS)
    assert (found and found.code) == code


ASKED = {
    "lowers the run's": (5, {"run_nanousd": 5}, ObjectionCode.RUN_BUDGET, 5),
    "does not raise the run's": (100, {"run_nanousd": 10}, ObjectionCode.RUN_BUDGET, 10),
    "stands where there is none": (5, {"agent": "b", "agent_nanousd": 5}, ObjectionCode.AGENT_BUDGET, 5),
    "lowers the agent's where no run is named": (
        5,
        {"agent": "a", "agent_nanousd": 5},
        ObjectionCode.AGENT_BUDGET,
        5,
    ),
    "leaves the agent's where a run is named": (
        5,
        {"agent": "a", "agent_nanousd": 7, "run_nanousd": 1},
        None,
        None,
    ),
    "of nothing stops the first call": (0, {"run_nanousd": 0}, ObjectionCode.RUN_BUDGET, 0),
}


@pytest.mark.parametrize(("asked", "standing", "code", "budget"), ASKED.values(), ids=ASKED)
def test_a_header(
    asked: int, standing: dict[str, Any], code: ObjectionCode | None, budget: int | None
) -> None:
    budgets = Budgets(per_run=10, per_agent={"a": 8})
    found = objection(Standing(**standing), budgets, asked_nanousd=asked, loop_limit=LIMIT, now_ns=NOW_NS)
    assert (found and found.code) == code
    if isinstance(found, Objection):
        assert found.budget_nanousd == budget
