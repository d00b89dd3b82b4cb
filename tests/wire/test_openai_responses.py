from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.openai_responses import OPENAI_RESPONSES
from arc_proxy.wire.stream import StreamEvent


def message(*texts: str, **said: Any) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": parts} | said


def streamed(*documents: dict[str, Any]) -> Reply:
    return OPENAI_RESPONSES.read_stream(
        [StreamEvent(document["type"], orjson.dumps(document)) for document in documents]
    )


def response(kind: str, **said: Any) -> dict[str, Any]:
    whole = {"id": "resp_1", "model": "m-2026", "status": "in_progress", "output": [], "usage": None}
    return {"type": f"response.{kind}", "response": whole | said}


def added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def piece(kind: str, index: int, text: str, **said: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text} | said


ADD = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "add", "arguments": '{"x": 3}'}
USAGE = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}


def test_reads_a_plain_reply() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    items = [reasoning, message("Let me ", "add."), ADD]
    body = {
        "id": "resp_1",
        "model": "m-2026",
        "status": "completed",
        "output": items,
        "usage": USAGE,
        "service_tier": "flex",
        "error": None,
        "incomplete_details": None,
    }
    assert OPENAI_RESPONSES.read_reply(body) == Reply(
        model="m-2026",
        response_id="resp_1",
        finish_reason="completed",
        output_text="Let me add.",
        tool_calls=(ToolCall(id="call_1", name="add", arguments='{"x": 3}'),),
        billed_tools=(),
        usage=USAGE,
        service_tier="flex",
        message=orjson.dumps(items, option=orjson.OPT_SORT_KEYS),
        finished=True,
    )


def test_a_stream_that_came_to_its_end_is_what_its_last_event_says() -> None:
    reply = streamed(
        response("created"),
        added(0, message()),
        piece("output_text", 0, "Hi", content_index=0),
        done(0, message("Hi")),
        response("completed", status="completed", output=[message("Hi")], usage=USAGE),
    )
    assert reply.output_text == "Hi"
    assert reply.usage == USAGE
    assert (reply.finish_reason, reply.finished, reply.events) == ("completed", True, 5)


def test_a_last_event_without_output_leaves_it_to_the_items() -> None:
    reply = streamed(
        response("created"),
        done(0, message("Hi")),
        done(1, ADD),
        response("completed", status="completed", output=[], usage=USAGE),
    )
    assert reply.output_text == "Hi"
    assert [call.name for call in reply.tool_calls] == ["add"]
    assert reply.finished


REASONS = {
    "completed": ({"status": "completed"}, "completed"),
    "incomplete, and why": (
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        "max_output_tokens",
    ),
    "incomplete without a reason": ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
    "failed": ({"status": "failed"}, "failed"),
    "in the background": ({"status": "queued"}, "queued"),
    "none": ({}, None),
}


@pytest.mark.parametrize(("said", "reason"), REASONS.values(), ids=REASONS)
def test_the_reason_to_finish_is(said: dict[str, Any], reason: str | None) -> None:
    assert OPENAI_RESPONSES.read_reply(said).finish_reason == reason


def test_a_refusal_is_no_answer() -> None:
    refused = {"type": "message", "content": [{"type": "refusal", "refusal": "I can't."}]}
    reply = OPENAI_RESPONSES.read_reply({"status": "completed", "output": [refused]})
    assert reply.output_text is None
    assert b"I can't." in (reply.message or b"")


def test_built_in_tools_are_server_tools() -> None:
    kinds = [
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "mcp_list_tools",
        "mcp_call",
        "image_generation_call",
        "function_call",
        "custom_tool_call",
        "reasoning",
        ["web_search_call"],
    ]
    items = [{"type": kind, "name": "f"} for kind in kinds]
    reply = OPENAI_RESPONSES.read_reply({"output": items})
    assert reply.server_tools == (
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "mcp_call",
        "image_generation_call",
    )
    assert len(reply.tool_calls) == 2


def test_of_web_searches_only_the_searches_are_billed() -> None:
    actions: list[Any] = [
        {"type": "search"},
        {"type": "open_page"},
        {"type": "find_in_page"},
        {"type": None},
        None,
    ]
    items: list[Any] = [{"type": "web_search_call", "action": action} for action in actions]
    items += [
        {"type": "file_search_call", "action": {"type": "open"}},
        {"type": "web_search_call"},
        message("Hi"),
    ]
    reply = OPENAI_RESPONSES.read_reply({"output": items})
    assert len(reply.server_tools) == 7
    assert reply.billed_tools == (
        "web_search_call",
        "web_search_call",
        "file_search_call",
        "web_search_call",
    )


