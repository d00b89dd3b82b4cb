from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.anthropic_messages import ANTHROPIC_MESSAGES
from arc_proxy.wire.stream import StreamEvent


def streamed(*documents: dict[str, Any]) -> Reply:
    return ANTHROPIC_MESSAGES.read_stream(
        [StreamEvent(document["type"], orjson.dumps(document)) for document in documents]
    )


def start(**message: Any) -> dict[str, Any]:
    usage = {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1}
    whole = {"id": "msg_1", "model": "claude-x", "content": [], "stop_reason": None, "usage": usage}
    return {"type": "message_start", "message": whole | message}


def block(index: int, content_block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content_block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "text_delta", "text": piece} for piece in pieces]


def json_pieces(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def end(reason: str, **usage: Any) -> list[dict[str, Any]]:
    delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}
    return [delta, {"type": "message_stop"}]


EMPTY_TEXT = {"type": "text", "text": ""}
ADD = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}


def test_reads_a_plain_reply() -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "Let me "},
            {"type": "text", "text": "add."},
            {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"y": 5, "x": 3}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 20, "output_tokens": 9},
    }
    assert ANTHROPIC_MESSAGES.read_reply(body) == Reply(
        model="claude-x",
        response_id="msg_1",
        finish_reason="tool_use",
        output_text="Let me add.",
        tool_calls=(ToolCall(id="toolu_1", name="add", arguments='{"y":5,"x":3}'),),
        usage={"input_tokens": 20, "output_tokens": 9},
        message=orjson.dumps({"role": "assistant", "content": body["content"]}, option=orjson.OPT_SORT_KEYS),
        finished=True,
    )


def test_reads_the_same_from_a_stream() -> None:
    reply = streamed(
        start(),
        {"type": "ping"},
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "h"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "s"},
        ),
        *block(1, EMPTY_TEXT, *text("Let ", "me add.")),
        *block(2, ADD, *json_pieces("", '{"x": 3', ', "y": 5}')),
        *end("tool_use", output_tokens=9),
    )
    assert reply == Reply(
        model="claude-x",
        response_id="msg_1",
        finish_reason="tool_use",
        output_text="Let me add.",
        tool_calls=(ToolCall(id="toolu_1", name="add", arguments='{"x": 3, "y": 5}'),),
        usage={"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 9},
        message=orjson.dumps(
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "Let me add."},
                    {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"x": 3, "y": 5}},
                ],
            },
            option=orjson.OPT_SORT_KEYS,
        ),
        finished=True,
        events=18,
    )


DELTAS = {
    "repeats what message_start said": (
        {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 9},
        {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 9},
    ),
    "knows better": (
        {"input_tokens": 300, "output_tokens": 9},
        {"input_tokens": 300, "cache_read_input_tokens": 5, "output_tokens": 9},
    ),
    "sets a count to zero": (
        {"cache_read_input_tokens": 0, "output_tokens": 9},
        {"input_tokens": 20, "cache_read_input_tokens": 0, "output_tokens": 9},
    ),
    "leaves a count null": (
        {"input_tokens": None, "output_tokens": 9},
        {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 9},
    ),
    "adds a field": (
        {"server_tool_use": {"web_search_requests": 1}, "output_tokens": 9},
        {
            "input_tokens": 20,
            "cache_read_input_tokens": 5,
            "output_tokens": 9,
            "server_tool_use": {"web_search_requests": 1},
        },
    ),
}


@pytest.mark.parametrize(("usage", "whole"), DELTAS.values(), ids=DELTAS)
def test_usage_is_laid_over_never_added_when_message_delta(usage, whole) -> None:
    assert streamed(start(), *end("end_turn", **usage)).usage == whole


def test_several_message_deltas_are_cumulative() -> None:
    delta = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}}
    usage = streamed(start(), delta, *end("end_turn", output_tokens=9)).usage
    assert usage is not None
    assert usage["output_tokens"] == 9


