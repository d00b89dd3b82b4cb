from __future__ import annotations

from typing import Any

import orjson
import pytest

from arc_proxy.call import ToolCall
from arc_proxy.wire.bedrock_invoke import BEDROCK_INVOKE, METRICS, read_header_usage
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from arc_proxy.wire.stream import StreamEvent
from pricing.usage import normalise_usage

COUNTED = {"inputTokenCount": 5, "outputTokenCount": 3, "invocationLatency": 7}

REPLIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Titan": (
        {
            "inputTextTokenCount": 5,
            "results": [{"tokenCount": 3, "outputText": "Hi", "completionReason": "FINISH"}],
        },
        {
            "output_text": "Hi",
            "finish_reason": "FINISH",
            "usage": {"inputTextTokenCount": 5, "tokenCount": 3},
        },
    ),
    "Llama": (
        {
            "generation": "Hi",
            "prompt_token_count": 5,
            "generation_token_count": 3,
            "stop_reason": "length",
        },
        {
            "output_text": "Hi",
            "finish_reason": "length",
            "usage": {"prompt_token_count": 5, "generation_token_count": 3},
        },
    ),
    "Mistral": (
        {"outputs": [{"text": "Hi", "stop_reason": "stop"}]},
        {"output_text": "Hi", "finish_reason": "stop", "usage": None},
    ),
    "Command": (
        {"id": "x", "generations": [{"text": "Hi", "finish_reason": "COMPLETE"}]},
        {"output_text": "Hi", "finish_reason": "COMPLETE", "response_id": "x"},
    ),
    "Jurassic": (
        {"id": 7, "completions": [{"data": {"text": "Hi"}, "finishReason": {"reason": "endoftext"}}]},
        {"output_text": "Hi", "finish_reason": "endoftext"},
    ),
    "Command R": (
        {"text": "Hi", "generation_id": "g", "chat_history": [], "finish_reason": "COMPLETE"},
        {"output_text": "Hi", "response_id": "g", "finish_reason": "COMPLETE"},
    ),
    "Nova": (
        {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"},
        {"output_text": "Hi", "finish_reason": "end_turn"},
    ),
    "Claude behind a profile": (
        {
            "type": "message",
            "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
            "stop_reason": "tool_use",
        },
        {"tool_calls": (ToolCall(id="t", name="f", arguments="{}"),), "finish_reason": "tool_use"},
    ),
    "what speaks OpenAI's chat": (
        {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]},
        {"output_text": "Hi", "finish_reason": "stop"},
    ),
    "Mistral's chat": (
        {"choices": [{"index": 0, "message": {"content": "Hi"}, "stop_reason": "length"}]},
        {"output_text": "Hi", "finish_reason": "length"},
    ),
    "DeepSeek": (
        {"choices": [{"text": "Hi", "stop_reason": "stop"}]},
        {"output_text": "Hi", "finish_reason": "stop"},
    ),
    "what says both reasons": (
        {"choices": [{"message": {"content": "Hi"}, "stop_reason": None, "finish_reason": "stop"}]},
        {"output_text": "Hi", "finish_reason": "stop"},
    ),
}


@pytest.mark.parametrize(("body", "said"), REPLIES.values(), ids=REPLIES)
def test_reads_a_reply_of(body: dict[str, Any], said: dict[str, Any]) -> None:
    reply = BEDROCK_INVOKE.read_reply(body)
    assert {field: getattr(reply, field) for field in said} == said
    assert reply.finished


STREAMS: dict[str, list[dict[str, Any]]] = {
    "Titan": [
        {"outputText": "H", "completionReason": None, "inputTextTokenCount": 5},
        {"outputText": "i", "completionReason": "FINISH", METRICS: COUNTED},
    ],
    "Llama": [
        {"generation": "H", "prompt_token_count": 5, "generation_token_count": 1, "stop_reason": None},
        {"generation": "i", "generation_token_count": 2, "stop_reason": "stop", METRICS: COUNTED},
    ],
    "Mistral": [
        {"outputs": [{"text": "H", "stop_reason": None}]},
        {"outputs": [{"text": "i", "stop_reason": "stop"}], METRICS: COUNTED},
    ],
}


@pytest.mark.parametrize("documents", STREAMS.values(), ids=STREAMS)
def test_reads_a_stream_of(documents: list[dict[str, Any]]) -> None:
    events = [StreamEvent("chunk", orjson.dumps(document)) for document in documents]
    reply = BEDROCK_INVOKE.read_stream(events)
    assert (reply.output_text, reply.usage, reply.finished) == ("Hi", COUNTED, True)
    assert reply.events == 2
    cut = BEDROCK_INVOKE.read_stream(events[:1])
    assert (cut.output_text, cut.finished) == ("H", False)


