from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import TOKEN_BUCKETS, Usage, UsageGrade, billed_parts, normalise_usage

REPORTED, PARTIAL, NONE = UsageGrade.REPORTED, UsageGrade.PARTIAL, UsageGrade.NONE

# Dialect, provider, the provider's own object, what it means, how far it can be trusted.
Case = tuple[str, str, Any, Usage, UsageGrade]
CASES: dict[str, Case] = {
    "OpenAI counts cached tokens inside the prompt and reasoning inside the answer": (
        "openai.chat",
        "openai",
        {
            "prompt_tokens": 10_000,
            "completion_tokens": 500,
            "total_tokens": 10_500,
            "prompt_tokens_details": {"cached_tokens": 8_000, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 400, "audio_tokens": 0},
        },
        Usage(input_text=2_000, cache_read=8_000, output_text=500, reasoning=400),
        REPORTED,
    ),
    "OpenAI's cache writes are inside the input too": (
        "openai.responses",
        "openai",
        {
            "input_tokens": 1_000,
            "input_tokens_details": {"cached_tokens": 600, "cache_write_tokens": 300},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 1_050,
        },
        Usage(input_text=100, cache_read=600, cache_write_5m=300, output_text=50, reasoning=20),
        REPORTED,
    ),
    "audio has buckets of its own": (
        "openai.chat",
        "openai",
        {
            "prompt_tokens": 110,
            "completion_tokens": 60,
            "prompt_tokens_details": {"audio_tokens": 100, "text_tokens": 10, "cached_tokens": 0},
            "completion_tokens_details": {"audio_tokens": 50, "text_tokens": 10},
        },
        Usage(input_text=10, input_audio=100, output_text=10, output_audio=50),
        REPORTED,
    ),
    "realtime counts what was cached in the sums of its kinds too": (
        "openai.realtime",
        "openai",
        {
            "total_tokens": 1_100,
            "input_tokens": 800,
            "output_tokens": 300,
            "input_token_details": {
                "text_tokens": 200,
                "audio_tokens": 550,
                "image_tokens": 50,
                "cached_tokens": 400,
                "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 270, "image_tokens": 30},
            },
            "output_token_details": {"text_tokens": 60, "audio_tokens": 240},
        },
        Usage(
            input_text=100, input_audio=280, input_image=20, cache_read=400, output_text=60, output_audio=240
        ),
        REPORTED,
    ),
    "realtime without details": (
        "openai.realtime",
        "openai",
        {"input_tokens": 8, "output_tokens": 3, "total_tokens": 12},
        Usage(input_text=8, output_text=3),
        PARTIAL,
    ),
    "realtime that was cut off": ("openai.realtime", "openai", {}, Usage(), NONE),
    "Gemini Live says response where others say candidates": (
        "gemini.live",
        "google",
        {
            "promptTokenCount": 100,
            "responseTokenCount": 40,
            "totalTokenCount": 150,
            "thoughtsTokenCount": 10,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}],
            "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
        },
        Usage(input_text=40, input_audio=60, output_text=10, output_audio=40, reasoning=10),
        REPORTED,
    ),
    "image models count text and image apart": (
        "openai.responses",
        "openai",
        {
            "input_tokens": 30,
            "output_tokens": 1_000,
            "total_tokens": 1_030,
            "input_tokens_details": {"image_tokens": 20, "text_tokens": 10},
            "output_tokens_details": {"image_tokens": 990, "text_tokens": 10},
        },
        Usage(input_text=10, input_image=20, output_text=10, output_image=990),
        REPORTED,
    ),
    "xAI's chat counts reasoning beside the answer, as the total shows": (
        "openai.chat",
        "xai",
        {
            "prompt_tokens": 10_120,
            "completion_tokens": 1_499,
            "total_tokens": 14_428,
            "completion_tokens_details": {"reasoning_tokens": 2_809},
            "prompt_tokens_details": {"cached_tokens": 128},
        },
        Usage(input_text=9_992, cache_read=128, output_text=4_308, reasoning=2_809),
        REPORTED,
    ),
    "xAI's Responses counts reasoning inside, as the total shows": (
        "openai.responses",
        "xai",
        {
            "input_tokens": 160,
            "input_tokens_details": {"cached_tokens": 128},
            "output_tokens": 249,
            "output_tokens_details": {"reasoning_tokens": 186},
            "total_tokens": 409,
        },
        Usage(input_text=32, cache_read=128, output_text=249, reasoning=186),
        REPORTED,
    ),
    "Mistral counts audio beside the prompt, as the total shows": (
        "openai.chat",
        "mistral",
        {
            "completion_tokens": 15,
            "prompt_tokens": 11,
            "prompt_tokens_details": {"audio_tokens": 375, "cached_tokens": 9},
            "total_tokens": 401,
        },
        Usage(input_text=2, input_audio=375, cache_read=9, output_text=15),
        REPORTED,
    ),
    "Google's OpenAI endpoint counts thoughts in the total alone": (
        "openai.chat",
        "google",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
        Usage(input_text=10, output_text=30, reasoning=25),
        REPORTED,
    ),
    "a total that nothing explains leaves the numbers as they are, as a part": (
        "openai.chat",
        "openai",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
        Usage(input_text=10, output_text=5),
        PARTIAL,
    ),
    "DeepSeek names hits and misses": (
        "openai.chat",
        "deepseek",
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 100,
            "prompt_cache_hit_tokens": 800,
            "prompt_cache_miss_tokens": 200,
            "total_tokens": 1_100,
        },
        Usage(input_text=200, cache_read=800, output_text=100),
        REPORTED,
    ),
    "Moonshot puts cached_tokens at the top": (
        "openai.chat",
        "moonshot",
        {"prompt_tokens": 100, "completion_tokens": 1, "cached_tokens": 60, "total_tokens": 101},
        Usage(input_text=40, cache_read=60, output_text=1),
        REPORTED,
    ),
    "more cached than the prompt has: never negative, and not to be trusted": (
        "openai.chat",
        "openai",
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 105,
            "prompt_tokens_details": {"cached_tokens": 900},
        },
        Usage(cache_read=100, output_text=5),
        PARTIAL,
    ),
    "cached tokens beside the prompt, as the total shows": (
        "openai.chat",
        "other",
        {
            "prompt_tokens": 100,
            "completion_tokens": 5,
            "total_tokens": 1_005,
            "prompt_tokens_details": {"cached_tokens": 900},
        },
        Usage(input_text=100, cache_read=900, output_text=5),
        REPORTED,
    ),
    "null details": (
        "openai.chat",
        "openai",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": None},
        Usage(input_text=10, output_text=5),
        REPORTED,
    ),
    "numbers in text": (
        "openai.chat",
        "other",
        {"prompt_tokens": "10", "completion_tokens": "5", "total_tokens": "15"},
        Usage(input_text=10, output_text=5),
        REPORTED,
    ),
    "true and negative numbers are no counts": (
        "openai.chat",
        "other",
        {"prompt_tokens": True, "completion_tokens": -5},
        Usage(),
        NONE,
    ),
    "the answer is what the total leaves": (
        "openai.chat",
        "other",
        {"prompt_tokens": 10, "total_tokens": 15},
        Usage(input_text=10, output_text=5),
        REPORTED,
    ),
    "only a total": ("openai.chat", "other", {"total_tokens": 15}, Usage(input_text=15), PARTIAL),
    "embeddings have an input alone": (
        "openai.embeddings",
        "openai",
        {"prompt_tokens": 8, "total_tokens": 8},
        Usage(input_text=8),
        REPORTED,
    ),
    "Anthropic counts the cache beside the input": (
        "anthropic.messages",
        "anthropic",
        {
            "input_tokens": 100,
            "cache_creation_input_tokens": 5_000,
            "cache_read_input_tokens": 20_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 1_000, "ephemeral_1h_input_tokens": 4_000},
            "output_tokens": 300,
            "service_tier": "standard",
            "server_tool_use": {"web_search_requests": 2},
        },
        Usage(
            input_text=100,
            cache_read=20_000,
            cache_write_5m=1_000,
            cache_write_1h=4_000,
            output_text=300,
            tool_units={"web_search": 2},
        ),
        REPORTED,
    ),
    "cache writes of no stated lifetime are of five minutes": (
        "anthropic.messages",
        "anthropic",
        {"input_tokens": 2, "cache_creation_input_tokens": 47_119, "output_tokens": 64},
        Usage(input_text=2, cache_write_5m=47_119, output_text=64),
        REPORTED,
    ),
    "a split that exceeds the sum of the writes is cut to it": (
        "anthropic.messages",
        "anthropic",
        {
            "input_tokens": 1,
            "cache_creation_input_tokens": 100,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 60},
            "output_tokens": 1,
        },
        Usage(input_text=1, cache_write_5m=40, cache_write_1h=60, output_text=1),
        PARTIAL,
    ),
    "thinking is inside Anthropic's output": (
        "anthropic.messages",
        "anthropic",
        {"input_tokens": 9, "output_tokens": 70, "output_tokens_details": {"thinking_tokens": 50}},
        Usage(input_text=9, output_text=70, reasoning=50),
        REPORTED,
    ),
    "only the beginning of an Anthropic stream": (
        "anthropic.messages",
        "anthropic",
        {"input_tokens": 9},
        Usage(input_text=9),
        PARTIAL,
    ),
    "a compaction is billed and missing at the top": (
        "anthropic.messages",
        "anthropic",
        {
            "input_tokens": 23_000,
            "output_tokens": 1_000,
            "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
            ],
        },
        Usage(input_text=203_000, output_text=4_500),
        REPORTED,
    ),
    "an attempt that a fallback replaced is not billed": (
        "anthropic.messages",
        "anthropic",
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "iterations": [
                {"type": "message", "model": "claude-fable-5", "input_tokens": 9, "output_tokens": 1},
                {
                    "type": "fallback_message",
                    "model": "claude-opus-5",
                    "input_tokens": 10,
                    "output_tokens": 20,
                },
            ],
        },
        Usage(input_text=10, output_text=20),
        REPORTED,
    ),
    "steps of a tool loop that do not add up yield to the top": (
        "anthropic.messages",
        "anthropic",
        {
            "input_tokens": 10,
            "output_tokens": 20,
            "iterations": [
                {"type": "message", "input_tokens": 10, "output_tokens": 5},
                {"type": "message", "input_tokens": 30, "output_tokens": 15},
            ],
        },
        Usage(input_text=10, output_text=20),
        REPORTED,
    ),
    "Gemini counts thoughts and tool prompts beside everything, cached inside": (
        "gemini.generate",
        "google",
        {
            "promptTokenCount": 1_000,
            "cachedContentTokenCount": 400,
            "toolUsePromptTokenCount": 700,
            "candidatesTokenCount": 1_000,
            "thoughtsTokenCount": 2_000,
            "totalTokenCount": 4_700,
        },
        Usage(input_text=1_300, cache_read=400, output_text=3_000, reasoning=2_000),
        REPORTED,
    ),
    "Gemini's modalities": (
        "gemini.generate",
        "google",
        {
            "promptTokenCount": 1_200,
            "candidatesTokenCount": 100,
            "totalTokenCount": 1_300,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 200},
                {"modality": "AUDIO", "tokenCount": 1_000},
                {"modality": 3, "tokenCount": 1},
                None,
            ],
        },
        Usage(input_text=200, input_audio=1_000, output_text=100),
        REPORTED,
    ),
    "Bedrock's Converse counts the cache beside the input": (
        "bedrock.converse",
        "bedrock",
        {
            "inputTokens": 100,
            "outputTokens": 50,
            "cacheReadInputTokens": 1_000,
            "cacheWriteInputTokens": 500,
            "totalTokens": 1_650,
        },
        Usage(input_text=100, cache_read=1_000, cache_write_5m=500, output_text=50),
        REPORTED,
    ),
    "Cohere": (
        "cohere.chat",
        "cohere",
        {
            "billed_units": {"input_tokens": 27, "output_tokens": 68},
            "cached_tokens": 480,
            "tokens": {"input_tokens": 556, "output_tokens": 71},
        },
        Usage(input_text=76, cache_read=480, output_text=71),
        REPORTED,
    ),
    "Ollama": (
        "ollama.chat",
        "ollama",
        {"prompt_eval_count": 20, "eval_count": 4},
        Usage(input_text=20, output_text=4),
        REPORTED,
    ),
    "an unknown dialect is read by its shape": (
        "unknown",
        "other",
        {"input_tokens": 1, "cache_read_input_tokens": 5, "output_tokens": 2},
        Usage(input_text=1, cache_read=5, output_text=2),
        REPORTED,
    ),
    "a server that speaks another dialect than it should": (
        "anthropic.messages",
        "other",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        Usage(input_text=10, output_text=5),
        REPORTED,
    ),
    "seconds of audio are no tokens": (
        "unknown",
        "openai",
        {"type": "duration", "seconds": 6},
        Usage(),
        NONE,
    ),
    "no usage": ("openai.chat", "openai", None, Usage(), NONE),
    "an empty object": ("openai.chat", "openai", {}, Usage(), NONE),
    "a list": ("openai.chat", "openai", [1], Usage(), NONE),
}


