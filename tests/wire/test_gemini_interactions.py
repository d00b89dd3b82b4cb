from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.gemini_interactions import GEMINI_INTERACTIONS
from arc_proxy.wire.stream import StreamEvent
from pricing.usage import Usage, UsageGrade, normalise_usage

USAGE = {"total_input_tokens": 9, "total_output_tokens": 3, "total_thought_tokens": 4, "total_tokens": 16}
THOUGHT = {"type": "thought", "signature": "s"}
ANSWER = {"type": "model_output", "content": [{"type": "text", "text": "Sunny."}]}
CALL = {"type": "function_call", "id": "c1", "name": "find", "arguments": {"q": "x"}}
SEARCH = {"type": "google_search_call", "id": "g1", "arguments": {"queries": ["a", "b"]}}
HEAD = {"id": "v1_a", "model": "gemini-x", "service_tier": "standard"}


def fold(*documents: dict[str, Any]) -> Reply:
    return GEMINI_INTERACTIONS.read_stream(
        [StreamEvent(document["event_type"], orjson.dumps(document)) for document in documents]
    )


def start(index: int, step: dict[str, Any]) -> dict[str, Any]:
    return {"event_type": "step.start", "index": index, "step": step}


def delta(index: int, **said: Any) -> dict[str, Any]:
    return {"event_type": "step.delta", "index": index, "delta": said}


STREAM = (
    {"event_type": "interaction.created", "interaction": HEAD | {"status": "in_progress"}},
    start(0, {"type": "thought"}),
    delta(0, type="thought_signature", signature="s"),
    start(1, {"type": "model_output"}),
    delta(1, type="text", text="Sun"),
    delta(1, type="text", text="ny."),
    start(2, {"type": "function_call", "id": "c1", "name": "find", "arguments": {}}),
    delta(2, type="arguments_delta", arguments='{"q":'),
    delta(2, type="arguments_delta", arguments='"x"}'),
    {"event_type": "step.stop", "index": 2},
    {
        "event_type": "interaction.completed",
        "interaction": HEAD | {"status": "requires_action", "usage": USAGE},
    },
)
WHOLE = HEAD | {"status": "requires_action", "steps": [THOUGHT, ANSWER, CALL], "usage": USAGE}


def test_reads_a_request() -> None:
    prompt = GEMINI_INTERACTIONS.read_prompt(
        {"model": "m", "input": "Hi", "system_instruction": "Be brief.", "tools": [{"type": "google_search"}]}
    )
    assert prompt.messages == (
        b'{"tools":[{"type":"google_search"}]}',
        b'{"content":"Be brief.","role":"system"}',
        b'{"content":"Hi","type":"user_input"}',
    )
    listed = GEMINI_INTERACTIONS.read_prompt({"input": [ANSWER], "previous_interaction_id": "v1_a"})
    assert len(listed.messages) == 1
    assert listed.parameters == {"previous_interaction_id": "v1_a"}


def test_reads_a_reply() -> None:
    reply = GEMINI_INTERACTIONS.read_reply(WHOLE)
    assert (reply.output_text, reply.finish_reason, reply.usage) == ("Sunny.", "requires_action", USAGE)
    assert (reply.model, reply.response_id, reply.service_tier) == ("gemini-x", "v1_a", "standard")
    assert reply.tool_calls == (ToolCall(id="c1", name="find", arguments='{"q":"x"}'),)
    assert orjson.loads(reply.message or b"") == [THOUGHT, ANSWER, CALL]
    assert reply.finished


def test_a_stream_is_joined_to_the_reply_that_came_at_once() -> None:
    streamed, at_once = fold(*STREAM), GEMINI_INTERACTIONS.read_reply(WHOLE)
    assert streamed.events == len(STREAM)
    for field in ("output_text", "tool_calls", "message", "usage", "finish_reason", "model", "finished"):
        assert getattr(streamed, field) == getattr(at_once, field)


def test_a_stream_that_was_cut_yields_what_came() -> None:
    reply = fold(*STREAM[:5])
    assert (reply.output_text, reply.finished, reply.response_id) == ("Sun", False, "v1_a")


def test_an_error_ends_a_stream() -> None:
    reply = fold(*STREAM[:5], {"event_type": "error", "error": {"code": "internal", "message": "boom"}})
    assert (reply.error, reply.finished) == (CallError(type="internal", message="boom"), True)


def test_a_search_is_the_providers_and_billed_by_its_queries() -> None:
    reply = GEMINI_INTERACTIONS.read_reply(HEAD | {"steps": [SEARCH, ANSWER]})
    assert (reply.tool_calls, reply.server_tools) == ((), ("google_search_call",))
    assert reply.billed_tools == ("google_search", "google_search")


COUNTS: dict[str, tuple[dict[str, int], Usage, UsageGrade]] = {
    "thoughts stand beside the output": (
        USAGE,
        Usage(input_text=9, output_text=7, reasoning=4),
        UsageGrade.REPORTED,
    ),
    "what came from the cache is inside the input": (
        {"total_input_tokens": 9, "total_cached_tokens": 5, "total_output_tokens": 1, "total_tokens": 10},
        Usage(input_text=4, cache_read=5, output_text=1),
        UsageGrade.REPORTED,
    ),
    "what tools put into the prompt is beside it": (
        {
            "total_input_tokens": 9,
            "total_tool_use_tokens": 5,
            "total_output_tokens": 1,
            "total_tokens": 15,
        },
        Usage(input_text=14, output_text=1),
        UsageGrade.REPORTED,
    ),
    "a total that does not fit": (
        {"total_input_tokens": 9, "total_output_tokens": 1, "total_tokens": 99},
        Usage(input_text=9, output_text=1),
        UsageGrade.PARTIAL,
    ),
    "nothing": ({}, Usage(), UsageGrade.NONE),
}


@pytest.mark.parametrize(("raw", "usage", "grade"), COUNTS.values(), ids=COUNTS)
def test_counts(raw: dict[str, int], usage: Usage, grade: UsageGrade) -> None:
    assert normalise_usage(raw, dialect="gemini.interactions", provider="google") == (usage, grade)
