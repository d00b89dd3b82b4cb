"""One conversation with two tool calls, as each format writes it down."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.tool_use import ToolStanding, stand, tool_uses

ARGUMENTS = '{"id":"7"}'


def call(call_id, name="find"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": ARGUMENTS}}


FORMATS = {
    "OpenAI's chat": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b", "book")]},
        {"role": "tool", "tool_call_id": "b", "content": "booked"},
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "Error: no 7"}]},
    ],
    "OpenAI's functions of old": [
        {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": ARGUMENTS}},
        {"role": "function", "name": "find", "content": "Error: no 7"},
        {"role": "assistant", "content": None, "function_call": {"name": "book", "arguments": ARGUMENTS}},
        {"role": "function", "name": "book", "content": "booked"},
    ],
    "OpenAI's responses": [
        {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "find", "arguments": ARGUMENTS},
        {"type": "custom_tool_call", "call_id": "b", "name": "book", "input": ARGUMENTS},
        {"type": "function_call_output", "call_id": "a", "output": "Error: no 7"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "booked"},
    ],
    "a provider's own MCP calls": [
        {"type": "mcp_call", "id": "a", "name": "find", "arguments": ARGUMENTS, "error": "no 7"},
        {"type": "mcp_call", "id": "b", "name": "book", "arguments": ARGUMENTS, "output": "booked"},
    ],
    "Anthropic's messages": [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a", "name": "find", "input": {"id": "7"}},
                {"type": "tool_use", "id": "b", "name": "book", "input": {"id": "7"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "there is none", "is_error": True},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "booked"}]},
            ],
        },
    ],
    "Gemini": [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "find", "args": {"id": "7"}}},
                {"functionCall": {"name": "book", "args": {"id": "7"}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "book", "response": {"result": "booked"}}},
                {"functionResponse": {"name": "find", "response": {"error": "no 7"}}},
            ],
        },
    ],
    "Bedrock's Converse": [
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "a", "name": "find", "input": {"id": "7"}}},
                {"toolUse": {"toolUseId": "b", "name": "book", "input": {"id": "7"}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "a", "content": [{"text": "no 7"}], "status": "error"}},
                {"toolResult": {"toolUseId": "b", "content": [{"json": {"booked": 1}}]}},
            ],
        },
    ],
    "Ollama": [
        {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": {"id": "7"}}}]},
        {"role": "tool", "tool_name": "find", "content": "Error: no 7"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "book", "arguments": {"id": "7"}}}]},
        {"role": "tool", "tool_name": "book", "content": "booked"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("messages", FORMATS.values(), ids=FORMATS)
def test_calls_and_results_in(messages):
    find, book = stand(tool_uses(messages))
    assert (find.name, find.calls, find.errors, find.unanswered) == ("find", 1, 1, 0)
    assert find.error
    assert (book.name, book.calls, book.errors, book.unanswered) == ("book", 1, 0, 0)
    assert [use.arguments for use in tool_uses(messages)] == [ARGUMENTS, ARGUMENTS]


def test_a_tool_is_summed_up_with_the_error_that_came_most_often():
    results = ["Error: slow", "Error: gone", "Error: gone", "[]", "fine"]
    calls = [{"role": "assistant", "tool_calls": [call(str(at)) for at in range(6)]}]
    answers = [{"role": "tool", "tool_call_id": str(at), "content": text} for at, text in enumerate(results)]
    assert stand(tool_uses(calls + answers)) == [
        ToolStanding(name="find", calls=6, errors=3, empty=1, unanswered=1, error="Error: gone")
    ]


def test_ids_that_come_again_are_answered_in_order():
    turn = [
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    assert [use.result for use in tool_uses(turn + turn)] == ["1", "1"]


_ANY = st.recursive(
    st.none() | st.booleans() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "type",
                    "content",
                    "parts",
                    "tool_calls",
                    "function",
                    "name",
                    "functionCall",
                    "toolResult",
                ]
            ),
            inner | st.sampled_from(["tool", "function_call", "tool_result", "mcp_call"]),
        )
    ),
    max_leaves=15,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["role", "content", "type", "name", "function"]), _ANY), max_size=4
    )
)
def test_what_is_no_message_raises_nothing(messages):
    json.dumps([use.arguments for use in tool_uses(messages)])
    stand(tool_uses(messages))