@pytest.mark.parametrize(("dialect", "provider", "raw", "usage", "grade"), CASES.values(), ids=CASES)
def test_reads(dialect: str, provider: str, raw: Any, usage: Usage, grade: UsageGrade) -> None:
    assert normalise_usage(raw, dialect=dialect, provider=provider) == (usage, grade)


def test_a_stream_cut_before_its_last_count_is_a_part() -> None:
    raw = {"input_tokens": 9, "output_tokens": 1}
    usage, grade = normalise_usage(raw, dialect="anthropic.messages", provider="anthropic", finished=False)
    assert (usage.input_text, grade) == (9, PARTIAL)
    assert normalise_usage(None, dialect="openai.chat", provider="openai", finished=False)[1] is NONE


def test_tools_that_the_provider_ran_are_counted_from_the_reply() -> None:
    usage, _ = normalise_usage(
        {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10},
        dialect="openai.responses",
        provider="openai",
        server_tools=("web_search_call", "mcp_call", "web_search_call", "file_search_call"),
    )
    assert usage.tool_units == {"web_search": 2, "file_search": 1}


def test_an_advisor_is_billed_at_its_own_model() -> None:
    raw = {
        "input_tokens": 10,
        "output_tokens": 20,
        "server_tool_use": {"web_search_requests": 1},
        "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 20},
            {
                "type": "advisor_message",
                "model": "claude-opus-5",
                "input_tokens": 5,
                "cache_read_input_tokens": 7,
                "output_tokens": 6,
            },
        ],
    }
    usage, _ = normalise_usage(raw, dialect="anthropic.messages", provider="anthropic")
    assert usage == Usage(input_text=15, cache_read=7, output_text=26, tool_units={"web_search": 1})
    own, advisor = billed_parts(raw, usage)
    assert (own.model, own.usage.tool_units) == (None, {"web_search": 1})
    assert (advisor.model, advisor.usage) == (
        "claude-opus-5",
        Usage(input_text=5, cache_read=7, output_text=6),
    )
    assert own.usage + advisor.usage == usage


