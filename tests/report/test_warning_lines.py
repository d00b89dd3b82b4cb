"""Early warnings in words and as JSON."""

from __future__ import annotations

import json
from datetime import date

import pytest

from analysis.budget_eta import BudgetEta, BudgetOf
from analysis.context_eta import ContextEta
from analysis.limit_eta import LimitEta
from analysis.retirement import Retirement
from analysis.step_growth import Grown, StepGrowth
from arc_proxy.report.warning_lines import warning_json, warning_words
from arc_proxy.report.warning_model import AnyWarning

S = 10**9
HOUR_NS = 3600 * S
USD = 10**9


def context(turns_left: int, *, reserved: int = 0, run_id: str = "r-1") -> ContextEta:
    return ContextEta(
        run_id=run_id,
        model="gpt-4o",
        window=128_000,
        reserved=reserved,
        input_tokens=100_000,
        growth=7000,
        turns_left=turns_left,
        turn_ns=20 * S,
    )


def limit(
    used: float | None, empty_s: float | None, resets_s: float | None, *, model: str | None = "gpt-5"
) -> LimitEta:
    return LimitEta(
        provider="anthropic",
        model=model,
        name="tokens" if model else "5h window",
        used=used,
        empty_in_ns=None if empty_s is None else round(empty_s * S),
        resets_in_ns=None if resets_s is None else round(resets_s * S),
    )


def budget(
    of: BudgetOf, spent: float, spent_in_ns: int | None, *, subject: str = "", is_lower_bound: bool = False
) -> BudgetEta:
    return BudgetEta(
        of=of,
        subject=subject,
        budget=5 * USD,
        spent=round(spent * USD),
        is_lower_bound=is_lower_bound,
        spent_in_ns=spent_in_ns,
    )


def growth(grown: Grown, *, is_uncached: bool) -> StepGrowth:
    return StepGrowth(
        runs=20,
        runs_growing=18,
        steps=20,
        early=2_000_000,
        late=8_500_000,
        above_share=0.6,
        grown=grown,
        is_uncached=is_uncached,
    )


WORDS: dict[str, tuple[AnyWarning, str]] = {
    "turns left": (
        context(4),
        "context window of gpt-4o (128k) full in about 4 turns (run r-1, +7.0k a turn)",
    ),
    "none left, and room for the answer": (
        context(0, reserved=16_000),
        (
            "context window of gpt-4o (128k, 16.0k of it for the answer) full with the next turn "
            "(run r-1, +7.0k a turn)"
        ),
    ),
    "names are hostile": (
        context(1, run_id="a\x1b[31mb\nc"),
        "context window of gpt-4o (128k) full in about 1 turn (run ab c, +7.0k a turn)",
    ),
    "a limit with a pace": (
        limit(0.9, 20, 55),
        "rate limit of gpt-5 (tokens) 90% used, at this pace used up in about 20 s (full again in 55 s)",
    ),
    "a limit with a pace, of nobody knows how much": (
        limit(None, 20, 55),
        "rate limit of gpt-5 (tokens) at this pace used up in about 20 s (full again in 55 s)",
    ),
    "a limit that is used up": (
        limit(1.0, 0, 130),
        "rate limit of gpt-5 (tokens) used up, full again in 2 m",
    ),
    "a window": (limit(0.913, None, 7300, model=None), "5h window of anthropic 91% used, full again in 2 h"),
    "a share that nobody says the end of": (limit(0.97, None, None), "rate limit of gpt-5 (tokens) 97% used"),
    "a day's budget of an agent": (
        budget(BudgetOf.AGENT, 4, 2 * HOUR_NS, subject="finance"),
        "today's budget of $5.00 for finance is 80% used, at this pace spent in about 2 h",
    ),
    "with calls of unknown cost": (
        budget(BudgetOf.DAY, 4, 2 * HOUR_NS, is_lower_bound=True),
        (
            "today's budget of $5.00 for all agents is at least 80% used, "
            "at this pace spent at the latest in about 2 h"
        ),
    ),
    "without a pace": (
        budget(BudgetOf.RUN, 4.5, None, subject="r-1"),
        "budget of $5.00 for run r-1 is 90% used",
    ),
    "it is spent, by calls that name no agent": (
        budget(BudgetOf.AGENT, 6, 0, is_lower_bound=True),
        "today's budget of $5.00 for calls that name no agent is spent (at least $6.00)",
    ),
    "a model retires": (
        Retirement(model="gpt-4o", retires=date(2026, 12, 1), days_left=5),
        "gpt-4o retires on 2026-12-01, in 5 days",
    ),
    "today": (
        Retirement(model="gpt-4o", retires=date(2026, 12, 1), days_left=0),
        "gpt-4o retires on 2026-12-01, today",
    ),
    "it has retired": (
        Retirement(model="gpt-4o", retires=date(2026, 12, 1), days_left=-1),
        "gpt-4o retired on 2026-12-01",
    ),
    "steps grow dearer": (
        growth(Grown.HISTORY, is_uncached=True),
        "a step costs 4.2x after 20 steps ($0.002 -> $0.0085): the history is re-sent uncached",
    ),
    "for a reason that a cache does not cure": (
        growth(Grown.ANSWERS, is_uncached=True),
        "a step costs 4.2x after 20 steps ($0.002 -> $0.0085): answers get longer",
    ),
    "for no one reason": (
        growth(Grown.OTHER, is_uncached=False),
        "a step costs 4.2x after 20 steps ($0.002 -> $0.0085)",
    ),
}


@pytest.mark.parametrize(("warning", "words"), WORDS.values(), ids=WORDS)
def test_words(warning: AnyWarning, words: str) -> None:
    assert warning_words(warning) == words


@pytest.mark.parametrize("warning", [warning for warning, _ in WORDS.values()], ids=WORDS)
def test_json_has_the_words_and_the_numbers(warning: AnyWarning) -> None:
    body = json.loads(json.dumps(warning_json(warning)))
    assert list(body) == ["kind", "urgency", "in_s", "text", "figures"]
    assert body["text"] == warning_words(warning)
    assert body["kind"] == warning.kind
    assert body["urgency"] in ("now", "soon", "later")
    assert body["figures"]
    assert not [name for name in body["figures"] if name.endswith(("_ns", "nanousd"))]


def test_what_numbers_are_in_json() -> None:
    assert warning_json(context(4)) == {
        "kind": "context",
        "urgency": "soon",
        "in_s": 80.0,
        "text": warning_words(context(4)),
        "figures": {
            "run_id": "r-1",
            "model": "gpt-4o",
            "window": 128_000,
            "reserved": 0,
            "input_tokens": 100_000,
            "growth": 7000,
            "turns_left": 4,
            "turn_s": 20.0,
        },
    }
    assert warning_json(budget(BudgetOf.RUN, 4.5, None, subject="r-1"))["figures"] == {
        "of": "run",
        "subject": "r-1",
        "budget_usd": "5.000000000",
        "spent_usd": "4.500000000",
        "is_lower_bound": False,
    }
