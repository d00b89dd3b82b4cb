"""
Runs whose input grows: towards the end of the context window, or to a price that no other run has. Pure.

What a run still has before it is told by the agent's own runs: as many steps as 95 of 100 of them take.
Nothing is claimed where the window is not known, where the provider or the agent shortens the history by
itself, or where tokens were counted here. A price alone proves nothing, as a cold cache or a dearer model
doubles it: the tokens have to stand out too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from analysis.context_eta import has_own_window
from analysis.conversation import Conversation
from analysis.earlier import EarlierRun, EarlierRuns, steps_of
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode
from arc_proxy.call import Call, Kind
from pricing.cost import CostGrade
from pricing.money import NANO_PER_USD
from pricing.usage import UsageGrade

STEPS_MIN = 4
STEPS_MAX = 8  # the latest, that the growth is told by
FULL_MIN = 0.5  # of the window: before that there is time to look
BUDGET_RUNS_MIN = 20
COST_RUNS_MIN = 100  # without as many, there is no 99th percentile
COST_RATIO_MIN = 3.0  # to the median: one run in a hundred is above the percentile, whatever agents do
GROWN_MIN = 2.0

WINDOW = "towards the end of the context window"
COST = "and the run costs far more than the others"
_KNOWN = (CostGrade.COMPUTED, CostGrade.PROVIDER_REPORTED)
_NUMBERS = re.compile(r"input grew by ([\d,]+) tokens a call to ([\d,]+)(?: of ([\d,]+))?")

WindowOf = Callable[[Call], int | None]


def no_window(_call: Call) -> int | None:
    return None


def token_growth(
    calls: Sequence[Call], talks: Sequence[Conversation], earlier_runs: EarlierRuns, window_of: WindowOf
) -> Iterator[Failure]:
    """Each of the two at most once. `calls`: all of the run, `talks`: its conversations."""
    growing = [(sizes, len(talk.turns)) for talk in talks if (sizes := _growing(talk))]
    if not growing:
        return
    largest, turns = max(growing, key=lambda each: each[0][-1][1])
    steps = steps_of([call for call in calls if call.kind is Kind.GENERATION])
    yield from _towards_window(largest, steps, turns / steps, earlier_runs, window_of)
    if largest[-1][1] >= GROWN_MIN * largest[0][1]:
        yield from _beyond_price(largest, calls, earlier_runs)


_Sizes = list[tuple[Call, int]]  # calls of one conversation with their input tokens, growing


def _growing(talk: Conversation) -> _Sizes:
    """The last steps of a conversation, as far back as each was larger than the one before; [] if too few."""
    sizes: _Sizes = []
    for turn in reversed(talk.turns):
        call = turn.call
        if call.attempt_of is not None or call.usage_grade is not UsageGrade.REPORTED:
            continue
        if sizes and call.usage.input_tokens >= sizes[-1][1]:
            break
        sizes.append((call, call.usage.input_tokens))
    return sizes[::-1] if len(sizes) >= STEPS_MIN else []


def _per_step(sizes: _Sizes) -> float:
    latest = sizes[-STEPS_MAX:]
    return (latest[-1][1] - latest[0][1]) / (len(latest) - 1)


def _towards_window(
    sizes: _Sizes, steps: int, share: float, earlier_runs: EarlierRuns, window_of: WindowOf
) -> Iterator[Failure]:
    """`share`: of the run's steps, those of this conversation; others may take as many of what is to come."""
    last, tokens = sizes[-1]
    is_open = not has_own_window(last.prompt.parameters, last.request_headers)
    window = window_of(last) if is_open else None
    if window is None or not FULL_MIN * window <= tokens <= window:
        return
    budget = _usual_steps(earlier_runs())
    per_step = _per_step(sizes)
    left = (window - tokens) / per_step
    if budget is None or left >= (budget - steps) * min(share, 1):
        return
    yield _failure(
        last,
        f"{_grew(per_step, tokens)} of {window:,}: full after {left:.0f} more; this is call {steps}, and "
        f"95 of 100 runs take up to {budget}",
        WINDOW,
    )


def _usual_steps(earlier: Sequence[EarlierRun]) -> int | None:
    """What 95 of 100 runs take at most; None where there are too few to say."""
    if len(earlier) < BUDGET_RUNS_MIN:
        return None
    return percentile([run.steps for run in earlier], 95)


def _beyond_price(sizes: _Sizes, calls: Sequence[Call], earlier_runs: EarlierRuns) -> Iterator[Failure]:
    if any(call.cost.grade not in _KNOWN for call in calls):
        return
    cost = sum(call.cost.nanousd or 0 for call in calls)
    tokens = sum(call.usage.input_tokens for call in calls)
    known = [(run.cost_nanousd, run.input_tokens) for run in earlier_runs() if run.cost_nanousd is not None]
    if len(known) < COST_RUNS_MIN:
        return
    others = [each for each, _ in known]
    usual = median(others)
    is_beyond = cost > percentile(others, 99) and tokens > percentile([each for _, each in known], 99)
    if not is_beyond or not usual or cost < COST_RATIO_MIN * usual:
        return
    yield _failure(
        sizes[-1][0],
        f"{_grew(_per_step(sizes), sizes[-1][1])}; the run cost ${cost / NANO_PER_USD:.3f}, "
        f"{cost / usual:.0f} times the median of the {len(known)} before it, and more than 99 of 100",
        COST,
    )


def percentile(numbers: Sequence[int], percent: int) -> int:
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _grew(per_step: float, tokens: int) -> str:
    return f"input grew by {per_step:,.0f} tokens a call to {tokens:,}"


def growth_told(failure: Failure) -> dict[str, str]:
    """What a failure as it is told here says, as facts of `analysis.fixes.observed`."""
    found = _NUMBERS.search(failure.evidence)
    if found is None:
        return {}
    numbers = [(each or "").replace(",", "") for each in found.groups()]
    return dict(zip(("tokens_per_step", "prompt_tokens", "window"), numbers, strict=True))


def _failure(call: Call, evidence: str, cause: str) -> Failure:
    return Failure(
        FailureCode.TOKEN_GROWTH,
        evidence[:EVIDENCE_CHARACTERS_MAX],
        "usage.input_tokens",
        call_id=call.call_id,
        cause=cause,
    )