def test_steps_that_are_not_the_usage_are_not_billed() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "iterations": [{"type": "compaction", "input_tokens": 9_999, "output_tokens": 1}],
    }
    usage, _ = normalise_usage(raw, dialect="openai.chat", provider="other")
    assert [part.usage for part in billed_parts(raw, usage)] == [usage]


def test_cohere_bills_less_than_it_counts() -> None:
    raw = {
        "billed_units": {"input_tokens": 27, "output_tokens": 68},
        "tokens": {"input_tokens": 556, "output_tokens": 71},
    }
    usage, _ = normalise_usage(raw, dialect="cohere.chat", provider="cohere")
    (part,) = billed_parts(raw, usage)
    assert part.usage == Usage(input_text=27, output_text=68)


# --- properties

FIELDS = [
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens",
    "prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details",
    "cached_tokens", "reasoning_tokens", "audio_tokens", "image_tokens", "cache_write_tokens",
    "prompt_cache_hit_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation",
    "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "iterations", "type", "model",
    "server_tool_use", "web_search_requests", "promptTokenCount", "candidatesTokenCount",
    "thoughtsTokenCount", "cachedContentTokenCount", "toolUsePromptTokenCount", "totalTokenCount",
    "promptTokensDetails", "modality", "tokenCount", "inputTokens", "outputTokens", "totalTokens",
    "cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails", "ttl", "billed_units", "tokens",
    "prompt_eval_count", "eval_count",
]  # fmt: skip
DIALECTS = [
    "openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages", "gemini.generate",
    "bedrock.converse", "cohere.chat", "ollama.chat", "unknown",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-5, max_value=10_000)
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["message", "compaction", "advisor_message", "fallback_message", "AUDIO", "1h", "12", ""]
    )
)
HOSTILE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8),
    max_leaves=25,
)


