from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.book import PriceBook, load_book
from pricing.cost import Cost, CostGrade, price_call
from pricing.lines import nanousd
from pricing.usage import TOKEN_BUCKETS, Usage, UsageGrade, normalise_usage

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PLAIN = Usage(input_text=2_000, cache_read=8_000, output_text=500, reasoning=400)


def priced(
    book: PriceBook, usage: Usage = PLAIN, grade: UsageGrade = UsageGrade.REPORTED, **asked: Any
) -> Cost:
    asked = {"provider": "openai", "model": "gpt-5-2025-08-07", "at": AT} | asked
    return price_call(book, usage, grade, **asked)


def test_a_plain_call_shows_every_line_with_its_row(book: PriceBook) -> None:
    cost = priced(book)
    assert [(line.bucket, line.units, line.rate_picousd) for line in cost.lines] == [
        ("input_text", 2_000, 1_250_000),
        ("cache_read", 8_000, 125_000),
        ("output_text", 500, 10_000_000),
    ]
    assert (cost.nanousd, cost.grade, cost.reason) == (8_500_000, CostGrade.COMPUTED, "")
    assert cost.table_version == book.version
    row = book.row(cost.rate_id or "")
    assert row is not None
    assert row.model == "gpt-5"
    assert all(line.rate_id == row.id for line in cost.lines)


