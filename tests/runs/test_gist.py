from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.runs.gist import ASSISTANT, OPENING, OTHER, Gist, is_unique, read_gist

TEXT = "The harbor label is crimson, and so is the door behind it."
SIGNATURE = "EpwDCpkDARFNMg82brDDEY7F3cRaX0hEqNS+L0/hKDvCpSRPpjSFXWh8CYlin="
OTHER_ALPHABET = SIGNATURE.replace("+", "-").replace("/", "_").rstrip("=")
ASKED = {"q": "x", "n": 1}

CODE_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "python_interpreter", "arguments": "print('x')"},
}
CODE_IN_WORDS = f"{TEXT}\n<code>\nprint('x')\n</code>\nCalling tools:\n{[CODE_CALL]}"


def gist(message: Any) -> Gist:
    [only] = read_gist(orjson.dumps(message, option=orjson.OPT_SORT_KEYS))
    return only


def chat_call(arguments: str, call_id: str = "call_lQWevJ9PRcJlvRTO6cDYoGEw") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "find", "arguments": arguments}}


# Each line: messages that say the same.
SAME: dict[str, list[Any]] = {
    "a text, in parts and in each provider's form": [
        {"role": "assistant", "content": TEXT},
        {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": TEXT, "annotations": []}]},
        {"role": "assistant", "content": [{"text": TEXT}]},
        {"role": "model", "parts": [{"text": TEXT[:9]}, {"text": TEXT[9:]}]},
        {"role": "CHATBOT", "message": TEXT},
        {"type": "model_output", "content": [{"type": "text", "text": TEXT}]},
        {"role": "assistant", "content": "\n" + TEXT.replace(" ", "  ") + " "},
    ],
    "code that smolagents runs, and quotes with the stop word and as a call": [
        {"role": "assistant", "content": f"{TEXT}\n<code>\nprint('x')\n"},
        {"role": "assistant", "content": f"{TEXT}\n<code>\nprint('x')\n</code>"},
        {"role": "assistant", "content": [{"type": "text", "text": CODE_IN_WORDS}]},
    ],
    "a cache point moves on with every step": [
        {"role": "user", "content": [{"text": TEXT}]},
        {"role": "user", "content": [{"text": TEXT}, {"cachePoint": {"type": "default"}}]},
        {"role": "user", "content": [{"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": TEXT}]},
    ],
    "a call of a tool, whoever's form": [
        {"role": "assistant", "content": None, "tool_calls": [chat_call('{"q": "x", "n": 1}')]},
        {"role": "assistant", "content": "", "tool_calls": [chat_call('{"n":1,"q":"x"}', "other")]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "find", "input": {"q": "x", "n": 1}}],
        },
        {"type": "function_call", "call_id": "c", "name": "find", "arguments": '{"q":"x","n":1}'},
        {"role": "model", "parts": [{"functionCall": {"name": "find", "args": {"q": "x", "n": 1}}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t", "name": "find", "input": ASKED}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "find", "arguments": ASKED}}]},
    ],
    "a call that takes nothing": [
        {"role": "assistant", "tool_calls": [chat_call("{}")]},
        {"role": "assistant", "tool_calls": [chat_call("")]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "find", "input": {}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "find", "input": ""}]},
    ],
    "what was thought does not count": [
        {"role": "assistant", "content": TEXT},
        {"role": "assistant", "content": TEXT, "reasoning_content": "hm"},
        {"role": "assistant", "content": f"<think>hm</think>{TEXT}"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"text": TEXT}]},
        {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": TEXT}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {}}}, {"text": TEXT}]},
    ],
    "a mark for the cache does not count": [
        {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "Hi"},
    ],
    "citations do not count": [
        {"role": "assistant", "content": [{"text": TEXT}]},
        {"role": "assistant", "content": [{"citationsContent": {"content": [{"text": TEXT}]}}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("messages", SAME.values(), ids=SAME)
def test_messages_that_say_the_same(messages: list[Any]) -> None:
    assert len({(gist(message).role, gist(message).digest) for message in messages}) == 1


def test_what_react_wraps_around_an_answer_does_not_count() -> None:
    answer = "Final Answer: The harbor label is crimson, and so is the door."
    wrapped = f"Thought: I now know the final answer\n{answer}"
    assert gist({"role": "assistant", "content": answer}).text == (
        gist({"role": "assistant", "content": wrapped}).text
    )
    said = "I can look the label up.\nAction: look_up"
    assert gist({"role": "assistant", "content": said}).digest == (
        gist({"role": "assistant", "content": f"Thought:  {said}"}).digest
    )


ROLES: dict[str, tuple[Any, str]] = {
    "a system prompt": ({"role": "system", "content": "S"}, OPENING),
    "a developer's": ({"role": "developer", "content": "S"}, OPENING),
    "a list of tools": ({"tools": [{"name": "f"}]}, OPENING),
    "a user": ({"role": "user", "content": "U"}, OTHER),
    "a tool's result": ({"type": "function_call_output", "call_id": "c", "output": "4"}, OTHER),
    "a tool's result, of Gemini's interactions": (
        {"type": "function_result", "call_id": "c", "result": {"a": 4}},
        OTHER,
    ),
    "an answer": ({"role": "assistant", "content": "A"}, ASSISTANT),
    "a thought": ({"type": "reasoning", "encrypted_content": SIGNATURE}, ASSISTANT),
}


@pytest.mark.parametrize(("message", "role"), ROLES.values(), ids=ROLES)
def test_tells_who_speaks(message: Any, role: str) -> None:
    assert gist(message).role == role


def test_a_thought_alone_says_nothing_but_is_known_by_its_seal() -> None:
    thought = gist({"type": "reasoning", "encrypted_content": SIGNATURE, "summary": []})
    assert (thought.digest, thought.speaks) == (b"", False)
    assert thought.thought is not None


SEALED: dict[str, Any] = {
    "Gemini": {"role": "model", "parts": [{"functionCall": {"name": "f"}, "thoughtSignature": SIGNATURE}]},
    "Gemini, in the other alphabet": {
        "role": "model",
        "parts": [{"text": "x", "thoughtSignature": OTHER_ALPHABET}],
    },
    "Anthropic": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "", "signature": SIGNATURE}, {"text": "x"}],
    },
    "Bedrock": {
        "role": "assistant",
        "content": [{"reasoningContent": {"reasoningText": {"text": "", "signature": SIGNATURE}}}],
    },
    "OpenAI": {"type": "reasoning", "encrypted_content": SIGNATURE},
    "OpenRouter": {"role": "assistant", "content": "x", "reasoning_details": [{"signature": SIGNATURE}]},
}  # fmt: skip


