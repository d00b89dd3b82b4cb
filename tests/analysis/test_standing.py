"""Whether an issue is new, back or rising, and with which version it began."""

from __future__ import annotations

from math import comb
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.effect import Share
from analysis.standing import DAY_NS, Change, History, chance_of_so_many, standing

NOW_NS = 1_800_000_000 * 10**9
HOUR_NS = 3600 * 10**9
NONE = Share(0, 0)


def history(**known: Any) -> History:
    whole = {"began_ns": NOW_NS - 20 * DAY_NS, "recent": NONE, "before": NONE, "versions_before": [None] * 50}
    return History(**(whole | known))


def share(recent: tuple[int, int], before: tuple[int, int]) -> History:
    return history(recent=Share(*recent), before=Share(*before))


CASES = {
    "there for weeks": (history(), None),
    "first seen an hour ago": (history(began_ns=NOW_NS - HOUR_NS), Change.NEW),
    "first seen a day ago": (history(began_ns=NOW_NS - DAY_NS), None),
    "first seen with the agent": (history(began_ns=NOW_NS - HOUR_NS, versions_before=[]), None),
    "first seen after two runs": (history(began_ns=NOW_NS - HOUR_NS, versions_before=[None] * 2), None),
    "away for a week, and the agent ran": (history(absent_days=7, absent_runs=5), Change.BACK),
    "away for six days": (history(absent_days=6, absent_runs=100), None),
    "away for a month, as the agent was": (history(absent_days=30, absent_runs=4), None),
    "three times as often": (share((12, 40), (28, 280)), Change.RISING),
    "twice as often, of twice as many runs": (share((20, 200), (70, 700)), None),
    "as often, of fewer runs": (share((5, 10), (70, 140)), None),
    "more often, which may be chance": (share((6, 40), (28, 280)), None),
    "never in the week before": (share((5, 40), (0, 280)), Change.RISING),
    "twice, and never in the week before": (share((2, 4), (0, 4000)), None),
    "nothing to compare with": (share((9, 9), (0, 0)), None),
    "rarer": (share((0, 100), (70, 700)), None),
    "many runs": (share((30_000, 1_000_000), (140_000, 7_000_000)), Change.RISING),
}


@pytest.mark.parametrize(("known", "change"), CASES.values(), ids=CASES)
def test_an_issue_is(known: History, change: Change | None) -> None:
    assert standing(known, NOW_NS).change is change


# The version of the run that showed it, those of the runs before -> what it began with.
VERSIONS = {
    "the first run of a version": ("2.1", ["2.0"] * 20, "2.1"),
    "an early run of a version": ("2.1", ["2.1"] * 4 + ["2.0"] * 20, "2.1"),
    "the version ran well for long": ("2.1", ["2.1"] * 20 + ["2.0"] * 20, None),
    "the version never changed": ("2.1", ["2.1"] * 50, None),
    "earlier runs named none": ("2.1", [None] * 20, "2.1"),
    "one earlier run": ("2.1", ["2.0"], None),
    "the first run of all": ("2.1", [], None),
    "no version is named": (None, ["2.0"] * 20, None),
}


@pytest.mark.parametrize(("version", "before", "began_with"), VERSIONS.values(), ids=VERSIONS)
def test_an_issue_began_with(version: str | None, before: list[str | None], began_with: str | None) -> None:
    assert standing(history(version=version, versions_before=before), NOW_NS).version == began_with


@given(st.integers(0, 30), st.integers(1, 50), st.integers(0, 30), st.integers(1, 50))
def test_the_chance_is_the_binomial_one(having: int, more: int, having_before: int, more_before: int) -> None:
    recent, before = Share(having, having + more), Share(having_before, having_before + more_before)
    part, together = recent.runs / (recent.runs + before.runs), having + having_before
    exact = sum(
        comb(together, number) * part**number * (1 - part) ** (together - number)
        for number in range(having, together + 1)
    )
    assert chance_of_so_many(before, recent) == pytest.approx(exact, abs=1e-9)