# Keyword arguments of price_call -> nanodollars, grade, a part of the reason.
CASES: dict[str, tuple[dict[str, Any], int | None, CostGrade, str]] = {
    "flex as the response says": ({"service_tier": "flex"}, 4_250_000, CostGrade.COMPUTED, ""),
    "priority": ({"service_tier": "priority"}, 17_000_000, CostGrade.COMPUTED, ""),
    "default is the standard price": ({"service_tier": "default"}, 8_500_000, CostGrade.COMPUTED, ""),
    "auto says nothing": ({"service_tier": "auto"}, 8_500_000, CostGrade.COMPUTED, ""),
    "a batch is known from its endpoint": (
        {"service_tier": "default", "endpoint": "batch"},
        4_250_000,
        CostGrade.COMPUTED,
        "",
    ),
    "an unheard-of tier has no price": (
        {"service_tier": "glacial"},
        None,
        CostGrade.UNKNOWN,
        "tier glacial",
    ),
    "flex without a row is not the standard price": (
        {"service_tier": "flex", "model": "gpt-4o"},
        None,
        CostGrade.UNKNOWN,
        "tier flex of gpt-4o",
    ),
    "priority without a row costs at least the standard price": (
        {"service_tier": "priority", "model": "gpt-4", "usage": Usage(input_text=1_000)},
        30_000_000,
        CostGrade.PARTIAL,
        "tier priority of gpt-4",
    ),
    "Anthropic's commitments have no list price": (
        {"provider": "anthropic", "model": "claude-sonnet-4-6", "raw_usage": {"service_tier": "priority"}},
        None,
        CostGrade.UNKNOWN,
        "tier priority",
    ),
    "an unknown model": ({"model": "gpt-99"}, None, CostGrade.UNKNOWN, "no price for gpt-99 of openai"),
    "an unknown provider": ({"provider": "acme"}, None, CostGrade.UNKNOWN, "of acme"),
    "no model": ({"model": None}, None, CostGrade.UNKNOWN, "names no model"),
    "the request's model where the response's is unknown": (
        {"model": "weird-internal-name", "model_requested": "gpt-5"},
        8_500_000,
        CostGrade.COMPUTED,
        "",
    ),
    "no usage": ({"grade": UsageGrade.NONE, "usage": Usage()}, None, CostGrade.UNKNOWN, "about usage"),
    "a cut stream is a lower bound": (
        {"grade": UsageGrade.PARTIAL},
        8_500_000,
        CostGrade.PARTIAL,
        "usage is incomplete",
    ),
    "a part of nothing is not a price of nothing": (
        {"grade": UsageGrade.PARTIAL, "usage": Usage()},
        None,
        CostGrade.UNKNOWN,
        "usage is incomplete",
    ),
    "tokens that we counted": (
        {"grade": UsageGrade.ESTIMATED},
        8_500_000,
        CostGrade.ESTIMATED,
        "counted by arc-proxy",
    ),
    "a refused call costs nothing, which is known": (
        {"billed": False, "model": "gpt-99"},
        0,
        CostGrade.COMPUTED,
        "not billed",
    ),
    "a subscription": ({"subscription": True}, 8_500_000, CostGrade.API_EQUIVALENT, "subscription"),
    "a tool without a price": (
        {"usage": Usage(input_text=1_000, tool_units={"code_interpreter": 1})},
        1_250_000,
        CostGrade.PARTIAL,
        "tool:code_interpreter",
    ),
    "a web search costs a fee": (
        {"usage": Usage(input_text=1_000, tool_units={"web_search": 2})},
        21_250_000,
        CostGrade.COMPUTED,
        "",
    ),
    "cached tokens without a price of their own are input": (
        {"model": "gpt-4", "usage": Usage(cache_read=1_000)},
        30_000_000,
        CostGrade.COMPUTED,
        "",
    ),
    "audio without a price is at least text": (
        {"usage": Usage(input_audio=1_000)},
        1_250_000,
        CostGrade.PARTIAL,
        "input_audio",
    ),
    "embeddings": (
        {"model": "text-embedding-3-small", "usage": Usage(input_text=8)},
        160,
        CostGrade.COMPUTED,
        "",
    ),
    "inference kept in a region costs a tenth more, tools aside": (
        {
            "provider": "anthropic",
            "model": "claude-sonnet-4-6",
            "usage": Usage(input_text=1_000, tool_units={"web_search": 1}),
            "raw_usage": {"inference_geo": "us"},
        },
        13_300_000,
        CostGrade.COMPUTED,
        "",
    ),
    "anywhere costs nothing more": (
        {
            "provider": "anthropic",
            "model": "claude-sonnet-4-6",
            "usage": Usage(input_text=1_000),
            "raw_usage": {"inference_geo": "global"},
        },
        3_000_000,
        CostGrade.COMPUTED,
        "",
    ),
    "OpenAI's European host": (
        {"model": "gpt-5.4", "usage": Usage(input_text=1_000), "region": "eu"},
        2_750_000,
        CostGrade.COMPUTED,
        "",
    ),
    "Anthropic's batch tier": (
        {
            "provider": "anthropic",
            "model": "claude-sonnet-4-6",
            "usage": Usage(input_text=1_000),
            "raw_usage": {"service_tier": "batch"},
        },
        1_500_000,
        CostGrade.COMPUTED,
        "",
    ),
    "off the peak at the weekend": (
        {
            "provider": "deepseek",
            "model": "deepseek-v4-flash",
            "usage": Usage(input_text=1_000),
            "at": datetime(2026, 11, 22, 2, tzinfo=UTC),
        },
        150_000,
        CostGrade.COMPUTED,
        "",
    ),
    "the last moment of the old price": (
        {
            "model": "gpt-5.6-sol",
            "usage": Usage(input_text=1_000),
            "at": datetime(2026, 8, 20, 23, 59, 59, tzinfo=UTC),
        },
        5_000_000,
        CostGrade.COMPUTED,
        "",
    ),
    "the first moment of the new price": (
        {"model": "gpt-5.6-sol", "usage": Usage(input_text=1_000), "at": datetime(2026, 8, 21, tzinfo=UTC)},
        4_000_000,
        CostGrade.COMPUTED,
        "",
    ),
    "at the cliff": (
        {"model": "gpt-5.4", "usage": Usage(input_text=1_000, cache_read=271_000)},
        70_250_000,
        CostGrade.COMPUTED,
        "",
    ),
    "past the cliff the whole request costs more, by input with the cache": (
        {"model": "gpt-5.4", "usage": Usage(input_text=1_001, cache_read=271_000)},
        140_505_000,
        CostGrade.COMPUTED,
        "",
    ),
}


