from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.dashscope_generation import DASHSCOPE_GENERATION
from arc_proxy.wire.stream import StreamEvent


def event(finish: str | None = "null", **message: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant"} | message, "finish_reason": finish}
    return {"output": {"choices": [choice]}, "usage": {"output_tokens": 1}, "request_id": "r1"}


def fold(*documents: dict[str, Any]) -> Reply:
    return DASHSCOPE_GENERATION.read_stream(
        [StreamEvent("result", orjson.dumps(document)) for document in documents]
    )


def test_reads_a_request() -> None:
    prompt = DASHSCOPE_GENERATION.read_prompt(
        {
            "model": "qwen-max",
            "input": {"messages": [{"role": "user", "content": "Hi"}]},
            "parameters": {"result_format": "message", "tools": [{"type": "function"}]},
        }
    )
    assert prompt.messages == (b'{"tools":[{"type":"function"}]}', b'{"content":"Hi","role":"user"}')
    assert prompt.parameters == {"parameters": {"result_format": "message"}}
    assert DASHSCOPE_GENERATION.read_prompt({"input": {"prompt": "Hi"}}).messages == (
        b'{"content":"Hi","role":"user"}',
    )


def call(at: int, arguments: str, name: str = "", call_id: str = "") -> dict[str, Any]:
    return {
        "index": at,
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


STREAMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "of pieces": (
        [event(content="Sun"), event(content="ny."), event("stop", content="")],
        {"output_text": "Sunny.", "finish_reason": "stop", "finished": True},
    ),
    "of all that was said so far": (
        [event(content="Sun"), event(content="Sunny"), event("stop", content="Sunny.")],
        {"output_text": "Sunny.", "finish_reason": "stop", "finished": True},
    ),
    "of one event": ([event("stop", content="Sunny.")], {"output_text": "Sunny."}),
    "that was cut": ([event(content="Sun")], {"output_text": "Sun", "finished": False}),
    "of a call in pieces": (
        [event(content="", tool_calls=[call(0, '{"q"', "find", "c1")]), event(tool_calls=[call(0, ':"x"}')])],
        {"tool_calls": (ToolCall(id="c1", name="find", arguments='{"q":"x"}'),)},
    ),
    "of a call so far": (
        [
            event(content="", tool_calls=[call(0, '{"q"', "find", "c1")]),
            event(content="", tool_calls=[call(0, '{"q":"x"}', "find", "c1")]),
        ],
        {"tool_calls": (ToolCall(id="c1", name="find", arguments='{"q":"x"}'),)},
    ),
    "of two calls": (
        [event("tool_calls", tool_calls=[call(0, "{}", "a", "c1"), call(1, "{}", "b", "c2")])],
        {
            "tool_calls": (
                ToolCall(id="c1", name="a", arguments="{}"),
                ToolCall(id="c2", name="b", arguments="{}"),
            )
        },
    ),
    "that fails": (
        [event(content="Sun"), {"code": "Throttling", "message": "later", "request_id": "r1"}],
        {"error": CallError(type="Throttling", message="later"), "finished": True},
    ),
    "of parts": (
        [event(content=[{"text": "Sun"}]), event("stop", content=[{"text": "ny."}])],
        {"output_text": "Sunny."},
    ),
}


@pytest.mark.parametrize(("documents", "said"), STREAMS.values(), ids=STREAMS)
def test_reads_a_stream(documents: list[dict[str, Any]], said: dict[str, Any]) -> None:
    reply = fold(*documents)
    assert {field: getattr(reply, field) for field in said} == said


def test_reads_a_reply_in_either_format() -> None:
    reply = DASHSCOPE_GENERATION.read_reply(event("stop", content="Yes.", reasoning_content="hm"))
    assert (reply.output_text, reply.response_id, reply.finished) == ("Yes.", "r1", True)
    assert reply.message == b'{"content":"Yes.","reasoning_content":"hm","role":"assistant"}'
    text = DASHSCOPE_GENERATION.read_reply({"output": {"text": "Yes.", "finish_reason": "stop"}})
    assert (text.output_text, text.finish_reason) == ("Yes.", "stop")
