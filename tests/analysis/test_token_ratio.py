from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.token_ratio import SAME, ratio_interval

NAMES = (
    "gpt-4o", "gpt-4-turbo", "gpt-6-sol", "o3", "claude-3-5-sonnet-20241022", "claude-sonnet-4-20250514",
    "claude-opus-4-8", "claude-opus-5", "claude-sonnet-5-5", "us.anthropic.claude-haiku-4-5",
    "gemini-2.5-pro", "deepseek-chat", "qwen3-32b", "mistral-large-2411", "meta-llama/llama-3.1-70b",
)  # fmt: skip

MIDS = {
    "the same model": ("gpt-5", "gpt-5", 1.0),
    "one family": ("gpt-4o", "gpt-6-sol", 1.0),
    "one tokenizer of Claude's": ("claude-sonnet-4-6", "claude-haiku-4-5", 1.0),
    "a snapshot with a date": ("claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001", 1.0),
    "a date is no minor version": ("claude-sonnet-4-20250514", "claude-haiku-4-5", 1.0),
    "OpenAI's to Claude's old one": ("gpt-5.4", "claude-haiku-4-5", 1.18),
    "OpenAI's to Claude's new one": ("gpt-4o", "claude-opus-4-8", 1.53),
    "Claude's old one to its new one": ("claude-sonnet-4-6", "claude-opus-4-7", 656 / 506),
    "Claude's new one to its old one": ("claude-opus-4-8", "claude-haiku-4-5", 506 / 656),
}


@pytest.mark.parametrize(("before", "after", "mid"), MIDS.values(), ids=MIDS)
def test_the_middle_of_the_range(before, after, mid):
    assert ratio_interval(before, after).mid == pytest.approx(mid, rel=0.005)


def test_an_undocumented_tokenizer_may_be_the_old_one_or_the_new_one():
    ratio = ratio_interval("claude-sonnet-4-6", "claude-sonnet-5-5")
    assert ratio.low == pytest.approx(1.0)
    assert ratio.high == pytest.approx(1.46)
    assert ratio_interval("claude-sonnet-5-5", "claude-haiku-5-5").low < 1


@pytest.mark.parametrize("name", ["acme-7b", "", "grok-4", "my-gpt"])
def test_a_tokenizer_that_nobody_knows_has_no_ratio(name):
    assert ratio_interval(name, "gpt-5") is None
    assert ratio_interval("gpt-5", name) is None
    assert ratio_interval(name, name) == SAME


@given(st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_the_range_contains_its_middle_and_turns_round(before, after):
    there, back = ratio_interval(before, after), ratio_interval(after, before)
    assert 0 < there.low <= there.mid <= there.high
    assert there.mid * back.mid == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1, rel=0.02)


@given(st.text(max_size=40))
def test_any_name_is_taken(name):
    ratio_interval(name, "gpt-5")
