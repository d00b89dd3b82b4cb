from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.envelope import Envelope, Need, envelope_of
from analysis.fit import fit
from analysis.token_ratio import SAME, Ratio
from arc_proxy.call import Prompt, Reply, ToolCall
from arc_proxy.wire.anthropic_messages import read_prompt as anthropic
from arc_proxy.wire.gemini_generate import read_prompt as gemini
from arc_proxy.wire.openai_chat import read_prompt as chat
from arc_proxy.wire.openai_responses import read_prompt as responses
from pricing.model import Model

TODAY = date(2026, 11, 26)
ASK = {"messages": [{"role": "user", "content": "hi"}]}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def parts(*content):
    return {"messages": [{"role": "user", "content": list(content)}]}


REQUESTS = {
    "nothing special": (chat, ASK, set()),
    "a word in a text is no picture": (chat, parts({"type": "text", "text": '"type":"image_url"'}), set()),
    "tools": (chat, ASK | {"tools": [TOOL]}, {Need.TOOLS}),
    "a forced choice": (
        chat,
        ASK | {"tools": [TOOL], "tool_choice": "required"},
        {Need.TOOLS, Need.TOOL_CHOICE},
    ),
    "a free choice": (chat, ASK | {"tools": [TOOL], "tool_choice": "auto"}, {Need.TOOLS}),
    "a free choice as Claude's clients say it": (anthropic, ASK | {"tool_choice": {"type": "auto"}}, set()),
    "one tool by its name": (
        anthropic,
        ASK | {"tool_choice": {"type": "tool", "name": "f"}},
        {Need.TOOL_CHOICE},
    ),
    "a picture": (
        chat,
        parts({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}),
        {Need.VISION},
    ),
    "a picture in a tool's result": (
        anthropic,
        parts({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {}}]}),
        {Need.VISION},
    ),
    "a document": (
        anthropic,
        parts(
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": ""}}
        ),
        {Need.PDF},
    ),
    "sound": (
        chat,
        parts({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}),
        {Need.AUDIO},
    ),
    "a schema": (
        chat,
        ASK | {"response_format": {"type": "json_schema", "json_schema": {"strict": True}}},
        {Need.SCHEMA},
    ),
    "a schema in responses": (
        responses,
        {"input": "hi", "text": {"format": {"type": "json_schema", "schema": {}}}},
        {Need.SCHEMA},
    ),
    "free JSON is no schema": (chat, ASK | {"response_format": {"type": "json_object"}}, set()),
    "an effort": (chat, ASK | {"reasoning_effort": "high"}, {Need.REASONING}),
    "no effort": (responses, {"input": "hi", "reasoning": {"effort": "none"}}, set()),
    "thinking": (anthropic, ASK | {"thinking": {"type": "enabled", "budget_tokens": 2000}}, {Need.REASONING}),
    "no thinking": (anthropic, ASK | {"thinking": {"type": "disabled"}}, set()),
    "temperature": (chat, ASK | {"temperature": 0}, {Need.SAMPLING}),
    "a prefilled answer": (
        anthropic,
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]},
        {Need.PREFILL},
    ),
    "n, logprobs, seed": (
        chat,
        ASK | {"n": 2, "logprobs": True, "seed": 7},
        {Need.CHOICES, Need.LOGPROBS, Need.SEED},
    ),
    "one choice": (chat, ASK | {"n": 1, "logprobs": False}, set()),
    "the provider's search": (
        responses,
        {"input": "hi", "tools": [{"type": "web_search"}]},
        {Need.WEB_SEARCH},
    ),
    "the provider's other tools": (
        responses,
        {"input": "hi", "tools": [{"type": "code_interpreter"}]},
        {Need.SERVER_TOOLS},
    ),
    "Gemini's settings": (
        gemini,
        {
            "contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}],
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            "generationConfig": {
                "temperature": 1,
                "responseSchema": {"type": "object"},
                "maxOutputTokens": 99,
            },
        },
        {Need.TOOLS, Need.TOOL_CHOICE, Need.VISION, Need.SAMPLING, Need.SCHEMA},
    ),
    "strange values": (
        chat,
        ASK | {"n": "two", "tools": ["x", 3], "response_format": [], "seed": None},
        set(),
    ),
}


