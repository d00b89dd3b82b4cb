"""What holds for each dialect, whatever it is sent."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.exchange import DIALECTS, HttpExchange, read_exchange
from arc_proxy.wire.stream import StreamEvent

URLS = [
    "https://api.openai.com/v1/chat/completions",
    "https://api.openai.com/v1/responses",
    "https://api.openai.com/v1/completions",
    "https://api.anthropic.com/v1/messages",
    "https://api.cohere.com/v2/chat",
    "http://localhost:11434/api/chat",
    "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
]
FIELDS = [
    *("choices", "message", "content", "text", "tool_calls", "function", "name", "arguments", "id", "index"),
    *("delta", "type", "usage", "error", "finish_reason", "output", "candidates", "parts", "functionCall"),
    *("done", "response", "generations", "meta", "messages", "tools", "system", "input", "prompt", "role"),
    *("event_type", "contentBlockIndex", "start", "toolUse", "stopReason", "results", "outputText", "input"),
    *("step", "steps", "status", "interaction", "embeddings", "bytes", "parameters", "chat_history"),
]
WORDS = [
    *("message-start", "content-delta", "tool-call-delta", "message-end", "stream-end", "text-generation"),
    *("text", "message_start", "content_block_delta", "response.completed", "step.delta", "step.start"),
    *("messageStart", "contentBlockDelta", "assistant", "stop", ""),
]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(documents=st.lists(values, max_size=5), names=st.lists(st.sampled_from(WORDS), max_size=5))
def test_any_json_is_read_without_an_error(dialect: Dialect, documents: list[Any], names: list[str]) -> None:
    names += ["message"] * len(documents)
    events = [StreamEvent(name, orjson.dumps(each)) for name, each in zip(names, documents, strict=False)]
    dialect.read_stream(events)
    for document in documents:
        if isinstance(document, dict):
            dialect.read_reply(document)
            dialect.read_prompt(document)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_are_read_without_an_error(dialect: Dialect, pieces: list[bytes]) -> None:
    dialect.read_stream([StreamEvent("message", piece) for piece in pieces])


@pytest.mark.parametrize("url", URLS)
def test_what_is_nested_too_deep_is_left_out_with_a_note(url: str) -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    fields = dict.fromkeys(("messages", "contents", "input", "prompt", "tools"), deep)
    body = json.dumps(fields).encode()
    reading = read_exchange(HttpExchange(method="POST", url=url, request_body=body))
    assert len(reading.notes) == 1
    assert reading.notes[0].startswith("request: ")