@pytest.mark.parametrize("message", SEALED.values(), ids=SEALED)
def test_a_seal_is_the_same_in_each_form(message: Any) -> None:
    assert gist(message).thought == gist(SEALED["OpenAI"]).thought


def test_a_seal_too_short_to_be_one_is_none() -> None:
    assert gist({"type": "reasoning", "encrypted_content": "gAAA"}).thought is None


IDS = {
    "call_lQWevJ9PRcJlvRTO6cDYoGEw": True,
    "toolu_01STExnVTfC6tsdFkfkKzUCe": True,
    "a3a52466-cec3-493a-8e22": True,
    "call_1": False,
    "c0": False,
    "call_REDACTED_1": False,
    "functions.add:0": False,
    "20261126": False,
}


@pytest.mark.parametrize(("provider_id", "unique"), IDS.items())
def test_ids_that_look_like_no_other(provider_id: str, unique: bool) -> None:
    assert is_unique(provider_id) is unique


CALL = {"id": "call_lQWevJ9PRcJlvRTO6cDYoGEw", "type": "function"}
OTHER_CALL = {"id": "call_8fHq2mZr0bXw5tVn3kLd7sPc", "type": "function"}
FUNCTION = {"function": {"name": "find", "arguments": {"q": "x"}}}
IN_WORDS = f"Calling tools:\n{[CALL | FUNCTION, OTHER_CALL | FUNCTION]}"
QUOTED_IN_WORDS: dict[str, tuple[Any, int]] = {
    "calls alone": ({"role": "assistant", "content": IN_WORDS}, 2),
    "behind what the model said": (
        {"role": "assistant", "content": [{"type": "text", "text": f"I look it up.\n{IN_WORDS}"}]},
        2,
    ),
    "an id that a framework made": (
        {"role": "assistant", "content": f"Calling tools:\n{[{**CALL, 'id': 'call_1'} | FUNCTION]}"},
        0,
    ),
    "an id among other words": ({"role": "assistant", "content": f"It said {[CALL | FUNCTION]}"}, 0),
    "what a user says": ({"role": "user", "content": IN_WORDS}, 0),
}


@pytest.mark.parametrize(("message", "calls"), QUOTED_IN_WORDS.values(), ids=QUOTED_IN_WORDS)
def test_calls_that_are_quoted_in_words_are_known_by_their_ids(message: Any, calls: int) -> None:
    answered = gist({"role": "assistant", "tool_calls": [CALL | FUNCTION, OTHER_CALL | FUNCTION]})
    assert gist(message).ids == answered.ids[:calls]


def test_what_a_tool_answered_behind_an_assistants_text_is_a_turn_of_its_own() -> None:
    said, told = read_gist(b'{"content":"Action: find\\nObservation: 4","role":"assistant"}')
    assert (said.role, told.role) == (ASSISTANT, OTHER)
    assert said.digest == gist({"role": "assistant", "content": "Action: find"}).digest


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "parts", "type", "text", "tool_calls", "function", "id", "thought"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_any_json_is_read_without_an_error(value: Any) -> None:
    try:
        message = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer that no JSON of ours holds
        return
    read_gist(message)


@given(st.binary(max_size=50))
def test_any_bytes_are_read_without_an_error(message: bytes) -> None:
    read_gist(message)
