"""One conversation as each format writes it down, cut into its parts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.parts import MEDIA_BYTES, PartKind, cut_message, cut_reply, place
from arc_proxy.call import Reply, ToolCall
from tests.analysis.talk import canonical

WORDS = {
    PartKind.TOOL_SCHEMA: "tool",
    PartKind.SERVER_TOOL: "server",
    PartKind.SYSTEM: "system",
    PartKind.USER: "user",
    PartKind.EARLIER_REASONING: "thought",
    PartKind.EARLIER_TEXT: "text",
    PartKind.EARLIER_ARGUMENTS: "call",
    PartKind.TOOL_RESULT: "result",
    PartKind.OTHER: "other",
}
CALL = {"id": "a", "type": "function", "function": {"name": "find", "arguments": "{}"}}

# The whole of each: a tool, a system prompt, a question, a thought where there are any, a call, its result.
SEARCH = {"type": "function", "name": "search", "parameters": {}}
READ = {"type": "function", "name": "read", "parameters": {}}

FORMATS = {
    "OpenAI's chat": (
        [
            {"tools": [{"type": "function", "function": {"name": "find", "parameters": {}}}]},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {
                "role": "assistant",
                "content": "I look.",
                "reasoning_content": "Hm.",
                "tool_calls": [CALL],
            },
            {"role": "tool", "tool_call_id": "a", "content": "7"},
        ],
        "tool:find system user thought text call:find result:find",
    ),
    "OpenAI's functions of old": (
        [
            {"functions": [{"name": "find", "parameters": {}}]},
            {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}},
            {"role": "function", "name": "find", "content": "7"},
        ],
        "tool:find call:find result:find",
    ),
    "OpenAI's responses": (
        [
            {
                "tools": [
                    {"type": "function", "name": "find"},
                    {"type": "web_search"},
                    {"type": "mcp", "server_label": "x"},
                ]
            },
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "find", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "7"},
            {"type": "web_search_call", "id": "ws_1", "action": {"query": "x"}},
            {"type": "mcp_call", "id": "m", "name": "ask", "arguments": "{}", "output": "8"},
            {"type": "local_shell_call", "call_id": "s", "action": {"command": ["ls"]}},
            {"type": "local_shell_call_output", "call_id": "s", "output": "files"},
        ],
        (
            "tool:find server:web_search server:x system user thought text call:find result:find "
            "call:web_search call:ask result:ask call:local_shell result:local_shell"
        ),
    ),
    "namespaces of OpenAI's responses, as Codex has one for each MCP server": (
        [
            {
                "tools": [
                    {"type": "namespace", "name": "mcp__wiki", "tools": [SEARCH, READ]},
                    {"type": "namespace", "name": "agents", "description": "All.", "tools": [SEARCH]},
                    {"type": "namespace", "name": "empty", "tools": []},
                ]
            },
            {"type": "function_call", "call_id": "a", "namespace": "mcp__wiki", "name": "search"},
            {"type": "function_call", "call_id": "b", "namespace": "agents", "name": "search"},
            {"type": "function_call_output", "call_id": "a", "output": "7"},
            {"type": "function_call_output", "call_id": "b", "output": "8"},
        ],
        (
            "tool:mcp__wiki__search tool:mcp__wiki__read tool:agents.search tool:empty "
            "call:mcp__wiki__search call:agents.search result:mcp__wiki__search result:agents.search"
        ),
    ),
    "Anthropic's messages": (
        [
            {
                "tools": [
                    {"name": "find", "input_schema": {}},
                    {"type": "web_search_20250305", "name": "web_search"},
                ]
            },
            {
                "role": "system",
                "content": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Now."}],
            },
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "Eq"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "find", "input": {}},
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "s",
                        "content": [{"type": "web_search_result"}],
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "7"}]},
                    {"type": "text", "text": "Go on."},
                ],
            },
        ],
        (
            "tool:find server:web_search system system user thought text "
            "call:find call:web_search result:web_search result:find user"
        ),
    ),
    "Gemini": (
        [
            {
                "tools": [
                    {"functionDeclarations": [{"name": "find"}, {"name": "book"}]},
                    {"google_search": {}},
                ]
            },
            {"role": "system", "parts": [{"text": "Be brief."}]},
            {"role": "user", "parts": [{"text": "hi"}]},
            {
                "role": "model",
                "parts": [
                    {"text": "Hm.", "thought": True},
                    {"functionCall": {"name": "find", "args": {}}, "thoughtSignature": "Eq"},
                    {"functionCall": {"name": "book", "args": {}}},
                ],
            },
            {"role": "user", "parts": [{"functionResponse": {"name": "book", "response": {"ok": True}}}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "find", "response": {"ok": True}}}]},
        ],
        (
            "tool:find tool:book server:google_search system user thought "
            "call:find call:book result:book result:find"
        ),
    ),
    "Gemini's interactions": (
        [
            {"tools": [{"type": "function", "name": "find"}]},
            {"role": "system", "content": "Be brief."},
            {"type": "user_input", "content": "hi"},
            {"type": "thought", "summary": [{"text": "Hm.", "type": "text"}], "signature": "Eq"},
            {"type": "function_call", "id": "a", "name": "find", "arguments": {}},
            {"type": "function_result", "call_id": "a", "result": "7"},
            {"type": "model_output", "content": [{"type": "text", "text": "7 it is."}]},
        ],
        "tool:find system user thought call:find result:find text",
    ),
    "Bedrock's Converse": (
        [
            {"tools": [{"toolSpec": {"name": "find"}}, {"cachePoint": {"type": "default"}}]},
            {"role": "system", "content": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}]},
            {"role": "user", "content": [{"text": "hi"}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "Eq"}}},
                    {"toolUse": {"toolUseId": "a", "name": "find", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [{"toolResult": {"toolUseId": "a", "content": [{"json": {"n": 7}}]}}],
            },
        ],
        "tool:find system user thought call:find result:find",
    ),
    "Cohere": (
        [
            {"tools": [{"type": "function", "function": {"name": "find"}}]},
            {"role": "system", "content": "Be brief."},
            {
                "role": "assistant",
                "tool_plan": "I look.",
                "tool_calls": [CALL],
            },
            {
                "role": "tool",
                "tool_call_id": "a",
                "content": [{"type": "document", "document": {"data": "7"}}],
            },
        ],
        "tool:find system thought call:find result:find",
    ),
    "Cohere's version 1": (
        [
            {"tools": [{"name": "find", "parameter_definitions": {}}]},
            {"role": "USER", "message": "hi"},
            {
                "role": "CHATBOT",
                "message": "I look.",
                "tool_calls": [{"name": "find", "parameters": {"id": 7}}],
            },
            {
                "role": "TOOL",
                "tool_results": [{"call": {"name": "find", "parameters": {}}, "outputs": [{"n": 7}]}],
            },
        ],
        "tool:find user text call:find result:find",
    ),
    "Ollama": (
        [
            {"tools": [{"type": "function", "function": {"name": "find"}}]},
            {"role": "user", "content": "hi", "images": ["iVBO"]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "Hm.",
                "tool_calls": [
                    {"function": {"name": "find", "arguments": {}}},
                    {"function": {"name": "book", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "7"},
            {"role": "tool", "tool_name": "book", "content": "8"},
        ],
        "tool:find user user thought call:find call:book result:find result:book",
    ),
    "completions": ([{"prompt": "Once upon a time"}, {"prompt": ["Say", "hi"]}], "user user user"),
    "what nobody knows": (
        [
            {"blob": [1]},
            "text",
            {"role": "ipython", "content": "x"},
            [{"role": "user", "content": "in a list"}],
        ],
        "other other other user",
    ),
}


@pytest.mark.parametrize(("messages", "parts"), FORMATS.values(), ids=FORMATS)
def test_parts_of(messages, parts):
    placed = place((at, cut_message(canonical(message))) for at, message in enumerate(messages))
    found = [WORDS[each.part.kind] + (f":{each.name}" if each.name else "") for each in placed]
    assert " ".join(found) == parts
    assert all(each.part.weight > 0 for each in placed)


SAME = {
    "marks for the cache": (
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "hi"},
    ),
    "cache points": (
        {"role": "user", "content": [{"text": "hi"}, {"cachePoint": {"type": "default"}}]},
        {"role": "user", "content": [{"text": "hi"}]},
    ),
    "ids": (
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "gA"},
        {"type": "reasoning", "id": "rs_2", "encrypted_content": "gA"},
    ),
    "Claude Code's own first line": (
        {"role": "system", "content": [{"type": "text", "text": "x-anthropic-billing-header: cch=1;"}]},
        {"role": "system", "content": [{"type": "text", "text": "x-anthropic-billing-header: cch=2;"}]},
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_model_sees_the_same_whatever_the(one, other):
    assert cut_message(canonical(one)) == cut_message(canonical(other))


STUB = "arc-media;type=image/png;bytes=9"
MEDIA = {
    "a stub": {"type": "image_url", "image_url": {"url": "data:image/png;base64," + STUB}},
    "an address": {"type": "input_image", "image_url": "https://x.example/a.png"},
    "Gemini's": {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
    "Bedrock's": {"image": {"format": "png", "source": {"bytes": "iVBO"}}},
}


@pytest.mark.parametrize("block", MEDIA.values(), ids=MEDIA)
def test_a_picture_weighs_as_one(block):
    (part,) = cut_message(canonical({"role": "user", "content": [block]}))
    assert MEDIA_BYTES <= part.weight < MEDIA_BYTES + 200


def test_a_screenshot_in_a_result_weighs_too():
    image = {"type": "image", "source": {"type": "base64", "data": STUB}}
    block = {"type": "tool_result", "tool_use_id": "a", "content": [image]}
    (part,) = cut_message(canonical({"role": "user", "content": [block]}))
    assert part.weight > MEDIA_BYTES


def test_a_tool_that_is_deferred_weighs_nothing():
    tools = {"tools": [{"name": "find", "input_schema": {}, "defer_loading": True}]}
    assert [part.weight for part in cut_message(canonical(tools))] == [0]


def test_what_a_namespace_says_of_itself_weighs_once():
    space = {"type": "namespace", "name": "crm", "description": "All of it. " * 90, "tools": [SEARCH, READ]}
    first, second = cut_message(canonical({"tools": [space]}))
    alone = cut_message(canonical({"tools": [SEARCH, READ]}))
    assert first.weight > alone[0].weight + 900
    assert second.weight == alone[1].weight


def test_a_reply_is_what_the_model_wrote():
    items = [
        {"type": "mcp_list_tools", "tools": [{"name": "ask", "input_schema": {}}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "mcp_call", "id": "m", "name": "ask", "arguments": "{}", "output": "8"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "8 it is."}]},
    ]
    parts = [(part.kind, part.name) for part in cut_reply(Reply(message=canonical(items)))]
    assert parts == [(PartKind.REASONING, ""), (PartKind.ARGUMENTS, "ask"), (PartKind.OUTPUT, "")]


def test_a_reply_without_its_message_is_its_text_and_calls():
    reply = Reply(output_text="I look.", tool_calls=(ToolCall(id="a", name="find", arguments="{}"),))
    parts = [(part.kind, part.name) for part in cut_reply(reply)]
    assert parts == [(PartKind.OUTPUT, ""), (PartKind.ARGUMENTS, "find")]


_FIELDS = (
    "role type content parts tools tool_calls function name functionCall text toolResult images thinking id "
    "message tool_results defer_loading output user assistant tool function_call tool_result mcp_call "
    "functionDeclarations namespace"
)
_WORDS = st.sampled_from([*_FIELDS.split(), "\ud800"])
ANY_MESSAGE = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=30,
)


@given(ANY_MESSAGE)
def test_anything_can_be_cut(message):
    for part in cut_message(json.dumps(message).encode()):
        assert part.weight >= 0
        assert isinstance(part.name, str)


NO_JSON = {"nothing": b"", "no text": b"\xff", "too deep": b"[" * 100_000, "cut": b"nul"}


@pytest.mark.parametrize("message", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_other_text(message):
    (part,) = cut_message(message)
    assert (part.kind, part.weight) == (PartKind.OTHER, len(message))
