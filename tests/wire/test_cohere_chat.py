from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.cohere_chat import COHERE_CHAT
from arc_proxy.wire.stream import StreamEvent


def fold(*documents: dict[str, Any]) -> Reply:
    return COHERE_CHAT.read_stream([StreamEvent("message", orjson.dumps(each)) for each in documents])


USAGE = {"billed_units": {"input_tokens": 5, "output_tokens": 2}, "tokens": {"input_tokens": 70}}
FUNCTION = {"name": "find", "arguments": '{"q":"x"}'}
CALL = {"id": "find_1", "type": "function", "function": FUNCTION}
TOOL_CALL = ToolCall(id="find_1", name="find", arguments='{"q":"x"}')
META = {"tokens": {"input_tokens": 5, "output_tokens": 2}}

PROMPTS: dict[str, tuple[dict[str, Any], tuple[bytes, ...]]] = {
    "of version 2": (
        {"messages": [{"role": "user", "content": "Hi"}], "tools": [{"type": "function"}]},
        (b'{"tools":[{"type":"function"}]}', b'{"content":"Hi","role":"user"}'),
    ),
    "of version 1": (
        {
            "preamble": "Be brief.",
            "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
            "message": "Bye",
        },
        (
            b'{"content":"Be brief.","role":"system"}',
            b'{"message":"Hi","role":"USER"}',
            b'{"message":"Hello","role":"CHATBOT"}',
            b'{"message":"Bye","role":"USER"}',
        ),
    ),
    "of version 1 with what tools found": (
        {"tool_results": [{"outputs": [1]}], "message": ""},
        (b'{"role":"TOOL","tool_results":[{"outputs":[1]}]}',),
    ),
    "of generate": ({"prompt": "Once"}, (b'{"message":"Once","role":"USER"}',)),
    "of nothing": ({}, ()),
}


@pytest.mark.parametrize(("body", "messages"), PROMPTS.values(), ids=PROMPTS)
def test_reads_a_request(body: dict[str, Any], messages: tuple[bytes, ...]) -> None:
    assert COHERE_CHAT.read_prompt(body).messages == messages


def test_reads_a_reply_of_version_2() -> None:
    message = {"role": "assistant", "tool_plan": "Look.", "tool_calls": [CALL], "citations": []}
    body = {"id": "c1", "finish_reason": "TOOL_CALL", "message": message, "usage": USAGE}
    assert COHERE_CHAT.read_reply(body) == Reply(
        response_id="c1",
        finish_reason="TOOL_CALL",
        tool_calls=(TOOL_CALL,),
        usage=USAGE,
        message=orjson.dumps(
            {"role": "assistant", "tool_calls": [CALL], "tool_plan": "Look."}, option=orjson.OPT_SORT_KEYS
        ),
        finished=True,
    )


def test_a_stream_of_version_2_is_joined_to_the_reply_that_came_at_once() -> None:
    streamed = fold(
        {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Look."}}},
        {
            "type": "content-start",
            "index": 0,
            "delta": {"message": {"content": {"type": "text", "text": ""}}},
        },
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Sun"}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "ny."}}}},
        {
            "type": "tool-call-start",
            "index": 0,
            "delta": {
                "message": {
                    "tool_calls": {
                        "id": "find_1",
                        "type": "function",
                        "function": {"name": "find", "arguments": ""},
                    }
                }
            },
        },
        {
            "type": "tool-call-delta",
            "index": 0,
            "delta": {"message": {"tool_calls": {"function": {"arguments": '{"q":"x"}'}}}},
        },
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}},
    )
    message = {
        "role": "assistant",
        "tool_plan": "Look.",
        "content": [{"type": "text", "text": "Sunny."}],
        "tool_calls": [CALL],
    }
    at_once = COHERE_CHAT.read_reply(
        {"id": "c1", "finish_reason": "TOOL_CALL", "message": message, "usage": USAGE}
    )
    assert streamed.events == 8
    assert streamed.output_text == "Sunny."
    for field in (
        "output_text",
        "tool_calls",
        "message",
        "usage",
        "finish_reason",
        "response_id",
        "finished",
    ):
        assert getattr(streamed, field) == getattr(at_once, field)


def test_what_it_thought_is_no_answer() -> None:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes."}]
    assert COHERE_CHAT.read_reply({"message": {"content": content}}).output_text == "Yes."


REPLIES_V1: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a chat": (
        {"text": "Hola.", "generation_id": "g1", "finish_reason": "COMPLETE", "meta": META},
        {"output_text": "Hola.", "response_id": "g1", "finish_reason": "COMPLETE", "usage": META},
    ),
    "a generation": (
        {"id": "x", "generations": [{"id": "g", "text": " a", "finish_reason": "MAX_TOKENS"}], "meta": META},
        {"output_text": " a", "response_id": "x", "finish_reason": "MAX_TOKENS", "usage": META},
    ),
    "calls of tools have no id": (
        {"text": "", "tool_calls": [{"name": "find", "parameters": {"q": "x"}}]},
        {"tool_calls": (ToolCall(id=None, name="find", arguments='{"q":"x"}'),)},
    ),
    "a refusal": ({"message": "no such model"}, {"message": None, "output_text": None}),
}


@pytest.mark.parametrize(("body", "said"), REPLIES_V1.values(), ids=REPLIES_V1)
def test_reads_a_reply_of_version_1(body: dict[str, Any], said: dict[str, Any]) -> None:
    reply = COHERE_CHAT.read_reply(body)
    assert {field: getattr(reply, field) for field in said} == said


LINES = (
    {"is_finished": False, "event_type": "stream-start", "generation_id": "g1"},
    {"is_finished": False, "event_type": "text-generation", "text": "Ho"},
    {"is_finished": False, "event_type": "text-generation", "text": "la."},
    {
        "is_finished": True,
        "event_type": "stream-end",
        "finish_reason": "COMPLETE",
        "response": {"text": "Hola.", "generation_id": "g2", "meta": META},
    },
)


def test_a_stream_of_version_1_ends_in_the_whole_response() -> None:
    reply = fold(*LINES)
    assert (reply.output_text, reply.response_id, reply.usage) == ("Hola.", "g1", META)
    assert (reply.finish_reason, reply.finished) == ("COMPLETE", True)


def test_a_stream_of_version_1_that_was_cut_yields_what_came() -> None:
    reply = fold(*LINES[:2])
    assert (reply.output_text, reply.finished, reply.usage) == ("Ho", False, None)


def test_an_error_inside_a_stream() -> None:
    reply = fold({"error": {"message": "overloaded", "type": "server_error"}})
    assert reply.error == CallError(type="server_error", message="overloaded")
