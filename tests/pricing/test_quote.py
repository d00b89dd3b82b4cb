from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pricing.book import PriceBook
from pricing.cost import CostGrade
from pricing.explain import explain
from pricing.money import usd_text
from pricing.quote import QuestionError, quote

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PLAIN: dict[str, Any] = {
    "id": "a",
    "provider": "openai",
    "api": "responses",
    "model": "gpt-5",
    "at": "2026-11-22T12:00:00Z",
    "response": {
        "model": "gpt-5-2025-08-07",
        "usage": {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100},
        "output": [
            {"type": "web_search_call", "action": {"type": "search"}},
            {"type": "web_search_call", "action": {"type": "open_page"}},
            {"type": "message"},
        ],
    },
}


@pytest.mark.corpus
def test_every_cost_fixture_is_exact(shared: Path, book: PriceBook) -> None:
    fixtures = json.loads((shared / "pricing" / "cost_fixtures.json").read_text())
    got = {each["id"]: quote(book, each, now=NOW).cost for each in fixtures}
    for each in fixtures:
        picousd = each["expected_picodollars"]
        expected = None if picousd is None else picousd // 1000
        cost = got[each["id"]]
        assert (cost.nanousd, cost.grade.value) == (expected, each["grade"]), (each["id"], cost.reason)
    assert len(got) == 19


def test_a_search_is_billed_and_an_opened_page_is_not(book: PriceBook) -> None:
    answer = quote(book, PLAIN, now=NOW)
    assert answer.id == "a"
    assert answer.usage.tool_units == {"web_search": 1}
    assert answer.cost.nanousd == 1_250_000 + 1_000_000 + 10_000_000


def test_a_stream_is_the_last_thing_it_said_of_each_field(book: PriceBook) -> None:
    events = [
        {
            "type": "message_start",
            "message": {
                "model": "claude-sonnet-4-6",
                "usage": {
                    "input_tokens": 10,
                    "cache_creation_input_tokens": 400,
                    "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 0},
                    "output_tokens": 1,
                },
            },
        },
        {"type": "ping"},
        {
            "type": "message_delta",
            "usage": {
                "input_tokens": None,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 400},
                "output_tokens": 657,
            },
        },
    ]
    answer = quote(
        book, {"provider": "anthropic", "api": "messages.sse", "at": None, "response": events}, now=NOW
    )
    assert (answer.usage.input_text, answer.usage.cache_write_1h, answer.usage.output_text) == (10, 400, 657)
    assert answer.cost.grade is CostGrade.COMPUTED


def test_a_responses_stream_says_it_inside_its_last_event(book: PriceBook) -> None:
    events = [
        {"type": "response.created", "response": {"model": "gpt-5", "service_tier": "auto", "usage": None}},
        {
            "type": "response.completed",
            "response": {"service_tier": "flex", "usage": {"input_tokens": 1_000, "output_tokens": 0}},
        },
    ]
    answer = quote(book, {"provider": "openai", "api": "responses", "response": events}, now=NOW)
    assert answer.cost.nanousd == 625_000


def test_a_question_without_usage_is_unknown_and_never_nothing(book: PriceBook) -> None:
    answer = quote(book, {"provider": "openai", "model": "gpt-5"}, now=NOW)
    assert (answer.cost.nanousd, answer.cost.grade) == (None, CostGrade.UNKNOWN)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ([], "JSON object"),
        ({}, "provider"),
        ({"provider": 3}, "provider"),
        (PLAIN | {"at": "yesterday"}, "at: "),
        (PLAIN | {"at": 5}, "at: "),
    ],
)
def test_refuses_what_is_no_question(book: PriceBook, question: object, said: str) -> None:
    with pytest.raises(QuestionError, match=said):
        quote(book, question, now=NOW)


def test_every_line_can_be_checked_against_a_page(book: PriceBook) -> None:
    cost = quote(book, PLAIN | {"context": {"region": "eu"}, "model": None} | _at("gpt-5.4"), now=NOW).cost
    lines = explain(book, cost)
    assert [(line.bucket, line.units, line.rate_usd, line.per, line.amount_usd) for line in lines] == [
        ("input_text", 1_000, "2.50", "million tokens", "0.0025"),
        ("output_text", 100, "15.00", "million tokens", "0.0015"),
        ("tool:web_search", 1, "10.00", "thousand uses", "0.01"),
        ("uplift:eu", 1, "", "", "0.0004"),
    ]
    assert {line.rate_id for line in lines} == {cost.rate_id}
    assert all(line.source.startswith("genai-prices") and line.url.startswith("https://") for line in lines)


def _at(model: str) -> dict[str, Any]:
    return {"response": PLAIN["response"] | {"model": model}}


def test_a_providers_own_amount_is_explained_by_its_fields(book: PriceBook) -> None:
    asked = {"provider": "xai", "model": "grok-4.3", "response": {"usage": {"cost_in_usd_ticks": 10**9}}}
    (line,) = explain(book, quote(book, asked, now=NOW).cost)
    assert (line.amount_usd, line.rate_id, line.rate_usd) == ("0.10", "usage.cost_in_usd_ticks", "")


@pytest.mark.parametrize(
    ("picousd", "text"),
    [
        (0, "0.00"),
        (1, "0.000000000001"),
        (10**12, "1.00"),
        (1_250_000 * 10**6, "1.25"),
        (37_500_000, "0.0000375"),
        (-625 * 10**9, "-0.625"),
    ],
)
def test_amounts_are_exact_text(picousd: int, text: str) -> None:
    assert usd_text(picousd) == text
