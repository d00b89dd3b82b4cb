from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.swap_cost import Candidate, price, swap_cost
from analysis.token_ratio import SAME, Ratio, ratio_interval
from pricing.book import load_book
from pricing.model import Model
from pricing.rate import Rate
from pricing.usage import Usage

AT = datetime(2026, 11, 26, tzinfo=UTC)
CHAT = Usage(input_text=2_000, output_text=500)
AGENT = Usage(input_text=3_000, cache_read=60_000, output_text=350)


def listed(book, provider, name):
    model = book.find(provider, name).models[0]
    return Candidate(provider=provider, dialect="d", model=model, rate=model.rate(AT))


# Percent: the same tokens, the candidate's own tokens, and those with a cache that is never hit.
MISLEADING = {
    "one tokenizer, nothing cached": (
        "claude-sonnet-4-6",
        "claude-haiku-4-5",
        CHAT,
        (-67, -67, -67),
    ),
    "one tokenizer, a cold cache doubles it": (
        "claude-sonnet-4-6",
        "claude-haiku-4-5",
        AGENT,
        (-67, -67, 101),
    ),
    "another maker counts more tokens": ("gpt-5.4", "claude-haiku-4-5", AGENT, (-61, -54, 175)),
    "an old tokenizer counts fewer": ("claude-opus-4-8", "claude-haiku-4-5", CHAT, (-80, -85, -85)),
    "a new tokenizer takes half of it back": (
        "claude-sonnet-4-6",
        "claude-sonnet-5-5",
        CHAT,
        (-33, -14, -14),
    ),
}


@pytest.mark.parametrize(("before", "after", "usage", "changes"), MISLEADING.values(), ids=MISLEADING)
def test_list_prices_mislead(before, after, usage, changes):
    book = load_book()
    own = listed(book, "openai" if before.startswith("gpt") else "anthropic", before)
    candidate = listed(book, "anthropic", after)
    paid = price(usage, own.rate)
    same = swap_cost(usage, candidate, SAME)
    counted = swap_cost(usage, candidate, ratio_interval(before, after))
    percents = [round(100 * (cost / paid - 1)) for cost in (same.mid, counted.mid, counted.cold)]
    assert percents == pytest.approx(list(changes), abs=1)


def test_a_price_that_looks_lower_can_be_higher():
    book = load_book()
    usage = Usage(input_text=3_000, output_text=300)
    paid = price(usage, listed(book, "openai", "gpt-4o").rate)
    sonnet = listed(book, "anthropic", "claude-sonnet-5-5")
    assert price(usage, sonnet.rate) / paid - 1 == pytest.approx(-0.14, abs=0.01)
    assert swap_cost(usage, sonnet, ratio_interval("gpt-4o", "claude-sonnet-5-5")).mid > 1.3 * paid


def candidate(*, cache_min=None, over=(), **picousd):
    rates = {"input_text": 1_000_000, "output_text": 5_000_000} | picousd
    rate = Rate(provider="p", model="m", recorded=date(2026, 1, 1), source="t", picousd=rates, over=over)
    model = Model(provider="p", id="m", clauses=(), cache_tokens_min=cache_min, rates=(rate,))
    return Candidate(provider="p", dialect="d", model=model, rate=rate)


CACHED = Usage(input_text=1_000, cache_read=2_000)
# nanodollars: $1 per million tokens of input is 1,000 per token
CACHES = {
    "a prefix over the minimum is read from the cache": (
        candidate(cache_min=2_000, cache_read=100_000),
        1_200_000,
    ),
    "a shorter one is input": (candidate(cache_min=4_096, cache_read=100_000), 3_000_000),
    "nobody says the minimum": (candidate(cache_read=100_000), 1_200_000),
    "no price for a cache": (candidate(), 3_000_000),
}


@pytest.mark.parametrize(("there", "cost"), CACHES.values(), ids=CACHES)
def test_a_cache_is_looked_at_again(there, cost):
    found = swap_cost(CACHED, there, SAME)
    assert found.mid == cost
    assert found.cold == 3_000_000


def test_the_minimum_counts_the_candidates_own_tokens():
    there = candidate(cache_min=2_500, cache_read=100_000)
    assert swap_cost(CACHED, there, SAME).mid == 3_000_000
    assert swap_cost(CACHED, there, Ratio(1.5, 1.5, 1.5)).mid == 1_800_000


def test_a_step_of_the_price_is_judged_by_the_candidates_own_tokens():
    there = candidate(over=((100_000, {"input_text": 5_000_000}),))
    usage = Usage(input_text=90_000)
    assert swap_cost(usage, there, Ratio(1.0, 1.2, 1.3)).low == 90_000_000
    assert swap_cost(usage, there, Ratio(1.0, 1.2, 1.3)).mid == 108_000 * 5_000


def test_what_the_row_does_not_price_has_no_cost():
    assert swap_cost(Usage(input_audio=10), candidate(), SAME) is None


TOKENS = st.integers(0, 2_000_000)
USAGES = st.builds(
    Usage, input_text=TOKENS, cache_read=TOKENS, cache_write_5m=TOKENS, output_text=TOKENS, reasoning=TOKENS
)
RATIOS = st.lists(st.floats(0.4, 2.5), min_size=3, max_size=3).map(lambda each: Ratio(*sorted(each)))


@given(USAGES, RATIOS, st.integers(0, 10_000_000), st.sampled_from([None, 512, 4096]))
def test_no_cost_is_negative_the_range_holds_its_middle_and_cold_is_never_cheaper(usage, ratio, read, least):
    found = swap_cost(usage, candidate(cache_min=least, cache_read=read), ratio)
    assert 0 <= found.low <= found.mid <= found.high
    assert found.cold >= found.mid