@pytest.mark.parametrize(("asked", "expected", "grade", "reason"), CASES.values(), ids=CASES)
def test_prices(
    book: PriceBook, asked: dict[str, Any], expected: int | None, grade: CostGrade, reason: str
) -> None:
    cost = priced(book, **asked)
    assert (cost.nanousd, cost.grade) == (expected, grade), cost.reason
    assert reason in cost.reason
    assert (cost.reason == "") == (grade is CostGrade.COMPUTED and not reason)


REPORTED: dict[str, tuple[str, dict[str, Any], int, CostGrade]] = {
    "OpenRouter": ("openrouter", {"cost": 3.75e-05, "is_byok": False}, 37_500, CostGrade.PROVIDER_REPORTED),
    "OpenRouter's upstream cost is inside its own": (
        "openrouter",
        {"cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}},
        500_000_000,
        CostGrade.PROVIDER_REPORTED,
    ),
    "OpenRouter with the caller's key": (
        "openrouter",
        {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0360795}},
        36_079_500,
        CostGrade.PROVIDER_REPORTED,
    ),
    "OpenRouter with the caller's key and an unknown upstream cost": (
        "openrouter",
        {"cost": 0.001, "is_byok": True, "cost_details": None},
        1_000_000,
        CostGrade.PARTIAL,
    ),
    "OpenRouter behind another base URL": (
        "anthropic",
        {"cost": 0.000112, "is_byok": False},
        112_000,
        CostGrade.PROVIDER_REPORTED,
    ),
    "xAI's ticks": ("xai", {"cost_in_usd_ticks": 232_856_000}, 23_285_600, CostGrade.PROVIDER_REPORTED),
    "Perplexity": (
        "perplexity",
        {"cost": {"total_cost": 0.00512, "request_cost": 0.005}},
        5_120_000,
        CostGrade.PROVIDER_REPORTED,
    ),
    "DeepInfra": ("deepinfra", {"estimated_cost": 0.000002}, 2_000, CostGrade.PROVIDER_REPORTED),
}


@pytest.mark.parametrize(("provider", "raw", "expected", "grade"), REPORTED.values(), ids=REPORTED)
def test_what_the_provider_reports_wins(
    book: PriceBook, provider: str, raw: dict[str, Any], expected: int, grade: CostGrade
) -> None:
    cost = priced(book, provider=provider, raw_usage=raw)
    assert (cost.nanousd, cost.grade) == (expected, grade)
    assert [line.bucket for line in cost.lines] == ["provider"]


BESIDE = {
    "what the book says too": (0.0025, None),
    "rounded by less than a hundredth": (0.002520, None),
    "rounded to a millionth of a dollar": (0.002501, None),
    "dearer": (0.0030, 2_500_000),
    "cheaper": (0.0020, 2_500_000),
    "for nothing": (0, 2_500_000),
}


@pytest.mark.parametrize(("said", "ours"), BESIDE.values(), ids=BESIDE)
def test_what_the_provider_reports_is_held_against_the_book(
    book: PriceBook, said: float, ours: int | None
) -> None:
    raw = {"cost": said, "is_byok": False}
    cost = priced(book, model="gpt-5.4", usage=Usage(input_text=1_000), raw_usage=raw)
    assert (cost.nanousd, cost.disputed_nanousd) == (round(said * 10**9), ours)
    assert list(cost.notes) == (["by the price book it would be $0.0025"] if ours else [])


def test_an_amount_of_a_model_that_the_book_does_not_know_stands_alone(book: PriceBook) -> None:
    raw = {"cost": 0.1, "is_byok": False}
    cost = priced(book, model="nobody-knows", usage=Usage(input_text=1_000), raw_usage=raw)
    assert (cost.nanousd, cost.disputed_nanousd, cost.reason) == (100_000_000, None, "")


@pytest.mark.parametrize(
    "raw", [{"cost": -1, "is_byok": False}, {"cost": "free"}, {"cost": 0.1}, {"cost": []}]
)
def test_what_is_no_amount_is_not_taken_for_one(book: PriceBook, raw: dict[str, Any]) -> None:
    assert priced(book, raw_usage=raw).grade is CostGrade.COMPUTED


