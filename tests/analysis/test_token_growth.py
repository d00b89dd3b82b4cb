"""Runs whose input grows, and growth that is no trouble."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.earlier import EarlierRun
from analysis.failure import Failure, FailureCode
from analysis.issue_facts import facts_of
from analysis.run_failure import run_failures
from arc_proxy.call import Call
from pricing.cost import Cost, CostGrade
from pricing.usage import Usage, UsageGrade
from tests.analysis.talk import result, run_of, says, user

GROWS = [10_000, 25_000, 40_000, 55_000, 70_000]
PRICED = {"cost": Cost(nanousd=10**9, grade=CostGrade.COMPUTED)}


def run(sizes: list[int], **more: Any) -> list[Call]:
    """A run whose requests have so many tokens."""
    talk = [user("?")]
    for number in range(len(sizes) - 1):
        talk += [says(None, (f"c{number}", "read_page", f'{{"n":{number}}}')), result(f"c{number}", "x" * 9)]
    told = {"usage_grade": UsageGrade.REPORTED} | more
    calls = run_of(*talk, says("It is 7."))
    return [
        replace(each, usage=Usage(input_text=size), **told) for each, size in zip(calls, sizes, strict=True)
    ]


def usual(
    count: int = 20, *, steps: int = 20, cost: int | None = 10**8, tokens: int = 30_000
) -> list[EarlierRun]:
    return [EarlierRun(steps=steps, input_tokens=tokens, cost_nanousd=cost, asks=())] * count


def growth(
    calls: list[Call], earlier: list[EarlierRun] | None = None, *, window: int | None = 100_000
) -> list[Failure]:
    found = run_failures(
        calls,
        is_over=True,
        earlier_runs=lambda: usual() if earlier is None else earlier,
        window_of=lambda _: window,
    )
    return [each for each in found if each.code is FailureCode.TOKEN_GROWTH]


def test_a_prompt_that_will_be_too_long_before_the_run_is_done():
    calls = run(GROWS)
    [failure] = growth(calls)
    assert failure.evidence == (
        "input grew by 15,000 tokens a call to 70,000 of 100,000: full after 2 more; this is call 5, and "
        "95 of 100 runs take up to 20"
    )
    assert (failure.call_id, failure.cause) == (calls[-1].call_id, "towards the end of the context window")
    facts = facts_of(failure, calls)
    names = ("tokens_per_step", "prompt_tokens", "window", "largest_tool")
    assert [facts[name] for name in names] == ["15000", "70000", "100000", "read_page"]


QUIET = {
    "half of the window is free": (run([10_000, 20_000, 30_000, 40_000]), None, 100_000),
    "runs are done before": (run(GROWS), usual(steps=7), 100_000),
    "too few runs to say": (run(GROWS), usual(19), 100_000),
    "a window that nobody knows": (run(GROWS), None, None),
    "a window that is larger than was said": (run(GROWS), None, 60_000),
    "tokens that were counted here": (run(GROWS, usage_grade=UsageGrade.ESTIMATED), None, 100_000),
    "too few steps": (run(GROWS[-3:]), None, 100_000),
    "the agent made room": (run([10_000, 40_000, 70_000, 20_000, 60_000]), None, 100_000),
    "it does not grow": (run([70_000] * 6), None, 100_000),
    "a larger window was asked for": (
        run(GROWS, request_headers=(("anthropic-beta", "context-1m-2025-08-07"),)), None, 100_000,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("calls", "earlier", "window"), QUIET.values(), ids=QUIET)
def test_growth_that_is_no_trouble_or_not_known_to_be(calls, earlier, window):
    assert growth(calls, earlier, window=window) == []


SHORTENING = {"truncation": "auto", "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}


@pytest.mark.parametrize(("name", "value"), SHORTENING.items())
def test_a_history_that_the_provider_shortens_has_no_end(name, value):
    calls = [replace(each, prompt=replace(each.prompt, parameters={name: value})) for each in run(GROWS)]
    assert growth(calls) == []


def test_of_several_conversations_each_takes_its_share_of_the_steps():
    """Five steps of ten are of another one, so that this one takes half of what is to come."""
    ten = [
        *run(GROWS),
        *(
            replace(
                each,
                call_id=f"b{n}",
                prompt=replace(
                    each.prompt, messages=(b'{"content":"b","role":"user"}', *each.prompt.messages[1:])
                ),
            )
            for n, each in enumerate(run([1_000] * 5))
        ),
    ]
    assert growth(ten, usual(steps=20)) != []
    assert growth(ten, usual(steps=13)) == []


DEAR = run([1_000, 20_000, 40_000, 60_000], **PRICED)


def test_a_run_that_costs_more_than_all_others_and_reads_more():
    [failure] = growth(DEAR, usual(100, steps=4), window=None)
    assert failure.cause == "and the run costs far more than the others"
    assert "the run cost $4.000, 40 times the median of the 100 before it" in failure.evidence


CHEAP_ENOUGH = {
    "too few runs to say": (DEAR, usual(99, steps=4)),
    "others cost as much": (DEAR, [*usual(98, steps=4), *usual(2, cost=5 * 10**9)]),
    "it reads no more than others, so it is the price or a cold cache": (DEAR, usual(100, tokens=500_000)),
    "twice the median is one in a hundred": (DEAR, usual(100, cost=2 * 10**9)),
    "costs that are not known": (DEAR, usual(100, cost=None)),
    "a cost of its own that is not known": (
        [*DEAR[:3], replace(DEAR[3], cost=Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no price"))],
        usual(100, steps=4),
    ),
    "a subscription": (
        [replace(each, cost=Cost(nanousd=10**9, grade=CostGrade.API_EQUIVALENT)) for each in DEAR],
        usual(100, steps=4),
    ),
    "its input did not double": (run([50_000, 55_000, 60_000, 65_000], **PRICED), usual(100, steps=4)),
}


@pytest.mark.parametrize(("calls", "earlier"), CHEAP_ENOUGH.values(), ids=CHEAP_ENOUGH)
def test_a_price_alone_is_no_trouble(calls, earlier):
    assert growth(calls, earlier, window=None) == []