def test_tools_other_than_searches_are_billed_as_they_are() -> None:
    reply = OPENAI_RESPONSES.read_reply({"output": [{"type": "code_interpreter_call"}]})
    assert reply.billed_tools == ("code_interpreter_call",)
    assert OPENAI_RESPONSES.read_reply({}).billed_tools == ()


def test_a_custom_tool_takes_text() -> None:
    item = {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "print(1)"}
    reply = OPENAI_RESPONSES.read_reply({"output": [item]})
    assert reply.tool_calls == (ToolCall(id="call_1", name="run", arguments="print(1)"),)


def test_a_cut_stream_yields_what_did_arrive() -> None:
    reply = streamed(
        response("created", service_tier="auto"),
        response("in_progress"),
        done(0, {"type": "web_search_call", "status": "completed"}),
        added(1, message()),
        piece("output_text", 1, "Hel", content_index=0),
        piece("output_text", 1, "lo", content_index=0),
        piece("output_text", 1, "!", content_index=1),
        added(2, ADD | {"arguments": ""}),
        piece("function_call_arguments", 2, '{"x"'),
    )
    assert not reply.finished
    assert reply.finish_reason is None
    assert reply.model == "m-2026"
    assert reply.output_text == "Hello!"
    assert reply.server_tools == ("web_search_call",)
    assert reply.tool_calls == (ToolCall(id="call_1", name="add", arguments='{"x"'),)


def test_a_cut_stream_without_the_items_beginning() -> None:
    assert streamed(piece("output_text", 0, "Hi", content_index=0)).output_text == "Hi"


def test_deltas_of_what_is_no_answer_are_not_taken_for_one() -> None:
    reply = streamed(
        added(0, {"type": "reasoning", "summary": []}),
        piece("reasoning_summary_text", 0, "hm", summary_index=0),
        piece("sparkle", 0, "*"),
        added(1, message()),
        piece("refusal", 1, "I can't.", content_index=0),
    )
    assert reply.output_text is None


ENDS_IN_ERROR = {
    "a flat error event": (
        {"type": "error", "code": "rate_limit_exceeded", "message": "later", "param": None},
        CallError(type="rate_limit_exceeded", message="later"),
    ),
    "a nested error event": (
        {"type": "error", "error": {"type": "server_error", "code": "x", "message": "gone"}},
        CallError(type="server_error", message="gone"),
    ),
    "a failed response": (
        response("failed", status="failed", error={"code": "server_error", "message": "gone"}),
        CallError(type="server_error", message="gone"),
    ),
}


@pytest.mark.parametrize(("event", "error"), ENDS_IN_ERROR.values(), ids=ENDS_IN_ERROR)
def test_the_calls_error_is(event: dict[str, Any], error: CallError) -> None:
    reply = streamed(response("created"), done(0, message("Hel")), event)
    assert reply.error == error
    assert reply.output_text == "Hel"
    assert reply.finished


def test_usage_of_an_earlier_event_stands_until_a_later_one() -> None:
    early = {"input_tokens": 9, "output_tokens": 1}
    reply = streamed(
        response("in_progress", usage=early), response("completed", usage=USAGE | {"output_tokens": None})
    )
    assert reply.usage == {"input_tokens": 9, "output_tokens": 1, "total_tokens": 11}


INPUTS = {
    "a text": ("Hi", (b'{"content":"Hi","role":"user"}',)),
    "items": (
        [{"role": "user", "content": "Hi"}, {"type": "function_call_output", "call_id": "1", "output": "8"}],
        (b'{"content":"Hi","role":"user"}', b'{"call_id":"1","output":"8","type":"function_call_output"}'),
    ),
    "none": (None, ()),
    "one item": ({"role": "user"}, (b'{"role":"user"}',)),
}


@pytest.mark.parametrize(("said", "messages"), INPUTS.values(), ids=INPUTS)
def test_the_input_is(said: Any, messages: tuple[bytes, ...]) -> None:
    assert OPENAI_RESPONSES.read_prompt({"input": said}).messages == messages


def test_reads_a_request() -> None:
    prompt = OPENAI_RESPONSES.read_prompt(
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": "Hi",
            "tools": [{"type": "web_search"}],
            "previous_response_id": "resp_0",
        }
    )
    assert prompt.messages == (
        b'{"tools":[{"type":"web_search"}]}',
        b'{"content":"Be brief.","role":"system"}',
        b'{"content":"Hi","role":"user"}',
    )
    assert prompt.parameters == {"previous_response_id": "resp_0"}
    assert not prompt.stream
