"""
Runs whose steps cost more and more: an early step against a late one, and what has grown between them. Pure.

An agent sends its history with each step. With a cache, old tokens cost a tenth and less; without one, or
with long results that pile up, the twentieth step costs several times what the second did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from statistics import median

from analysis.parts import PartKind
from analysis.run_share import CallSpend
from analysis.warning import Urgency, WarningKind
from arc_proxy.call import Call, Kind

STEPS_MIN = 8
ENDS = 3  # steps at either end, of which the median counts
RUNS_MIN = 3
RUNS_MAX = 20  # the latest
RATIO_MIN = 2.0
MOST = 0.6  # of the runs, in which it has to hold
SHARE_MIN = 0.25  # of what the runs cost, above what it would be at the price of an early step
UNCACHED_MAX = 0.2  # of a late prompt read from the cache; beyond it, the cache works


class Grown(StrEnum):
    """What makes late steps dear. Values are stored: append, never rename."""

    TOOL_RESULTS = "tool_results"
    HISTORY = "history"
    ANSWERS = "answers"
    CACHE_BREAKS = "cache_breaks"
    OTHER = "other"


_GROWN = {
    PartKind.TOOL_RESULT: Grown.TOOL_RESULTS,
    PartKind.USER: Grown.HISTORY,
    PartKind.EARLIER_TEXT: Grown.HISTORY,
    PartKind.EARLIER_REASONING: Grown.HISTORY,
    PartKind.EARLIER_ARGUMENTS: Grown.HISTORY,
    PartKind.OUTPUT: Grown.ANSWERS,
    PartKind.REASONING: Grown.ANSWERS,
    PartKind.ARGUMENTS: Grown.ANSWERS,
    PartKind.CACHE_BREAK: Grown.CACHE_BREAKS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGrowth:
    """
    Of one run with enough steps. Nanodollars: an early step, a late one, all steps, and what all cost above
    as many early ones. `cached`: the share of late prompts that came from the cache.
    """

    steps: int
    early: int
    late: int
    whole: int
    above: int
    grown: Grown
    cached: float

    @property
    def ratio(self) -> float:
        return self.late / self.early


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGrowth:
    """Of an agent's latest runs, those in which it holds: medians, and the share of what all of them cost."""

    runs: int  # looked at
    runs_growing: int
    steps: int
    early: int
    late: int
    above_share: float
    grown: Grown
    is_uncached: bool

    @property
    def kind(self) -> WarningKind:
        return WarningKind.STEP_GROWTH

    @property
    def ratio(self) -> float:
        return self.late / self.early

    @property
    def in_ns(self) -> None:
        return None

    @property
    def urgency(self) -> Urgency:
        return Urgency.LATER


def run_growth(calls: Sequence[Call], spends: Sequence[CallSpend]) -> RunGrowth | None:
    """
    `spends`: what each of the calls of a run came to, in their order. None where fewer than `STEPS_MIN` have
    a cost. Only the model that made most of them counts: a cheap one beside it is another kind of step.
    """
    priced = [(call, spend) for call, spend in zip(calls, spends, strict=True) if _is_step(call, spend)]
    if not priced:
        return None
    ((model, _),) = Counter(call.reply.model for call, _ in priced).most_common(1)
    steps = [pair for pair in priced if pair[0].reply.model == model]
    if len(steps) < STEPS_MIN:
        return None
    costs = [spend.nanousd or 0 for _, spend in steps]
    early = round(median(costs[:ENDS]))
    sent = sum(call.usage.input_tokens for call, _ in steps[-ENDS:])
    cached = sum(call.usage.cache_read for call, _ in steps[-ENDS:])
    return RunGrowth(
        steps=len(steps),
        early=early,
        late=round(median(costs[-ENDS:])),
        whole=sum(costs),
        above=max(0, sum(costs) - early * len(costs)),
        grown=_grown([spend for _, spend in steps]),
        cached=cached / sent if sent else 0.0,
    )


def step_growth(runs: Iterable[RunGrowth]) -> StepGrowth | None:
    """`runs`: an agent's, the latest first. None where steps grow in few of them, or if it costs little."""
    latest = list(islice(runs, RUNS_MAX))
    growing = [run for run in latest if run.ratio >= RATIO_MIN]
    if len(latest) < RUNS_MIN or len(growing) < MOST * len(latest):
        return None
    whole = sum(run.whole for run in latest)
    above_share = sum(run.above for run in growing) / whole
    if above_share < SHARE_MIN:
        return None
    ((grown, _),) = Counter(run.grown for run in growing).most_common(1)
    return StepGrowth(
        runs=len(latest),
        runs_growing=len(growing),
        steps=round(median(run.steps for run in growing)),
        early=round(median(run.early for run in growing)),
        late=round(median(run.late for run in growing)),
        above_share=above_share,
        grown=grown,
        is_uncached=median(run.cached for run in growing) <= UNCACHED_MAX,
    )


def _is_step(call: Call, spend: CallSpend) -> bool:
    return call.kind is Kind.GENERATION and call.attempt_of is None and (spend.nanousd or 0) > 0


def _grown(steps: Sequence[CallSpend]) -> Grown:
    """What the late steps spend more on than the early ones, the most of it."""
    more: Counter[Grown] = Counter()
    for sign, ends in ((-1, steps[:ENDS]), (1, steps[-ENDS:])):
        for share in (share for step in ends for share in step.shares):
            more[_GROWN.get(share.kind, Grown.OTHER)] += sign * share.nanousd
    return max(more, key=lambda each: (more[each], each), default=Grown.OTHER)
