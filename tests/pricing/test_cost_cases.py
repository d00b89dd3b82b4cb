"""
What single calls cost, each worked out by hand from the published rates: units times dollars per million.

The sums are written out and not read from the book, so that a row that is wrong, a bucket that is missed and
a rule that is not applied all show.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pricing.book import PriceBook
from pricing.cost import CostGrade
from pricing.quote import quote

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

COMPUTED, PARTIAL, UNKNOWN = CostGrade.COMPUTED, CostGrade.PARTIAL, CostGrade.UNKNOWN
REPORTED = CostGrade.PROVIDER_REPORTED


def per_million(*parts: tuple[int, str]) -> int:
    """Nanodollars of so many tokens at so many dollars a million each."""
    return _whole(sum(units * Decimal(usd) * 1000 for units, usd in parts))


def usd(text: str) -> int:
    return _whole(Decimal(text) * 10**9)


def _whole(nanousd: Decimal | int) -> int:
    assert nanousd == int(nanousd), "the sums here come out in whole nanodollars"
    return int(nanousd)


def chat(prompt: int, answer: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer} | more


def ask(provider: str, model: str, usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    field = "usageMetadata" if "promptTokenCount" in usage else "usage"
    response = {field: usage} | more.pop("response", {})
    return {"provider": provider, "model": model, "response": response} | more


def gemini(prompt: int, answer: int, **more: Any) -> dict[str, Any]:
    thoughts = more.get("thoughtsTokenCount", 0)
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": answer,
        "totalTokenCount": prompt + answer + thoughts,
    } | more


def claude(prompt: int, answer: int, **more: Any) -> dict[str, Any]:
    return {"input_tokens": prompt, "output_tokens": answer} | more


def converse(prompt: int, answer: int, read: int = 0, write: int = 0) -> dict[str, Any]:
    return {
        "inputTokens": prompt,
        "outputTokens": answer,
        "totalTokens": prompt + answer + read + write,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": write,
    }


BATCH = {"context": {"endpoint": "batch"}}
HAIKU_ON_BEDROCK = "anthropic.claude-haiku-4-5-20251001-v1:0"
MULTILINGUAL_ARN = f"arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.{HAIKU_ON_BEDROCK}"
OPAQUE_ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
VERTEX_SONNET = "projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929"

# Question -> nanodollars, grade.
CASES: dict[str, tuple[dict[str, Any], int | None, CostGrade]] = {
    # --- Bedrock: a profile of a region costs a tenth more than the global one
    "a profile of the EU": (
        ask("bedrock", f"eu.{HAIKU_ON_BEDROCK}", converse(1_000, 200, read=10_000, write=2_000)),
        per_million((1_000, "1.10"), (200, "5.50"), (10_000, "0.11"), (2_000, "1.375")),
        COMPUTED,
    ),
    "the global profile": (
        ask("bedrock", f"global.{HAIKU_ON_BEDROCK}", converse(1_000, 200, read=10_000, write=2_000)),
        per_million((1_000, "1.00"), (200, "5.00"), (10_000, "0.10"), (2_000, "1.25")),
        COMPUTED,
    ),
    "a profile by its ARN": (
        ask("bedrock", MULTILINGUAL_ARN, converse(1_000, 200)),
        per_million((1_000, "1.10"), (200, "5.50")),
        COMPUTED,
    ),
    "an ARN that hides its model": (ask("bedrock", OPAQUE_ARN, converse(1_000, 200)), None, UNKNOWN),
    "cache writes of an hour on Converse": (
        ask(
            "bedrock",
            f"global.{HAIKU_ON_BEDROCK}",
            converse(100, 10, write=3_000) | {"cacheDetails": [{"ttl": "1h", "inputTokens": 1_000}]},
        ),
        per_million((100, "1.00"), (10, "5.00"), (2_000, "1.25"), (1_000, "2.00")),
        COMPUTED,
    ),
    # --- Vertex AI: names with a date, and endpoints of a region
    "a name with a date behind an @": (
        ask("vertex", "claude-sonnet-4-5@20250929", claude(1_000, 100)),
        per_million((1_000, "3.00"), (100, "15.00")),
        COMPUTED,
    ),
    "a model's whole path": (
        ask("vertex", VERTEX_SONNET, claude(1_000, 100)),
        per_million((1_000, "3.00"), (100, "15.00")),
        COMPUTED,
    ),
    "an endpoint of a region": (
        ask("vertex", VERTEX_SONNET, claude(1_000, 100), context={"region": "us-east5"}),
        per_million((1_000, "3.30"), (100, "16.50")),
        COMPUTED,
    ),
    "the global endpoint": (
        ask("vertex", "claude-sonnet-4-5@20250929", claude(1_000, 100), context={"region": "global"}),
        per_million((1_000, "3.00"), (100, "15.00")),
        COMPUTED,
    ),
    "a region adds nothing to models before Sonnet 4.5": (
        ask("vertex", "claude-opus-4-1@20250805", claude(1_000, 100), context={"region": "us-east5"}),
        per_million((1_000, "15.00"), (100, "75.00")),
        COMPUTED,
    ),
    # --- Azure
    "a data zone of the EU": (
        ask("azure", "gpt-5.4", chat(10_000, 1_000), context={"region": "eu"}),
        per_million((10_000, "2.75"), (1_000, "16.50")),
        COMPUTED,
    ),
    "Azure's own spelling": (
        ask("azure", "gpt-35-turbo", chat(10_000, 1_000)),
        per_million((10_000, "0.50"), (1_000, "1.50")),
        COMPUTED,
    ),
    "a deployment that nobody has named": (ask("azure", "my-deployment", chat(10, 1)), None, UNKNOWN),
    # --- regions of the makers
    "OpenAI's host of the EU": (
        ask("openai", "gpt-5.4", chat(10_000, 1_000), context={"region": "eu"}),
        per_million((10_000, "2.75"), (1_000, "16.50")),
        COMPUTED,
    ),
    "Claude kept in the US": (
        ask("anthropic", "claude-opus-4-6", claude(10_000, 1_000, inference_geo="us")),
        per_million((10_000, "5.50"), (1_000, "27.50")),
        COMPUTED,
    ),
    "a search costs the same in the US": (
        ask(
            "anthropic",
            "claude-opus-4-6",
            claude(10_000, 1_000, inference_geo="us", server_tool_use={"web_search_requests": 3}),
        ),
        per_million((10_000, "5.50"), (1_000, "27.50")) + usd("0.03"),
        COMPUTED,
    ),
    # --- fine-tuned models
    "a fine-tuned model": (
        ask(
            "openai",
            "ft:gpt-4o-mini-2024-07-18:acme::abc123",
            chat(10_000, 500, prompt_tokens_details={"cached_tokens": 4_000}),
        ),
        per_million((6_000, "0.30"), (4_000, "0.15"), (500, "1.20")),
        COMPUTED,
    ),
    "a fine-tuned model of a later base": (
        ask("openai", "ft:gpt-4.1-2025-04-14:acme::abc123", chat(10_000, 500)),
        per_million((10_000, "3.00"), (500, "12.00")),
        COMPUTED,
    ),
    "a fine-tuned model in a batch": (
        ask("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123", chat(10_000, 500), **BATCH),
        per_million((10_000, "0.15"), (500, "0.60")),
        COMPUTED,
    ),
    "a fine-tuned model does not cost what its base does": (
        ask("openai", "ft:gpt-5:acme::abc123", chat(10_000, 500)),
        None,
        UNKNOWN,
    ),
    # --- what is free, and what only looks so
    "a free variant says so itself": (
        ask("openrouter", "deepseek/deepseek-r1:free", chat(500, 100, cost=0, is_byok=False)),
        0,
        REPORTED,
    ),
    "a free variant that says nothing is unknown, and never the paid one": (
        ask("openrouter", "meta-llama/llama-3.3-70b-instruct:free", chat(500, 100)),
        None,
        UNKNOWN,
    ),
    # --- batches
    "a batch of OpenAI's with cached tokens": (
        ask(
            "openai",
            "gpt-5-mini",
            chat(10_000, 500, prompt_tokens_details={"cached_tokens": 8_000}),
            response={"service_tier": "default"},
            **BATCH,
        ),
        per_million((2_000, "0.125"), (8_000, "0.0125"), (500, "1.00")),
        COMPUTED,
    ),
    "a batch of Anthropic's with both caches, and a search at its full fee": (
        ask(
            "anthropic",
            "claude-haiku-4-5",
            claude(
                1_000,
                200,
                service_tier="batch",
                cache_read_input_tokens=10_000,
                cache_creation_input_tokens=3_000,
                cache_creation={"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000},
                server_tool_use={"web_search_requests": 1},
            ),
        ),
        per_million((1_000, "0.50"), (200, "2.50"), (10_000, "0.05"), (2_000, "0.625"), (1_000, "1.00"))
        + usd("0.01"),
        COMPUTED,
    ),
    "a batch of Google's: the cache is not halved": (
        ask("google", "gemini-2.5-pro", gemini(10_000, 100, cachedContentTokenCount=4_000), **BATCH),
        per_million((6_000, "0.625"), (4_000, "0.125"), (100, "5.00")),
        COMPUTED,
    ),
    "a batch of Google's, long": (
        ask("google", "gemini-2.5-pro", gemini(250_000, 1_000), **BATCH),
        per_million((250_000, "1.25"), (1_000, "7.50")),
        COMPUTED,
    ),
    "a batch of Mistral's": (
        ask("mistral", "mistral-small-latest", chat(10_000, 1_000), **BATCH),
        per_million((10_000, "0.075"), (1_000, "0.30")),
        COMPUTED,
    ),
    "a batch of Groq's": (
        ask("groq", "openai/gpt-oss-120b", chat(10_000, 1_000), **BATCH),
        per_million((10_000, "0.075"), (1_000, "0.30")),
        COMPUTED,
    ),
    "a batch of xAI's: a fifth off": (
        ask("xai", "grok-4.3", chat(10_000, 1_000), **BATCH),
        per_million((10_000, "1.00"), (1_000, "2.00")),
        COMPUTED,
    ),
    "a batch where nobody publishes a price": (
        ask("groq", "llama-3.3-70b-versatile", chat(10_000, 1_000), **BATCH),
        None,
        UNKNOWN,
    ),
    # --- tiers
    "flex of OpenAI's": (
        ask("openai", "o3", chat(10_000, 1_000), response={"service_tier": "flex"}),
        per_million((10_000, "1.00"), (1_000, "4.00")),
        COMPUTED,
    ),
    "priority of OpenAI's": (
        ask("openai", "gpt-5-mini", chat(10_000, 1_000), response={"service_tier": "priority"}),
        per_million((10_000, "0.45"), (1_000, "3.60")),
        COMPUTED,
    ),
    "flex of Google's: thoughts cost what output does there": (
        ask(
            "google",
            "gemini-2.5-flash",
            gemini(10_000, 100, thoughtsTokenCount=900, serviceTier="flex"),
        ),
        per_million((10_000, "0.15"), (1_000, "1.25")),
        COMPUTED,
    ),
    "priority of Google's: thoughts cost what output does there": (
        ask(
            "google",
            "gemini-2.5-flash",
            gemini(10_000, 100, thoughtsTokenCount=900, serviceTier="priority"),
        ),
        per_million((10_000, "0.54"), (1_000, "4.50")),
        COMPUTED,
    ),
    "a fast Opus": (
        ask("anthropic", "claude-opus-4-8", claude(10_000, 1_000, speed="fast")),
        per_million((10_000, "10.00"), (1_000, "50.00")),
        COMPUTED,
    ),
    # --- steps, caches, steps of a call
    "an hour's cache above the step": (
        ask(
            "anthropic",
            "claude-haiku-5-5",
            claude(
                90_000,
                500,
                cache_creation_input_tokens=20_000,
                cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20_000},
            ),
        ),
        per_million((90_000, "0.50"), (20_000, "1.00"), (500, "2.50")),
        COMPUTED,
    ),
    "the same below it": (
        ask(
            "anthropic",
            "claude-haiku-5-5",
            claude(
                80_000,
                500,
                cache_creation_input_tokens=20_000,
                cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20_000},
            ),
        ),
        per_million((80_000, "0.10"), (20_000, "0.20"), (500, "0.50")),
        COMPUTED,
    ),
    "xAI's step begins at its threshold": (
        ask("xai", "grok-4.3", chat(200_000, 1_000)),
        per_million((200_000, "2.50"), (1_000, "5.00")),
        COMPUTED,
    ),
    "a step that was taken away again": (
        ask("anthropic", "claude-opus-4-6", claude(300_000, 1_000), at="2026-02-20T12:00:00Z"),
        per_million((300_000, "10.00"), (1_000, "37.50")),
        COMPUTED,
    ),
    "a compaction is billed beside what the top says": (
        ask(
            "anthropic",
            "claude-opus-4-6",
            claude(
                20_000,
                1_000,
                iterations=[
                    {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                    {"type": "message", "input_tokens": 20_000, "output_tokens": 1_000},
                ],
            ),
        ),
        per_million((180_000, "5.00"), (3_500, "25.00"), (20_000, "5.00"), (1_000, "25.00")),
        COMPUTED,
    ),
    "an advisor is billed as the model that it is": (
        ask(
            "anthropic",
            "claude-haiku-4-5",
            claude(
                2_000,
                300,
                iterations=[
                    {"type": "message", "input_tokens": 2_000, "output_tokens": 300},
                    {
                        "type": "advisor_message",
                        "model": "claude-opus-4-8",
                        "input_tokens": 4_000,
                        "output_tokens": 500,
                    },
                ],
            ),
        ),
        per_million((2_000, "1.00"), (300, "5.00"), (4_000, "5.00"), (500, "25.00")),
        COMPUTED,
    ),
    # --- searches
    "two searches of OpenAI's": (
        ask(
            "openai",
            "gpt-5",
            {"input_tokens": 8_000, "output_tokens": 500, "total_tokens": 8_500},
            api="responses",
            response={
                "output": [
                    {"type": "web_search_call", "action": {"type": "search"}},
                    {"type": "web_search_call", "action": {"type": "search"}},
                ]
            },
        ),
        per_million((8_000, "1.25"), (500, "10.00")) + usd("0.02"),
        COMPUTED,
    ),
    "a search in files": (
        ask(
            "openai",
            "gpt-5",
            {"input_tokens": 8_000, "output_tokens": 500, "total_tokens": 8_500},
            api="responses",
            response={"output": [{"type": "file_search_call"}]},
        ),
        per_million((8_000, "1.25"), (500, "10.00")) + usd("0.0025"),
        COMPUTED,
    ),
    # --- sound
    "sound in and out of a chat": (
        ask(
            "openai",
            "gpt-4o-audio-preview",
            chat(
                1_200,
                400,
                prompt_tokens_details={"audio_tokens": 1_000, "text_tokens": 200, "cached_tokens": 0},
                completion_tokens_details={"audio_tokens": 300, "text_tokens": 100},
            ),
        ),
        per_million((200, "2.50"), (1_000, "40.00"), (100, "10.00"), (300, "80.00")),
        COMPUTED,
    ),
    "sound into Gemini, in a batch": (
        ask(
            "google",
            "gemini-2.5-flash",
            gemini(
                3_000,
                100,
                promptTokensDetails=[
                    {"modality": "TEXT", "tokenCount": 1_000},
                    {"modality": "AUDIO", "tokenCount": 2_000},
                ],
            ),
            **BATCH,
        ),
        per_million((1_000, "0.15"), (2_000, "0.50"), (100, "1.25")),
        COMPUTED,
    ),
    "sound without a price of its own is at least text": (
        ask("openai", "gpt-4.1", chat(1_000, 0, prompt_tokens_details={"audio_tokens": 400})),
        per_million((1_000, "2.00")),
        PARTIAL,
    ),
    # --- hours
    "DeepSeek off peak, on a Sunday": (
        ask(
            "deepseek",
            "deepseek-v4-flash",
            chat(10_000, 1_000, prompt_cache_hit_tokens=8_000, prompt_cache_miss_tokens=2_000),
            at="2026-11-22T02:00:00Z",
        ),
        per_million((8_000, "0.003"), (2_000, "0.15"), (1_000, "0.60")),
        COMPUTED,
    ),
    "DeepSeek at its second peak": (
        ask(
            "deepseek",
            "deepseek-v4-flash",
            chat(10_000, 1_000, prompt_cache_hit_tokens=8_000, prompt_cache_miss_tokens=2_000),
            at="2026-11-23T06:00:00Z",
        ),
        per_million((8_000, "0.006"), (2_000, "0.30"), (1_000, "1.20")),
        COMPUTED,
    ),
    "DeepSeek the minute its peak is over": (
        ask("deepseek", "deepseek-v4-flash", chat(10_000, 1_000), at="2026-11-23T10:00:00Z"),
        per_million((10_000, "0.15"), (1_000, "0.60")),
        COMPUTED,
    ),
    # --- what providers say themselves
    "OpenRouter's fee and the upstream's bill to one's own key": (
        ask(
            "openrouter",
            "openai/gpt-4o",
            chat(1_000, 100, cost=0.000175, is_byok=True, cost_details={"upstream_inference_cost": 0.0035}),
        ),
        usd("0.003675"),
        REPORTED,
    ),
    "one's own key, and nobody says what the upstream billed": (
        ask("openrouter", "openai/gpt-4o", chat(1_000, 100, cost=0.000175, is_byok=True)),
        usd("0.000175"),
        PARTIAL,
    ),
    "without one's own key the upstream's part is inside": (
        ask(
            "openrouter",
            "openai/gpt-4o",
            chat(1_000, 100, cost=0.0035, is_byok=False, cost_details={"upstream_inference_cost": 0.0035}),
        ),
        usd("0.0035"),
        REPORTED,
    ),
    "xAI's ticks": (
        ask("xai", "grok-4.3", chat(1_000, 100, cost_in_usd_ticks=15_000_000)),
        usd("0.0015"),
        REPORTED,
    ),
    "Perplexity's sum with its fee per request": (
        ask(
            "perplexity",
            "sonar-pro",
            chat(
                100,
                200,
                search_context_size="low",
                cost={
                    "input_tokens_cost": 0.0003,
                    "output_tokens_cost": 0.003,
                    "request_cost": 0.006,
                    "total_cost": 0.0093,
                },
            ),
        ),
        usd("0.0093"),
        REPORTED,
    ),
    "Perplexity's fee where it says no sum": (
        ask("perplexity", "sonar", chat(1_000, 500, search_context_size="high")),
        per_million((1_000, "1.00"), (500, "1.00")) + usd("0.012"),
        COMPUTED,
    ),
}


@pytest.mark.parametrize(("question", "nanousd", "grade"), CASES.values(), ids=CASES)
def test_a_call_costs_what_the_price_page_says(
    book: PriceBook, question: dict[str, Any], nanousd: int | None, grade: CostGrade
) -> None:
    cost = quote(book, question, now=NOW).cost
    assert (cost.nanousd, cost.grade) == (nanousd, grade), cost.reason or cost.notes
