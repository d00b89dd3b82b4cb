from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.advice import NO_SAVING, DaySample, ModelUse, options_for
from analysis.envelope import Envelope, Need
from analysis.savings import ModelSpend
from analysis.swap_cost import Candidate
from pricing.model import Model
from pricing.rate import Rate
from pricing.usage import Usage

TODAY = date(2026, 11, 26)
CALL = Usage(input_text=1_000, output_text=100)
CALL_NANOUSD = 15_000_000  # at $10 and $50 per million


def rate(name, usd_per_million, **more):
    picousd = {"input_text": usd_per_million * 1_000_000, "output_text": 5_000_000 * usd_per_million}
    return Rate(provider="p", model=name, recorded=date(2026, 1, 1), source="t", picousd=picousd | more)


def candidate(name, usd_per_million, *, dialect="openai.chat", **facts):
    row = rate(name, usd_per_million)
    facts = {"input_tokens_max": 128_000, "output_tokens_max": 8_000} | facts
    model = Model(provider="p", id=name, clauses=(), rates=(row,), **facts)
    return Candidate(provider="p", dialect=dialect, model=model, rate=row)


def use_of(days, *, envelope=None, sampled=True):
    """Days by their calls, each call like CALL."""
    total = sum(days)
    usage = Usage(input_text=1_000 * total, output_text=100 * total)
    return ModelUse(
        spent=ModelSpend(
            provider="p",
            dialect="openai.chat",
            model="gpt-5.4",
            calls=total,
            usage=usage,
            nanousd=total * CALL_NANOUSD,
        ),
        name="gpt-5.4",
        rate=rate("gpt-5.4", 10),
        days=tuple(
            DaySample(
                nanousd=calls * CALL_NANOUSD, calls=calls, usages=(CALL,) * min(calls, 3) if sampled else ()
            )
            for calls in days
        ),
        envelope=envelope or Envelope(sampled=3, input_tokens_max=1_000, output_tokens_max=100),
    )


ENOUGH = [40, 0, 40, 40]

THRESHOLDS = {
    "one call short": ([40, 40, 19], 1, 0),
    "one day short": ([100, 100], 0, 1),
    "both": ([5], 95, 2),
    "just enough": ([40, 40, 20], 0, 0),
    "quiet days are no days with calls": ([60, 0, 60], 0, 1),
}


@pytest.mark.parametrize(("days", "calls_missing", "days_missing"), THRESHOLDS.values(), ids=THRESHOLDS)
def test_what_is_missing_for_advice(days, calls_missing, days_missing):
    use = use_of(days)
    assert (use.calls_missing, use.days_missing) == (calls_missing, days_missing)
    [option] = options_for(use, [candidate("gpt-5-mini", 3)], today=TODAY)
    assert option.price_change == pytest.approx(-0.7)
    assert option.is_advice == (not calls_missing and not days_missing)
    assert option.is_price_only == (not option.is_advice)


def test_a_month_worked_out():
    """120 calls of $0.015 on four days are $0.45 a day and $13.50 a month; at 30 % of the price $4.05."""
    [option] = options_for(use_of(ENOUGH), [candidate("gpt-5-mini", 3)], today=TODAY)
    found = option.projection
    assert (found.days, found.before, found.after) == (4, 13_500_000_000, 4_050_000_000)
    assert found.change_low == found.change == found.change_high == pytest.approx(-0.7)


def test_more_tokens_there_are_more_money_there():
    [option] = options_for(use_of(ENOUGH), [candidate("claude-haiku-4-5", 3)], today=TODAY)
    found = option.projection
    assert found.change == pytest.approx(0.3 * 1.18 - 1, abs=0.001)
    assert found.change_low == pytest.approx(0.3 * 1.16 - 1, abs=0.001)
    assert found.change_high == pytest.approx(0.3 * 1.30 - 1, abs=0.001)


def test_a_lower_price_that_more_tokens_eat_up_is_ruled_out():
    [option] = options_for(use_of(ENOUGH), [candidate("claude-opus-4-8", 7)], today=TODAY)
    assert option.price_change == pytest.approx(-0.3)
    assert option.change == pytest.approx(0.7 * 1.53 - 1, abs=0.001)
    assert option.fit.against == (NO_SAVING,)
    assert not option.is_advice


def test_what_an_unknown_tokenizer_would_count_is_not_guessed():
    [option] = options_for(use_of(ENOUGH), [candidate("acme-7b", 3)], today=TODAY)
    assert option.ratio is None
    assert option.projection is None
    assert option.is_price_only


def test_the_nearest_of_the_family_is_first():
    names = [
        ("acme-x", 5),
        ("gpt-nano", 1),
        ("gpt-mini", 5),
        ("gpt-large", 9),
        ("gpt-huge", 20),
        ("gpt-5.4", 1),
    ]
    found = options_for(use_of([1]), [candidate(*each) for each in names], today=TODAY)
    assert [option.candidate.name for option in found] == ["gpt-mini", "gpt-nano", "gpt-large", "acme-x"]


def test_another_dialect_needs_a_code_change_and_is_no_advice():
    elsewhere = candidate("claude-haiku-4-5", 1, dialect="anthropic.messages")
    [option] = options_for(use_of(ENOUGH), [elsewhere], today=TODAY)
    assert option.needs_code
    assert option.projection is not None
    assert not option.is_advice
    assert not option.is_price_only


def test_one_that_is_ruled_out_is_kept_with_its_reason_and_is_no_advice():
    use = use_of(ENOUGH, envelope=Envelope(needs=frozenset({Need.VISION})))
    [option] = options_for(use, [candidate("gpt-5-mini", 1, lacks=frozenset({"vision"}))], today=TODAY)
    assert option.fit.against == ("takes no pictures",)
    assert not option.is_advice
    assert not option.is_price_only


def test_days_without_a_sample_go_by_the_others_and_none_at_all_by_prices():
    use = use_of(ENOUGH, sampled=False)
    [option] = options_for(use, [candidate("gpt-5-mini", 3)], today=TODAY)
    assert option.projection is None
    assert option.is_price_only


def test_a_model_that_cost_nothing_is_compared_with_nothing():
    assert options_for(use_of([0]), [candidate("gpt-5-mini", 3)], today=TODAY) == ()


@given(st.lists(st.integers(0, 60), min_size=3, max_size=28), st.integers(1, 12))
def test_no_cost_is_negative_and_each_range_holds_its_middle(days, price):
    for option in options_for(use_of(days), [candidate("claude-haiku-5-5", price)], today=TODAY):
        found = option.projection
        if found is not None:
            assert found.after >= 0
            assert found.after <= found.before or option.fit.is_ruled_out
            assert found.change_low <= found.change <= found.change_high
            assert found.change_cold >= found.change