# Those that another dialect reads, whose end and counts are Bedrock's own.
SPOKEN: dict[str, list[dict[str, Any]]] = {
    "Jamba": [
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "H"}}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "i"}, "finish_reason": "stop"}]},
        {"id": "c", "choices": [], METRICS: COUNTED},
    ],
    "Mistral's chat": [
        {"choices": [{"index": 0, "message": {"content": "H"}, "stop_reason": None}]},
        {"choices": [{"index": 0, "message": {"content": "i"}, "stop_reason": "stop"}], METRICS: COUNTED},
    ],
    "DeepSeek": [
        {"choices": [{"index": 0, "text": "H", "stop_reason": None}]},
        {"choices": [{"index": 0, "text": "i", "stop_reason": "stop"}], METRICS: COUNTED},
    ],
    "Command R": [
        {"event_type": "text-generation", "text": "H"},
        {"event_type": "text-generation", "text": "i"},
        {"event_type": "stream-end", "finish_reason": "stop", "response": {"text": "Hi"}, METRICS: COUNTED},
    ],
}


@pytest.mark.parametrize("documents", SPOKEN.values(), ids=SPOKEN)
def test_what_was_measured_behind_a_stream_is_its_usage(documents: list[dict[str, Any]]) -> None:
    events = [StreamEvent("chunk", orjson.dumps(document)) for document in documents]
    reply = BEDROCK_INVOKE.read_stream(events)
    assert (reply.output_text, reply.finish_reason, reply.usage) == ("Hi", "stop", COUNTED)
    assert reply.events == len(documents)
    cut = BEDROCK_INVOKE.read_stream(events[:1])
    assert (cut.output_text, cut.finish_reason, cut.usage, cut.finished) == ("H", None, None, False)


def test_what_the_model_counts_itself_goes_before_what_was_measured() -> None:
    said = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    chunk = {"choices": [{"index": 0, "delta": {}}], "usage": said, METRICS: COUNTED}
    assert BEDROCK_INVOKE.read_stream([StreamEvent("chunk", orjson.dumps(chunk))]).usage == said


def test_titan_counts_its_output_in_its_last_event() -> None:
    last = {"outputText": "Hi", "completionReason": "FINISH", "inputTextTokenCount": 5}
    event = StreamEvent("chunk", orjson.dumps({**last, "totalOutputTextTokenCount": 3}))
    reply = BEDROCK_INVOKE.read_stream([event])
    usage, grade = normalise_usage(reply.usage, dialect="bedrock.invoke", provider="bedrock")
    assert (usage.input_tokens, usage.output_tokens, grade.value) == (5, 3, "reported")


def test_a_stream_of_another_dialect_is_read_whole() -> None:
    documents: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"model": "claude-x"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "message_stop", METRICS: COUNTED},
    ]
    reply = BEDROCK_INVOKE.read_stream([StreamEvent("chunk", orjson.dumps(each)) for each in documents])
    assert (reply.output_text, reply.model, reply.finished, reply.events) == ("Hi", "claude-x", True, 4)


PROMPTS: dict[str, tuple[dict[str, Any], tuple[bytes, ...]]] = {
    "Titan": ({"inputText": "Hi"}, (b'{"content":"Hi","role":"user"}',)),
    "Llama": ({"prompt": "Hi", "max_gen_len": 9}, (b'{"content":"Hi","role":"user"}',)),
    "Claude": (
        {"anthropic_version": "x", "system": "S", "messages": [{"role": "user", "content": "Hi"}]},
        (b'{"content":"S","role":"system"}', b'{"content":"Hi","role":"user"}'),
    ),
    "Nova": (
        {"inferenceConfig": {}, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
        (b'{"content":[{"text":"Hi"}],"role":"user"}',),
    ),
    "Nova without a setting": (
        {"system": [{"text": "S"}], "messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
        (b'{"content":[{"text":"S"}],"role":"system"}', b'{"content":[{"text":"Hi"}],"role":"user"}'),
    ),
    "Command R": ({"message": "Hi"}, (b'{"message":"Hi","role":"USER"}',)),
    "what speaks OpenAI's chat": (
        {"messages": [{"role": "user", "content": "Hi"}]},
        (b'{"content":"Hi","role":"user"}',),
    ),
}


@pytest.mark.parametrize(("body", "messages"), PROMPTS.values(), ids=PROMPTS)
def test_reads_a_request_of(body: dict[str, Any], messages: tuple[bytes, ...]) -> None:
    assert BEDROCK_INVOKE.read_prompt(body).messages == messages


def test_headers_count_where_the_body_does_not() -> None:
    headers = (
        ("X-Amzn-Bedrock-Input-Token-Count", "5"),
        ("X-Amzn-Bedrock-Output-Token-Count", "3"),
        ("X-Amzn-Bedrock-Cache-Read-Input-Token-Count", "no"),
    )
    assert read_header_usage(headers) == {"inputTokenCount": 5, "outputTokenCount": 3}
    assert read_header_usage((("content-type", "application/json"),)) is None
    exchange = HttpExchange(
        method="POST",
        url="https://bedrock-runtime.us-east-1.amazonaws.com/model/mistral.mistral-7b-instruct-v0%3A2/invoke",
        status=200,
        response_headers=headers,
        response_body=b'{"outputs":[{"text":"Hi","stop_reason":"stop"}]}',
    )
    reply = read_exchange(exchange).reply
    assert reply.usage == {"inputTokenCount": 5, "outputTokenCount": 3}
    assert reply.model == "mistral.mistral-7b-instruct-v0:2"
