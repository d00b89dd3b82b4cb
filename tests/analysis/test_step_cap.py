"""Runs that a cap on steps ended, and those of equal length that it did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.earlier import EarlierRun
from analysis.failure import FailureCode, Severity
from analysis.issue_facts import facts_of
from analysis.run_failure import run_failures
from arc_proxy.call import Call
from tests.analysis.talk import call, result, run_of, says, user

C = FailureCode


def stopped(steps: int, last: str = "look_up") -> list[Call]:
    """A run that calls one tool after another, and stops there."""
    names = ["look_up"] * (steps - 1) + [last]
    talk = [user("?")]
    for number, name in enumerate(names):
        talk += [
            says(None, (f"c{number}", name, f'{{"id":"{number}"}}')),
            result(f"c{number}", f"is {number}"),
        ]
    return run_of(*talk)


def before(*runs: tuple[int, str]) -> list[EarlierRun]:
    """Steps, and the tool that was asked for last: "" for an answer. The latest first."""
    return [
        EarlierRun(steps=steps, input_tokens=1, cost_nanousd=1, asks=(asks,) if asks else ())
        for steps, asks in runs
    ]


def ends(calls: Sequence[Call], earlier: Sequence[EarlierRun] = (), *, is_over: bool = True) -> list[str]:
    found = run_failures(calls, is_over=is_over, earlier_runs=lambda: earlier)
    return [str(each.code) for each in found if each.code in (C.STEP_CAP, C.NO_FINAL_ANSWER)]


CASES = {
    "three runs at one number": (stopped(12), before((12, "look_up"), (12, "look_up")), C.STEP_CAP),
    "with answers before it": (stopped(12), before((5, ""), (12, "x"), (7, ""), (12, "y")), C.STEP_CAP),
    "with an answer in its last step": (stopped(12), before((12, ""), (12, "x"), (12, "y")), C.STEP_CAP),
    "after a larger cap": (stopped(12), before((12, "x"), (12, "y"), (25, "")), C.STEP_CAP),
    "with different tools at the end": (stopped(12, "buy"), before((12, "x"), (12, "y")), C.STEP_CAP),
    "two runs are a chance": (stopped(12), before((12, "look_up"), (9, "")), C.NO_FINAL_ANSWER),
    "no run before it": (stopped(12), before(), C.NO_FINAL_ANSWER),
    "a run took more since": (stopped(12), before((12, "x"), (13, ""), (12, "y")), C.NO_FINAL_ANSWER),
    "runs stop anywhere": (stopped(12), before((12, "x"), (9, "x"), (12, "x"), (4, "x")), C.NO_FINAL_ANSWER),
    "tasks of equal length": (stopped(12), before((12, ""), (12, ""), (12, "")), C.NO_FINAL_ANSWER),
    "short tasks": (stopped(3), before((3, "look_up"), (3, "look_up")), C.NO_FINAL_ANSWER),
    "a last step that is always the same": (
        stopped(6, "save_note"), before(*[(6, "save_note")] * 5), C.NO_FINAL_ANSWER,
    ),
    "a tool that ends it": (stopped(12, "submit"), before((12, "x"), (12, "y")), None),
    "others ended by a tool of theirs": (stopped(12), before((12, "submit"), (12, "end")), C.NO_FINAL_ANSWER),
}  # fmt: skip


@pytest.mark.parametrize(("calls", "earlier", "code"), CASES.values(), ids=CASES)
def test_where_runs_stop(calls, earlier, code):
    assert ends(calls, earlier) == ([code] if code else [])


def test_a_run_that_goes_on_is_not_judged():
    assert ends(stopped(12), before((12, "x"), (12, "y")), is_over=False) == []


def test_a_retry_is_no_step():
    calls = stopped(12)
    again = replace(calls[3], call_id="again", attempt_of=calls[3].call_id, attempt=2)
    assert ends([*calls[:4], again, *calls[4:]], before((12, "x"), (12, "y"))) == [C.STEP_CAP]


def test_a_cap_says_where_it_is_and_what_good_runs_take():
    calls = stopped(12)
    [failure] = [
        each
        for each in run_failures(calls, is_over=True, earlier_runs=lambda: before((12, "x"), (12, "y")))
        if each.code is C.STEP_CAP
    ]
    assert (failure.subject, failure.times, failure.call_id) == ("12 calls", 3, calls[-1].call_id)
    assert (
        failure.evidence == "12 calls, the last one asking for look_up: 3 runs stopped so, and none took more"
    )
    facts = facts_of(failure, calls, good_steps=[*range(1, 21)])
    assert (facts["steps"], facts["p95_good_steps"]) == ("12", "20")


# What frameworks tell the model at their cap.
CREWAI = (
    "Now it's time you MUST give your absolute best final answer. You'll ignore all previous instructions, "
    "stop using any tools, and just return your absolute BEST Final answer."
)
SMOLAGENTS = (
    "An agent tried to answer a user query but it got stuck and failed to do so. You are tasked with "
    "providing an answer instead. Here is the agent's memory:"
)
OPENCODE = "CRITICAL - MAXIMUM STEPS REACHED\n\nThe maximum number of steps allowed has been reached."
DECLARED = {
    "CrewAI": [user("?"), {"role": "assistant", "content": CREWAI}],
    "CrewAI, in parts": [user("?"), {"role": "user", "content": [{"type": "text", "text": CREWAI}]}],
    "smolagents": [{"role": "system", "content": SMOLAGENTS}, user("task"), user("memory"), user("answer")],
    "OpenCode": [user("?"), {"role": "assistant", "content": OPENCODE}],
}


@pytest.mark.parametrize("messages", DECLARED.values(), ids=DECLARED)
def test_a_cap_that_the_agent_declares(messages):
    calls = [*stopped(4), call(99, messages, says("It is about 7."))]
    [failure] = [each for each in run_failures(calls, is_over=True) if each.code is C.STEP_CAP]
    assert (failure.subject, failure.is_recovered, failure.severity) == ("5 calls", True, Severity.ERROR)
    assert failure.evidence.startswith("after 5 calls the agent asks for a last answer: ")


QUOTED = {
    "a text on it": [user(f"What does this mean: {CREWAI}")],
    "in an earlier turn": [user("?"), user(CREWAI), says("7"), user("And now?"), says("8"), user("Thanks.")],
}


@pytest.mark.parametrize("messages", QUOTED.values(), ids=QUOTED)
def test_words_of_a_cap_that_are_about_something_else(messages):
    assert ends([call(1, messages, says("It is 7."))]) == []