def test_a_snapshot_that_the_book_has_not_seen_is_priced_and_noted(book: PriceBook) -> None:
    cost = priced(book, model="gpt-5.4-2027-01-31", usage=Usage(input_text=1_000))
    assert (cost.nanousd, cost.grade) == (2_500_000, CostGrade.COMPUTED)
    assert "gpt-5.4-2027-01-31" in cost.notes[0]


def test_a_disputed_price_shows_the_spread(book: PriceBook) -> None:
    usage = Usage(input_text=1_000_000)
    cost = priced(book, provider="google", model="gemini-2.0-flash", usage=usage)
    assert (cost.nanousd, cost.disputed_nanousd) == (100_000_000, 150_000_000)
    assert "disagree" in cost.notes[0]
    assert cost.grade is CostGrade.COMPUTED


def test_each_step_of_a_call_is_priced_at_its_own_length_and_model(book: PriceBook) -> None:
    raw = {
        "input_tokens": 60_000,
        "output_tokens": 0,
        "iterations": [
            {"type": "compaction", "input_tokens": 90_000, "output_tokens": 0},
            {"type": "message", "input_tokens": 60_000, "output_tokens": 0},
            {
                "type": "advisor_message",
                "model": "claude-opus-5",
                "input_tokens": 1_000,
                "output_tokens": 0,
            },
        ],
    }
    usage, grade = normalise_usage(raw, dialect="anthropic.messages", provider="anthropic")
    cost = priced(book, usage, grade, provider="anthropic", model="claude-haiku-5-5", raw_usage=raw)
    # No step is past the cliff at 100,000, though together they are.
    assert [(line.units, line.rate_picousd) for line in cost.lines] == [
        (90_000, 100_000),
        (60_000, 100_000),
        (1_000, 5_000_000),
    ]
    assert cost.nanousd == 20_000_000


def test_an_advisor_without_a_price_leaves_a_part(book: PriceBook) -> None:
    raw = {
        "iterations": [
            {"type": "message", "input_tokens": 1_000, "output_tokens": 0},
            {"type": "advisor_message", "model": "claude-zero", "input_tokens": 9, "output_tokens": 9},
        ]
    }
    usage, grade = normalise_usage(raw, dialect="anthropic.messages", provider="anthropic")
    cost = priced(book, usage, grade, provider="anthropic", model="claude-haiku-4-5", raw_usage=raw)
    assert (cost.nanousd, cost.grade) == (1_000_000, CostGrade.PARTIAL)
    assert "claude-zero" in cost.reason


@pytest.mark.parametrize(
    ("picousd", "rounded"),
    [(0, 0), (499, 0), (500, 0), (501, 1), (1_499, 1), (1_500, 2), (2_500, 2), (-500, 0), (-1_500, -2)],
)
def test_rounds_half_to_even(picousd: int, rounded: int) -> None:
    assert nanousd(picousd) == rounded


# --- properties

