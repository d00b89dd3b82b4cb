"""What is counted of a prompt and a reply."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Prompt, Reply, ToolCall
from arc_proxy.tokens.parts import hides_thoughts, prompt_parts, reply_parts
from arc_proxy.tokens.tools import tools_text


def prompt(*messages, model="gpt-4o", **parameters):
    return Prompt(
        model=model, messages=tuple(json.dumps(each).encode() for each in messages), parameters=parameters
    )


SYSTEM, USER = {"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}
CALL = {"id": "a", "type": "function", "function": {"name": "find", "arguments": '{"id":7}'}}

# Messages, the model, texts that are counted, and tokens beside them.
PROMPTS = {
    "one message": ([USER], "gpt-4o", ["hi"], 3 + 4),
    "two messages": ([SYSTEM, USER], "gpt-4o", ["be brief", "hi"], 3 + 8),
    "a model that reasons": ([USER], "gpt-5-mini", ["hi"], 2 + 4),
    "parts": ([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], "gpt-4o", ["hi"], 3 + 4),
    "a name": ([USER | {"name": "ann"}], "gpt-4o", ["ann", "hi"], 3 + 4),
    "a tool call": (
        [{"role": "assistant", "tool_calls": [CALL]}], "gpt-4o", ["find", '{"id":7}'], 3 + 4 + 7,
    ),
    "two tool calls": (
        [{"role": "assistant", "tool_calls": [CALL] * 2}], "gpt-4o", ["find", '{"id":7}'] * 2, 3 + 4 + 30,
    ),
    "a tool's result": ([{"role": "tool", "tool_call_id": "a", "content": "7"}], "gpt-4o", ["7"], 3 + 4),
    "items of a response": (
        [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "function_call", "call_id": "a", "name": "find", "arguments": '{"id":7}'},
            {"type": "function_call_output", "call_id": "a", "output": "7"},
        ],
        "gpt-4o", ["hi", "find", '{"id":7}', "7"], 3 + 12 + 12,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "model", "texts", "beside"), PROMPTS.values(), ids=PROMPTS)
def test_a_prompt(messages, model, texts, beside):
    parts = prompt_parts(prompt(*messages, model=model), "openai.chat")
    assert (parts.texts, parts.beside, parts.uncounted) == (texts, beside, set())


def test_tools_are_counted_as_the_model_reads_them():
    tools = {"tools": [{"type": "function", "function": {"name": "find", "parameters": {}}}]}
    with_system = prompt_parts(prompt(tools, SYSTEM, USER), "openai.chat")
    alone = prompt_parts(prompt(tools, USER), "openai.chat")
    reasoning = prompt_parts(prompt(tools, USER, model="gpt-5"), "openai.chat")
    assert with_system.texts[-1] == tools_text(tools["tools"])
    assert (with_system.beside, alone.beside, reasoning.beside) == (3 + 8 + 5, 3 + 4 + 9, 2 + 4 + 9 + 85)


def test_a_schema_for_the_answer_is_counted():
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert prompt_parts(prompt(USER, response_format=form), "openai.chat").texts == [
        "hi",
        '{"type":"object"}',
    ]


UNCOUNTED = {
    "a picture": ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], {}, {"image_url"}),
    "a file": ([{"role": "user", "content": [{"type": "input_file"}]}], {}, {"input_file"}),
    "a search by the provider": ([{"tools": [{"type": "web_search"}]}, USER], {}, {"web_search"}),
    "a response before": ([USER], {"previous_response_id": "resp_1"}, {"what the provider has stored"}),
}


@pytest.mark.parametrize(("messages", "parameters", "uncounted"), UNCOUNTED.values(), ids=UNCOUNTED)
def test_what_nobody_can_count_is_named(messages, parameters, uncounted):
    assert prompt_parts(prompt(*messages, **parameters), "openai.responses").uncounted == uncounted


def test_a_reply():
    message = json.dumps({"role": "assistant", "content": "7", "reasoning_content": "hm"}).encode()
    calls = (ToolCall(id="a", name="find", arguments="{}"),)
    parts = reply_parts(Reply(output_text="7", tool_calls=calls, message=message))
    assert (parts.texts, parts.beside) == (["7", "hm", "find", "{}"], 7)
    assert reply_parts(Reply()).texts == []


def test_who_thinks_without_showing_it():
    assert all(map(hides_thoughts, ("o3", "gpt-5.1", "openai/gpt-5")))
    assert not any(map(hides_thoughts, ("gpt-4o", "gpt-4.1", None)))


def test_tools_as_typescript():
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "unit": {"enum": ["c", "f"], "default": "c"},
            "days": {"type": "array", "items": {"type": "integer"}},
            "at": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["city"],
    }
    tool = {"type": "function", "function": {"name": "weather", "description": "Tells", "parameters": schema}}
    assert tools_text([tool, {"type": "web_search"}, {"name": "now"}]) == (
        "namespace functions {\n\n// Tells\ntype weather = (_: {\n// Where\ncity: string,\n"
        'unit?: "c" | "f", // default: c\ndays?: number[],\nat?: {\nlat: number,\n},\n'
        "note?: string | null,\n}) => any;\n"
        "\ntype now = () => any;\n\n} // namespace functions"
    )


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                *[
                    [
                        "tools",
                        "role",
                        "content",
                        "tool_calls",
                        "function",
                        "name",
                        "parameters",
                        "properties",
                        "text",
                    ]
                ]
            ),
            inner,
        )
    ),
    max_leaves=15,
)


@given(st.lists(_ANY, max_size=3), st.dictionaries(st.sampled_from(["text", "response_format"]), _ANY))
def test_any_json_is_read(messages, parameters):
    parts = prompt_parts(prompt(*messages, **parameters), "openai.chat")
    assert all(isinstance(text, str) for text in parts.texts)
    tools_text([each for each in messages if isinstance(each, dict)])
