"""Steps that grow dearer: found where the history is sent again uncached, and nowhere else."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from analysis.run_share import share_run
from analysis.step_growth import RUNS_MIN, Grown, RunGrowth, run_growth, step_growth
from pricing.cost import Cost, CostGrade
from tests.analysis.spending import FORMATS, Step, Talk, run_of, words

CHAT = FORMATS["OpenAI's chat"]


def talk(steps: int, *, result: int, system: int = 400) -> Talk:
    """An agent that calls one tool in each step; sizes in characters."""
    chance = random.Random(7)
    return Talk(
        system=words(chance, system),
        tools={"search": "Finds."},
        task="Find it.",
        steps=[Step("search", {"q": str(number)}, words(chance, result)) for number in range(steps)],
    )


def growth_of(steps: int, *, caches: bool, **sizes: int) -> RunGrowth | None:
    calls = run_of(talk(steps, **sizes), CHAT, caches=caches)
    return run_growth(calls, list(share_run(calls)))


def test_results_that_pile_up_uncached() -> None:
    found = growth_of(20, caches=False, result=4000)
    assert found is not None
    assert found.ratio > 5
    assert found.grown is Grown.TOOL_RESULTS
    assert found.cached == 0
    assert found.above > found.whole / 2


def test_a_cache_that_works_keeps_steps_cheap() -> None:
    uncached, cached = (growth_of(20, caches=caches, result=4000) for caches in (False, True))
    assert uncached is not None
    assert cached is not None
    assert cached.ratio < uncached.ratio / 2
    assert cached.cached > 0.8


def test_a_long_system_prompt_hides_what_little_grows() -> None:
    found = growth_of(12, caches=False, result=40, system=40_000)
    assert found is not None
    assert found.ratio < 1.1


def test_few_steps_say_nothing() -> None:
    assert growth_of(6, caches=False, result=4000) is None


def test_steps_without_a_known_cost_say_nothing() -> None:
    calls = run_of(talk(20, result=4000), CHAT, caches=False)
    unknown = [replace(each, cost=Cost(nanousd=None, grade=CostGrade.UNKNOWN)) for each in calls]
    assert run_growth(unknown, list(share_run(unknown))) is None


def test_a_cheap_model_beside_it_is_no_step_of_its() -> None:
    calls = run_of(talk(20, result=4000), CHAT, caches=False)
    beside = [
        replace(each, call_id=f"b{at}", reply=replace(each.reply, model="tiny"))
        for at, each in enumerate(calls[:4])
    ]
    mixed = [*calls, *beside]
    assert run_growth(mixed, list(share_run(mixed))) == run_growth(calls, list(share_run(calls)))


def run(**fields: Any) -> RunGrowth:
    whole = {"steps": 20, "early": 100, "late": 400, "whole": 5000, "above": 3000, "cached": 0.0}
    return RunGrowth(**(whole | {"grown": Grown.HISTORY} | fields))


FLAT = run(late=120, above=100)
CASES: dict[str, tuple[list[RunGrowth], bool]] = {
    "in all of them": ([run()] * RUNS_MIN, True),
    "in most of them": ([run(), FLAT, run(), FLAT, run()], True),
    "in half of them": ([run(), FLAT, run(), FLAT], False),
    "in too few to tell": ([run()] * (RUNS_MIN - 1), False),
    "at a price that does not matter": ([run(above=100)] * 5, False),
    "in none": ([FLAT] * 5, False),
    "the latest count": ([FLAT] * 20 + [run()] * 80, False),
    "of no run": ([], False),
}


@pytest.mark.parametrize(("runs", "is_said"), CASES.values(), ids=CASES)
def test_it_is_said_of_an_agent(runs: list[RunGrowth], is_said: bool) -> None:
    found = step_growth(runs)
    assert (found is not None) == is_said
    if found is not None:
        assert (found.ratio, found.grown, found.is_uncached) == (4, Grown.HISTORY, True)
