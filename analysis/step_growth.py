"""
Agents whose steps cost more and more in most of their latest runs, and so much that it matters. Pure.

An agent sends its history with each step. With a cache, old tokens cost a tenth and less; without one, or
with long results that pile up, the twentieth step costs several times what the second did. `run_growth`
measures a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from statistics import median

from analysis.warning import Urgency, WarningKind

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