@pytest.mark.parametrize(("read", "body", "needs"), REQUESTS.values(), ids=REQUESTS)
def test_what_a_request_needs(read, body, needs):
    prompt = read(json.loads(json.dumps({"model": "m"} | body)))
    assert envelope_of([(prompt, Reply())]).needs == needs


@given(st.binary(max_size=60), st.sampled_from([b"", b'{"tools":', b'{"role":"assistant","content":']))
def test_any_bytes_are_taken_for_a_message(content, start):
    envelope_of([(Prompt(messages=(start + content, content)), Reply())])


def test_a_message_that_is_nested_too_deeply_says_nothing():
    deep = b'{"tools":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    assert envelope_of([(Prompt(messages=(deep,)), Reply())]).needs == frozenset()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("tool_choice", "toolChoice", "toolConfig", "response_format", "text", "thinking", "reasoning", "n"),
        *("thinkingConfig", "generationConfig", "max_tokens", "logprobs", "output_config", "functions"),
    ]
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_parameters_of_any_shape_are_taken(parameters):
    assert envelope_of([(Prompt(parameters=parameters), Reply())]).output_limit_max >= 0


def test_two_tool_calls_in_one_reply_are_parallel():
    reply = Reply(
        tool_calls=(ToolCall(id="a", name="f", arguments=""), ToolCall(id="b", name="f", arguments=""))
    )
    assert envelope_of([(Prompt(), reply)]).needs == {Need.TOOLS, Need.PARALLEL_TOOLS}


def test_the_largest_limit_that_was_asked_for():
    prompts = [Prompt(parameters={"max_tokens": 100}), Prompt(parameters={"max_completion_tokens": 900})]
    assert envelope_of([(each, Reply()) for each in prompts]).output_limit_max == 900


def model_of(**facts):
    return Model(provider="p", id="m", clauses=(), **facts)


def known(**more):
    return model_of(input_tokens_max=100_000, output_tokens_max=8_000, **more)


LONG = Envelope(sampled=1, input_tokens_max=80_000, output_tokens_max=1_000)
FITS = {
    "all of it is known": (LONG, known(), SAME, (), ()),
    "nothing is known": (LONG, model_of(), SAME, (), ("context not known", "longest answer not known")),
    "no request was kept": (Envelope(), known(), SAME, (), ("no request was kept to look at",)),
    "too long in its own tokens": (
        LONG,
        known(),
        Ratio(1.0, 1.1, 1.3),
        ("prompts of 104,000 tokens, takes 100,000",),
        (),
    ),
    "answers too long": (
        Envelope(sampled=1, output_tokens_max=9_000),
        known(),
        SAME,
        ("answers of 9,000 tokens, gives 8,000",),
        (),
    ),
    "asked for more than it gives": (
        Envelope(sampled=1, output_limit_max=16_000),
        known(),
        SAME,
        ("asked for up to 16,000 tokens, gives 8,000",),
        (),
    ),
    "it refuses what is sent": (
        Envelope(sampled=1, needs=frozenset({Need.SAMPLING})),
        known(lacks=frozenset({"sampling_params"})),
        SAME,
        ("takes no temperature or top_p",),
        (),
    ),
    "it can": (
        Envelope(sampled=1, needs=frozenset({Need.TOOLS})),
        known(supports=frozenset({"function_calling"})),
        SAME,
        (),
        (),
    ),
    "nobody says whether it can": (
        Envelope(sampled=1, needs=frozenset({Need.SEED, Need.TOOLS})),
        known(),
        SAME,
        (),
        ("tools not known", "seed not known"),
    ),
    "it retires in a month": (
        Envelope(sampled=1),
        known(retires=date(2026, 12, 26)),
        SAME,
        ("retires on 2026-12-26",),
        (),
    ),
    "it retires in a year": (Envelope(sampled=1), known(retires=date(2027, 12, 26)), SAME, (), ()),
}


@pytest.mark.parametrize(("envelope", "model", "ratio", "against", "unknown"), FITS.values(), ids=FITS)
def test_whether_a_model_fits(envelope, model, ratio, against, unknown):
    found = fit(envelope, model, ratio, today=TODAY)
    assert (found.against, found.unknown) == (against, unknown)
    assert found.is_ruled_out == bool(against)
    assert found.is_sure == (not against and not unknown)