@given(
    HOSTILE, st.sampled_from(DIALECTS), st.sampled_from(["openai", "google", "xai", "other"]), st.booleans()
)
def test_never_raises_and_never_goes_negative(raw: Any, dialect: str, provider: str, finished: bool) -> None:
    usage, grade = normalise_usage(raw, dialect=dialect, provider=provider, finished=finished)
    parts = billed_parts(raw, usage)
    for each in (usage, *(part.usage for part in parts)):
        assert all(getattr(each, bucket) >= 0 for bucket in TOKEN_BUCKETS)
        assert each.reasoning >= 0
    assert all(units > 0 for units in usage.tool_units.values())
    if grade is NONE:
        assert usage.input_tokens == usage.output_tokens == 0


COUNT = st.integers(min_value=0, max_value=10**7)


@given(COUNT, COUNT, st.data())
def test_the_buckets_sum_to_openais_total(prompt: int, answer: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, prompt))
    written = data.draw(st.integers(0, prompt - cached))
    audio = data.draw(st.integers(0, prompt - cached - written))
    reasoning = data.draw(st.integers(0, answer))
    raw = {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": written,
            "audio_tokens": audio,
        },
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    usage, grade = normalise_usage(raw, dialect="openai.chat", provider="openai")
    assert grade is REPORTED
    assert sum(getattr(usage, bucket) for bucket in TOKEN_BUCKETS) == prompt + answer
    assert (usage.input_tokens, usage.cache_read, usage.cache_write_tokens) == (prompt, cached, written)


@given(COUNT, COUNT, st.integers(1, 10**6), COUNT)
def test_the_total_decides_where_reasoning_was_counted(
    prompt: int, answer: int, reasoning: int, provider_is_irrelevant: int
) -> None:
    raw = {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    provider = ("xai", "openai", "other")[provider_is_irrelevant % 3]
    beside, grade = normalise_usage(
        raw | {"total_tokens": prompt + answer + reasoning}, dialect="openai.chat", provider=provider
    )
    assert (beside.input_tokens, beside.output_tokens, grade) == (prompt, answer + reasoning, REPORTED)


@given(COUNT, COUNT, COUNT, COUNT, COUNT)
def test_the_buckets_sum_to_anthropics_fields(
    fresh: int, read: int, five: int, hour: int, answer: int
) -> None:
    raw = {
        "input_tokens": fresh,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": five + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
        "output_tokens": answer,
    }
    usage, grade = normalise_usage(raw, dialect="anthropic.messages", provider="anthropic")
    assert grade is REPORTED
    assert usage.input_tokens == fresh + read + five + hour
    assert (usage.cache_write_5m, usage.cache_write_1h, usage.output_tokens) == (five, hour, answer)