TOKENS = st.integers(min_value=0, max_value=10**6)
USAGES = st.builds(
    Usage, **dict.fromkeys(TOKEN_BUCKETS, TOKENS), tool_units=st.just({}) | st.just({"web_search": 3})
)
MODELS = [
    ("openai", "gpt-5"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-audio"),
    ("openai", "o1-pro"),
    ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("xai", "grok-4.3"),
    ("deepseek", "deepseek-v4-flash"),
    ("bedrock", "us.anthropic.claude-sonnet-4-6"),
    ("azure", "gpt-4o"),
]
TIERS = [None, "flex", "priority", "batch"]
SHIPPED = load_book()


@given(USAGES, st.sampled_from(MODELS), st.sampled_from(TIERS), st.sampled_from([None, "us", "eu"]))
def test_the_lines_sum_to_the_cost(
    usage: Usage, named: tuple[str, str], tier: str | None, region: str | None
) -> None:
    provider, model = named
    cost = priced(SHIPPED, usage, provider=provider, model=model, service_tier=tier, region=region)
    if cost.nanousd is None:
        assert cost.grade is CostGrade.UNKNOWN
        assert not cost.lines
        assert cost.reason
        return
    assert cost.nanousd == nanousd(sum(line.picousd for line in cost.lines))
    tokens = {line.bucket: line.units for line in cost.lines}
    if cost.grade is CostGrade.COMPUTED:
        billed = sum(tokens.get(bucket, 0) for bucket in (*TOKEN_BUCKETS, "reasoning"))
        assert billed == usage.input_tokens + usage.output_tokens


@given(USAGES, st.sampled_from(TOKEN_BUCKETS), TOKENS, st.sampled_from(MODELS))
def test_more_tokens_never_cost_less(usage: Usage, bucket: str, more: int, named: tuple[str, str]) -> None:
    provider, model = named
    fewer = priced(SHIPPED, usage, provider=provider, model=model).nanousd
    larger = usage + Usage(**{bucket: more})
    assert fewer is not None
    assert (priced(SHIPPED, larger, provider=provider, model=model).nanousd or 0) >= fewer


RAW_FIELDS = [
    "cost", "is_byok", "cost_details", "upstream_inference_cost", "total_cost", "service_tier",
    "cost_in_usd_ticks", "estimated_cost", "speed", "inference_geo", "iterations", "billed_units",
]  # fmt: skip
RAW = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(RAW_FIELDS), inner | st.lists(inner, max_size=2), max_size=6
    ),
    max_leaves=10,
)


@given(
    USAGES,
    st.sampled_from(list(UsageGrade)),
    st.text(max_size=20),
    st.text(max_size=40),
    st.datetimes(),
    st.none() | st.text(max_size=50),
    RAW,
)
def test_never_raises(
    usage: Usage,
    grade: UsageGrade,
    provider: str,
    model: str,
    at: datetime,
    tier: str | None,
    raw: object,
) -> None:
    for named in ((provider, model), ("openai", model), ("openai", "gpt-5")):
        cost = priced(
            SHIPPED,
            usage,
            grade,
            provider=named[0],
            model=named[1],
            at=at,
            service_tier=tier,
            raw_usage=raw,
        )
        assert (cost.nanousd is None) == (cost.grade is CostGrade.UNKNOWN)
        assert cost.nanousd is None or 0 <= cost.nanousd < 2**63


def test_a_model_priced_by_the_name_that_was_asked_for_says_so(book: PriceBook) -> None:
    cost = price_call(
        book,
        Usage(input_text=1000),
        UsageGrade.REPORTED,
        provider="openai",
        model="weird-internal-name",
        model_requested="gpt-5",
        at=datetime(2026, 11, 22, tzinfo=UTC),
    )
    assert cost.notes[0] == "priced as gpt-5, which was asked for: no price for weird-internal-name of openai"


CACHED_SOUND = {
    "costs what cached text does": ("gpt-realtime", CostGrade.COMPUTED),
    "costs more than cached text": ("gpt-realtime-mini", CostGrade.PARTIAL),
}


@pytest.mark.parametrize(("model", "grade"), CACHED_SOUND.values(), ids=CACHED_SOUND)
def test_cached_sound(model: str, grade: CostGrade) -> None:
    """The book has one price for what was cached, that of text."""
    raw = {
        "input_tokens": 300,
        "output_tokens": 0,
        "input_token_details": {
            "audio_tokens": 300,
            "cached_tokens": 100,
            "cached_tokens_details": {"audio_tokens": 100},
        },
    }
    usage, usage_grade = normalise_usage(raw, dialect="openai.realtime", provider="openai")
    at = datetime(2026, 11, 26, tzinfo=UTC)
    cost = price_call(load_book(), usage, usage_grade, provider="openai", model=model, at=at, raw_usage=raw)
    assert cost.grade is grade
    assert ("cached audio" in cost.reason) is (grade is CostGrade.PARTIAL)
