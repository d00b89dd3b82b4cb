from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import CallError, Reply, ToolCall
from arc_proxy.wire.bedrock_converse import BEDROCK_CONVERSE
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from arc_proxy.wire.stream import StreamEvent
from tests.wire.test_eventstream import message

USAGE = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}
TOOL = {"toolUse": {"toolUseId": "t1", "name": "find", "input": {"q": "x"}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Ye"}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "s."}}),
    (
        "contentBlockStart",
        {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t1", "name": "find"}}},
    ),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"q":'}}}),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '"x"}'}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 7}}),
]
WHOLE = {
    "output": {"message": {"role": "assistant", "content": [THOUGHT, {"text": "Yes."}, TOOL]}},
    "stopReason": "tool_use",
    "usage": USAGE,
}


def fold(*events: tuple[str, dict[str, Any]]) -> Reply:
    return BEDROCK_CONVERSE.read_stream([StreamEvent(name, orjson.dumps(body)) for name, body in events])


def test_reads_a_request() -> None:
    prompt = BEDROCK_CONVERSE.read_prompt(
        {
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "system": [{"text": "Be brief."}],
            "toolConfig": {"tools": [{"toolSpec": {"name": "find"}}], "toolChoice": {"any": {}}},
            "inferenceConfig": {"maxTokens": 9},
        }
    )
    assert prompt.messages == (
        b'{"tools":[{"toolSpec":{"name":"find"}}]}',
        b'{"content":[{"text":"Be brief."}],"role":"system"}',
        b'{"content":[{"text":"Hi"}],"role":"user"}',
    )
    assert prompt.parameters == {"inferenceConfig": {"maxTokens": 9}, "toolChoice": {"any": {}}}


def test_reads_a_reply() -> None:
    reply = BEDROCK_CONVERSE.read_reply(WHOLE)
    assert (reply.output_text, reply.finish_reason, reply.usage) == ("Yes.", "tool_use", USAGE)
    assert reply.tool_calls == (ToolCall(id="t1", name="find", arguments='{"q":"x"}'),)
    assert reply.finished


def test_a_stream_is_joined_to_the_reply_that_came_at_once() -> None:
    streamed, at_once = fold(*EVENTS), BEDROCK_CONVERSE.read_reply(WHOLE)
    assert streamed.events == len(EVENTS)
    for field in ("output_text", "tool_calls", "message", "usage", "finish_reason", "finished"):
        assert getattr(streamed, field) == getattr(at_once, field)


def test_events_may_be_wrapped_in_their_name() -> None:
    assert fold(*[("chunk", {name: body}) for name, body in EVENTS]) == fold(*EVENTS)


CUT: dict[str, tuple[list[tuple[str, dict[str, Any]]], dict[str, Any]]] = {
    "in a text": (EVENTS[:5], {"output_text": "Ye", "finished": False, "usage": None}),
    "in a call": (
        EVENTS[:8],
        {"tool_calls": (ToolCall(id="t1", name="find", arguments='{"q":'),), "finished": False},
    ),
    "before the counts": (EVENTS[:-1], {"finish_reason": "tool_use", "usage": None}),
    "by an exception": (
        [*EVENTS[:5], ("error", {"error": {"type": "modelStreamErrorException", "message": "boom"}})],
        {"error": CallError(type="modelStreamErrorException", message="boom"), "finished": True},
    ),
}


@pytest.mark.parametrize(("events", "said"), CUT.values(), ids=CUT)
def test_a_stream_that_is_cut(events: list[tuple[str, dict[str, Any]]], said: dict[str, Any]) -> None:
    reply = fold(*events)
    assert {field: getattr(reply, field) for field in said} == said


def test_tools_of_the_provider_are_none_of_the_clients() -> None:
    used = {"toolUse": {"toolUseId": "t", "name": "web_search", "type": "server_tool_use", "input": {}}}
    body = {"output": {"message": {"content": [used]}}}
    reply = BEDROCK_CONVERSE.read_reply(body)
    assert (reply.tool_calls, reply.server_tools) == ((), ("web_search",))


CITED = {"title": "Tides", "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 9}}}
USE = {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"}
FOUND = {"toolUseId": "t", "type": "nova_grounding_result", "status": "success"}
BLOCKS: dict[str, tuple[list[tuple[str, dict[str, Any]]], list[dict[str, Any]], str | None]] = {
    "a text that cites": (
        [
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "As said: "}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "it ri"}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "ses."}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": CITED}}),
        ],
        [
            {"text": "As said: "},
            {"citationsContent": {"content": [{"text": "it rises."}], "citations": [CITED]}},
        ],
        "As said: it rises.",
    ),
    "a citation alone": (
        [
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "It rises."}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": CITED}}),
        ],
        [{"text": "It rises."}, {"citationsContent": {"citations": [CITED]}}],
        "It rises.",
    ),
    "what a tool of the provider found is no answer": (
        [
            ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": USE}}),
            ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": '{"q":1}'}}}),
            ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolResult": FOUND}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "hi"}]}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "gh"}]}}),
            ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolResult": [{"json": {"a": 1}}]}}),
        ],
        [
            {"toolUse": {**USE, "input": {"q": 1}}},
            {"toolResult": {**FOUND, "content": [{"text": "high"}, {"json": {"a": 1}}]}},
        ],
        None,
    ),
    "an image": (
        [
            ("contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}),
            (
                "contentBlockDelta",
                {"contentBlockIndex": 0, "delta": {"image": {"source": {"bytes": "iVBO"}}}},
            ),
        ],
        [{"image": {"format": "png", "source": {"bytes": "iVBO"}}}],
        None,
    ),
}


@pytest.mark.parametrize(("events", "blocks", "text"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_is_the_same_streamed_or_not(
    events: list[tuple[str, dict[str, Any]]], blocks: list[dict[str, Any]], text: str | None
) -> None:
    at_once = BEDROCK_CONVERSE.read_reply({"output": {"message": {"content": blocks}}})
    streamed = fold(*events)
    assert streamed.output_text == text
    assert streamed.message == at_once.message
    assert streamed.tool_calls == at_once.tool_calls == ()
    assert streamed.server_tools == at_once.server_tools


def test_a_tool_that_takes_nothing_has_empty_arguments_either_way() -> None:
    start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "ping"}}}
    streamed = fold(("contentBlockStart", start))
    used = {"toolUse": {"toolUseId": "t", "name": "ping", "input": {}}}
    at_once = BEDROCK_CONVERSE.read_reply({"output": {"message": {"content": [used]}}})
    assert streamed.tool_calls == at_once.tool_calls == (ToolCall(id="t", name="ping", arguments="{}"),)
    assert streamed.message == at_once.message


def test_the_model_of_the_path_is_the_one_that_answered() -> None:
    body = b"".join(message(orjson.dumps(said), event_type=name) for name, said in EVENTS)
    exchange = HttpExchange(
        method="POST",
        url="https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-lite-v1%3A0/converse-stream",
        status=200,
        response_body=body,
    )
    reading = read_exchange(exchange)
    assert (reading.reply.model, reading.reply.output_text) == ("amazon.nova-lite-v1:0", "Yes.")
    assert (reading.provider, reading.notes) == ("bedrock", ())
