"""Clues are read of whatever was sent: a body of odd types costs nobody anything."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.journal.record import Ended
from arc_proxy.prefix import NO_PREFIX
from arc_proxy.runs.clues import Sent, read_clues
from arc_proxy.runs.grouper import Grouper
from arc_proxy.runs.trail import Trail
from arc_proxy.wire.exchange import HttpExchange, read_exchange

URLS = {
    "openai.chat": "https://api.openai.com/v1/chat/completions",
    "openai.responses": "https://api.openai.com/v1/responses",
    "anthropic.messages": "https://api.anthropic.com/v1/messages",
    "gemini.generate": "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
    "gemini.interactions": "https://generativelanguage.googleapis.com/v1beta/interactions",
    "bedrock.converse": "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse",
    "cohere.chat": "https://api.cohere.com/v1/chat",
    "ollama.chat": "http://localhost:11434/api/chat",
    "dashscope.generation": "https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/generation",
}
FIELDS = [
    *("messages", "contents", "input", "system", "instructions", "tools", "role", "content", "parts", "type"),
    *("text", "name", "function", "tool_calls", "id", "call_id", "arguments", "metadata", "user", "user_id"),
    *("choices", "message", "output", "candidates", "functionCall", "args", "response", "steps", "model"),
    *("previous_response_id", "conversation", "prompt_cache_key", "chat_history", "thinking", "signature"),
    *("session_id", "trace", "reasoning_details", "description", "parameters", "toolUse", "reasoningContent"),
]
WORDS = ["system", "assistant", "user", "tool", "model", "function_call", "tool_use", "text", "x" * 40, ""]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=20,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
@given(asked=st.lists(bodies, min_size=1, max_size=2), answered=bodies)
def test_any_json_is_placed_without_an_error(
    url: str, asked: list[dict[str, Any]], answered: dict[str, Any]
) -> None:
    grouper = Grouper(Trail())
    for place, body in enumerate(asked):
        exchange = HttpExchange(
            method="POST",
            url=url,
            request_body=orjson.dumps(body),
            status=200,
            response_body=orjson.dumps(answered),
        )
        reading = read_exchange(exchange)
        clues, _ = read_clues(
            Sent(
                call_id=f"c{place}",
                started_ns=place,
                duration_ns=1,
                method="POST",
                url=url,
                target=url.partition("/v")[2],
                prefix=NO_PREFIX,
                headers=(),
                body=exchange.request_body,
                kind=reading.kind,
                endpoint=reading.endpoint,
                prompt=reading.prompt,
                reply=reading.reply,
                status=200,
                ended=Ended.COMPLETE,
            )
        )
        grouper.wanted([clues])
        assert grouper.place(clues).grouping.run_id
