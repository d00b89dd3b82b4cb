"""What went wrong in a run: each code on the run that has it, and on those that only look so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.failure import SEVERITY, FailureCode, Severity
from analysis.run_failure import Raised, run_failures
from arc_proxy.call import Call, CallError, Kind, ToolCall
from arc_proxy.journal.record import Ended
from tests.analysis.talk import LOOK_UP, call, canonical, result, run_of, says, user

ASK = user("What is 7?")
OTHER_LOOK_UP = {"type": "function", "name": "look_up", "parameters": {"required": ["page"]}}
JSON_WANTED = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"required": ["a"]}}}}


def look(number: int, arguments: str = '{"id":"7"}', name: str = "look_up") -> dict[str, Any]:
    return says(None, (f"c{number}", name, arguments))


def looked(*results: str, arguments: str = '{"id":"7"}', name: str = "look_up") -> list[dict[str, Any]]:
    """A question, the tool asked once for each result, and an answer."""
    steps = [
        step
        for number, text in enumerate(results)
        for step in (look(number, arguments, name), result(f"c{number}", text))
    ]
    return [ASK, *steps, says("It is 7.")]


def codes(calls: list[Call], *, is_over: bool = True, **more: Any) -> list[str]:
    return [str(failure.code) for failure in run_failures(calls, is_over=is_over, **more)]


BROKEN = "Error: no such record 7"

# Calls -> codes.
RUNS: dict[str, tuple[list[Call], list[str]]] = {
    "a run that goes well": (run_of(*looked("seven")), []),
    "an error that is got over": (run_of(*looked(BROKEN, "seven")), ["tool.error"]),
    "an error at the end": (run_of(*looked("seven", BROKEN)), ["tool.error", "tool.error_unrecovered"]),
    "the same error twice": (
        run_of(*looked(BROKEN, "Error: no such record 8", "seven")),
        ["tool.error", "tool.error", "tool.error_repeated", "tool.error_consecutive"],
    ),
    "errors of calls that were made together are one attempt": (
        run_of(
            ASK,
            says(None, ("a", "look_up", '{"id":"1"}'), ("b", "look_up", '{"id":"2"}')),
            result("a", BROKEN),
            result("b", BROKEN),
            look(3),
            result("c3", "seven"),
            says("It is 7."),
        ),
        ["tool.error", "tool.error"],
    ),
    "nothing found": (run_of(*looked("[]")), ["tool.empty_result"]),
    "an empty frame of pandas": (
        run_of(*looked("Empty DataFrame\nColumns: [a]\nIndex: []")),
        ["tool.empty_result"],
    ),
    "the same call with the same result": (run_of(*looked("six", "six")), ["loop.repeated_call"]),
    "the same call with another result is a second look": (run_of(*looked("six", "seven")), []),
    "waiting for something": (run_of(*looked("busy", "busy", name="get_status")), []),
    "a second look after a change": (
        run_of(
            ASK,
            look(1),
            result("c1", "six"),
            says(None, ("w", "set_value", "{}")),
            result("w", "ok"),
            look(2),
            result("c2", "six"),
            says("It is 6."),
        ),
        [],
    ),
    "the same words again": (
        run_of(
            ASK,
            says("I will look that up for you right away."),
            user("go on"),
            says("I will look that up for you right away."),
            user("well?"),
            says("It is 7."),
        ),
        ["loop.repeated_text"],
    ),
    "a tool that nobody offered": (
        run_of(*looked("seven", name="lookup"), tools=[LOOK_UP]),
        ["tool.unknown_name"],
    ),
    "a tool of a namespace": (
        run_of(*looked("seven"), tools=[{"type": "namespace", "name": "mcp__store", "tools": [LOOK_UP]}]),
        [],
    ),
    "a tool that nobody offered beside a namespace": (
        run_of(
            *looked("seven", name="lookup"),
            tools=[{"type": "namespace", "name": "mcp__store", "tools": [LOOK_UP]}],
        ),
        ["tool.unknown_name"],
    ),
    "a tool that two namespaces have, by the schema of either": (
        run_of(
            *looked("seven"),
            tools=[
                {"type": "namespace", "name": "mcp__store", "tools": [LOOK_UP]},
                {"type": "namespace", "name": "mcp__wiki", "tools": [OTHER_LOOK_UP]},
            ],
        ),
        [],
    ),
    "an argument is missing": (
        run_of(*looked("seven", arguments='{"limit":1}'), tools=[LOOK_UP]),
        ["tool.args_missing"],
    ),
    "an argument of another type": (
        run_of(*looked("seven", arguments='{"id":"7","limit":"all"}'), tools=[LOOK_UP]),
        ["tool.args_schema_invalid"],
    ),
    "arguments that are no JSON": (
        run_of(*looked("seven", arguments='{"id": 7'), tools=[LOOK_UP]),
        ["tool.args_invalid_json"],
    ),
    "arguments that were cut at the limit are cut, not wrong": (
        [call(1, [ASK], look(1, '{"id": "7'), finish="length", parameters={"max_tokens": 9})],
        ["output.truncated", "run.no_final_answer"],
    ),
    "a schema that is none": (
        run_of(
            *looked("seven"),
            tools=[{"type": "function", "function": {"name": "look_up", "parameters": {"type": 7}}}],
        ),
        [],
    ),
    "an answer that is cut": (
        [call(1, [ASK], says("It is"), finish="length", parameters={"max_tokens": 2})],
        ["output.truncated"],
    ),
    "an answer of nothing": ([call(1, [ASK], says(""))], ["output.empty"]),
    "a refusal in its own field": (
        [call(1, [ASK], says(None, refusal="I can't help with that."))],
        ["output.refusal"],
    ),
    "a call that is written as text": (
        [call(1, [ASK], says('<tool_call>{"name":"look_up","arguments":{}}</tool_call>'), tools=[LOOK_UP])],
        ["output.tool_call_as_text"],
    ),
    "a bare call as text": (
        [call(1, [ASK], says('{"name":"look_up","arguments":{"id":"7"}}'), tools=[LOOK_UP])],
        ["output.tool_call_as_text"],
    ),
    "the same text where no tools were offered": (
        [call(1, [ASK], says('<tool_call>{"name":"look_up"}</tool_call>'))],
        [],
    ),
    "no JSON where JSON was asked for": (
        [call(1, [ASK], says("It is 7."), parameters=JSON_WANTED)],
        ["output.invalid_json"],
    ),
    "JSON of another form": (
        [call(1, [ASK], says('{"b":1}'), parameters=JSON_WANTED)],
        ["output.invalid_json"],
    ),
    "the JSON that was asked for": ([call(1, [ASK], says('{"a":1}'), parameters=JSON_WANTED)], []),
    "JSON in a fence": (
        [call(1, [ASK], says('```json\n{"a":1}\n```'), parameters=JSON_WANTED)],
        ["output.invalid_json"],
    ),
    "a call without what comes after it": ([call(1, [ASK], look(1))], ["run.no_final_answer"]),
    "a call that is the answer": ([call(1, [ASK], look(1, name="submit_answer"))], []),
    "a provider that breaks off a run": (
        [call(1, [ASK], None, status=529, error=CallError(type="overloaded_error", message="Overloaded"))],
        ["provider.overloaded", "run.infra_abort"],
    ),
    "a failure that the next attempt makes good": (
        [
            call(1, [ASK], None, status=503, error=CallError(type=None, message="busy")),
            call(2, [ASK], says("It is 7."), attempt_of="call-1", attempt=2),
        ],
        ["provider.overloaded"],
    ),
    "an agent that gives up": ([call(1, [ASK], says("I could not find the number."))], ["run.final_giveup"]),
    "a client that leaves": (
        [call(1, [ASK], None, ended=Ended.CLIENT_CLOSED)],
        ["stream.client_closed", "run.no_final_answer"],
    ),
    "what a client makes on the side fails by itself": (
        [call(1, [ASK], None, status=404, kind=Kind.AUXILIARY), call(2, [ASK], says("It is 7."))],
        [],
    ),
}


@pytest.mark.parametrize(("calls", "expected"), RUNS.values(), ids=RUNS)
def test_a_run_has_these_codes(calls: list[Call], expected: list[str]) -> None:
    assert sorted(codes(calls)) == sorted(expected)


def test_a_run_that_goes_on_has_no_ending() -> None:
    assert codes([call(1, [ASK], look(1))], is_over=False) == []


def test_evidence_points_at_the_message() -> None:
    failure = run_failures(run_of(*looked(BROKEN, "seven"), tools=[LOOK_UP]), is_over=True)[0]
    # The second call is the first that carries the result: after the tools, the question and the tool's call.
    assert (failure.call_id, failure.message_index, failure.tool_call_id) == ("call-3", 3, "c0")
    assert (failure.subject, failure.evidence, failure.is_recovered) == ("look_up", BROKEN, True)


def test_a_loop_is_an_error_from_the_third_time_on() -> None:
    [twice] = run_failures(run_of(*looked("six", "six")), is_over=True)
    [thrice] = run_failures(run_of(*looked("six", "six", "six")), is_over=True)
    assert (twice.severity, twice.times) == (Severity.WARNING, 2)
    assert (thrice.severity, thrice.times) == (Severity.ERROR, 3)


def test_a_limit_is_named() -> None:
    [failure] = run_failures(RUNS["an answer that is cut"][0], is_over=True)
    assert failure.evidence == "finish reason length at max_tokens=2"


def test_responses_that_name_the_one_before_are_one_conversation() -> None:
    asked = {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"}
    answer = {"type": "function_call_output", "call_id": "c1", "output": BROKEN}
    first = call(1, [ASK], {"role": "assistant", "content": [asked]})
    made = ToolCall(id="c1", name="look_up", arguments="{}")
    first = replace(first, reply=replace(first.reply, response_id="resp_1", tool_calls=(made,)))
    second = call(2, [answer], says("It is 7."), parameters={"previous_response_id": "resp_1"})
    [failure, last] = run_failures([first, second], is_over=True)
    assert (failure.code, failure.call_id, failure.message_index) == ("tool.error", "call-2", 0)
    assert last.code == "tool.error_unrecovered"


def test_a_history_that_is_compacted_loses_no_failure_and_tells_none_twice() -> None:
    talk = looked(BROKEN, "seven")
    calls = [*run_of(*talk[:-1]), call(9, [user("Summary: it broke once."), *talk[3:-1]], says("It is 7."))]
    assert codes(calls) == ["tool.error"]


def test_exceptions_come_last() -> None:
    raised = [Raised(type="KeyError", message="'x'", frame="main (agent.py)")]
    failures = run_failures(run_of(*looked(BROKEN, "seven")), is_over=True, exceptions=raised)
    assert [(failure.code, failure.subject) for failure in failures] == [
        ("tool.error", "look_up"),
        ("agent.exception", "main (agent.py)"),
    ]
    assert [(each.severity, each.is_recovered) for each in failures] == [
        (Severity.WARNING, True),
        (Severity.FATAL, False),
    ]


def test_every_code_has_a_severity() -> None:
    assert set(SEVERITY) == set(FailureCode)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
_MESSAGES = st.one_of(
    st.dictionaries(
        st.sampled_from(
            ["role", "content", "tool_calls", "tool_call_id", "tools", "parts", "function", "type"]
        ),
        _VALUES | st.sampled_from(["assistant", "tool", "user", "function_call"]),
        max_size=4,
    ),
    st.builds(result, st.sampled_from(["a", "b"]), st.sampled_from([BROKEN, "", "seven"])),
    st.builds(lambda text: says(text, ("a", "look_up", text)), st.text(max_size=9)),
)


@given(st.lists(_MESSAGES, max_size=8), st.binary(max_size=9))
def test_anything_is_read_and_the_same_comes_out_twice(messages: list[Any], rest: bytes) -> None:
    calls = [call(number, messages[:number], says("x")) for number in range(len(messages))]
    odd = call(99, messages, says("x"))
    odd = replace(odd, prompt=replace(odd.prompt, messages=(rest, *map(canonical, messages))))
    found = run_failures([*calls, odd], is_over=True)
    assert found == run_failures([*calls, odd], is_over=True)
    assert all(len(failure.evidence) <= 300 for failure in found)