TEXTS = {
    "no block": ([], None),
    "an empty one": ([{"type": "text", "text": ""}], ""),
    "two": ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
    "thinking alone": ([{"type": "thinking", "thinking": "a", "signature": ""}], None),
    "a block that nobody knows": ([{"type": "hologram", "text": "a"}], None),
    "a block whose type is no word": ([{"type": ["text"], "text": "a"}], None),
}


@pytest.mark.parametrize(("content", "answer"), TEXTS.values(), ids=TEXTS)
def test_the_answer_of(content: list[dict[str, Any]], answer: str | None) -> None:
    assert ANTHROPIC_MESSAGES.read_reply({"content": content}).output_text == answer
    assert streamed(start(content=content), *end("end_turn")).output_text == answer


def test_tools_of_the_server_stand_apart() -> None:
    content = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        {"type": "mcp_tool_use", "id": "s2", "name": "roll", "server_name": "dice", "input": {}},
        ADD,
    ]
    reply = ANTHROPIC_MESSAGES.read_reply({"content": content})
    assert reply.server_tools == ("web_search", "roll")
    assert [call.name for call in reply.tool_calls] == ["add"]


def test_a_tool_that_takes_nothing_has_an_empty_object() -> None:
    reply = streamed(start(), *block(0, ADD, *json_pieces("")), *end("tool_use"))
    assert reply.tool_calls == (ToolCall(id="toolu_1", name="add", arguments="{}"),)


def test_citations_are_kept_with_their_text() -> None:
    citations = [{"type": "citations_delta", "citation": {"url": "u"}}, *text("It is so.")]
    reply = streamed(start(), *block(0, EMPTY_TEXT, *citations), *end("end_turn"))
    assert orjson.loads(reply.message or b"")["content"] == [
        {"type": "text", "text": "It is so.", "citations": [{"url": "u"}]}
    ]


def test_what_is_new_is_ignored() -> None:
    reply = streamed(
        start(),
        {"type": "message_sparkle", "index": 0},
        *block(0, EMPTY_TEXT, {"type": "sparkle_delta", "sparkle": 1}, *text("Hi")),
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "whose?"}},
        *end("end_turn"),
    )
    assert reply.output_text == "Hi"


def test_a_cut_stream_yields_what_did_arrive() -> None:
    reply = streamed(
        start(), *block(0, EMPTY_TEXT, *text("Hel")), *block(1, ADD, *json_pieces('{"x": '))[:-1]
    )
    assert not reply.finished
    assert reply.finish_reason is None
    assert reply.output_text == "Hel"
    assert reply.tool_calls == (ToolCall(id="toolu_1", name="add", arguments='{"x": '),)
    assert reply.usage == {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1}
    assert orjson.loads(reply.message or b"")["content"][1]["input"] == '{"x": '


def test_an_error_inside_a_stream_is_the_calls_error_and_ends_it() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    reply = streamed(start(), *block(0, EMPTY_TEXT, *text("Hel")), error)
    assert reply.error == CallError(type="overloaded_error", message="Overloaded")
    assert reply.output_text == "Hel"
    assert reply.finished


def test_the_event_name_stands_in_for_a_missing_type() -> None:
    events = [
        StreamEvent("message_start", b'{"message": {"model": "claude-x"}}'),
        StreamEvent("message_stop", b"{}"),
    ]
    reply = ANTHROPIC_MESSAGES.read_stream(events)
    assert (reply.model, reply.finished) == ("claude-x", True)


def test_reads_a_request() -> None:
    prompt = ANTHROPIC_MESSAGES.read_prompt(
        {
            "model": "claude-x",
            "system": [{"type": "text", "text": "Be brief."}],
            "tools": [{"name": "add", "input_schema": {}}],
            "messages": [{"role": "user", "content": "Hi"}],
            "max_tokens": 100,
            "stream": True,
        }
    )
    assert (prompt.model, prompt.stream, prompt.parameters) == ("claude-x", True, {"max_tokens": 100})
    assert prompt.messages == (
        b'{"tools":[{"input_schema":{},"name":"add"}]}',
        b'{"content":[{"text":"Be brief.","type":"text"}],"role":"system"}',
        b'{"content":"Hi","role":"user"}',
    )
