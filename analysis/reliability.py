"""
How reliable an agent is, from what went wrong in its runs. Pure: the same runs say the same, in any order.

A run loses between 0 and 1 by the worst that happened in it, and later runs weigh more. What is known of the
share that goes well is then a Beta distribution, and the score is a value that this share is above with 90 %
probability. So few runs score low, and a letter needs at least `LETTER_RUNS_MIN` of them.

Runs that say nothing of the agent are kept apart: counted, shown beside the score, and not part of it:

* an outage: the run's last call failed for a reason of `OUTAGES`, so the provider ended it
* a cancel: the client left during the run's last call, so its user ended it

What such a run would have come to is not known, so it is kept apart whatever went wrong in it before. A
reported success is known, so it counts. A reported failure does not bring the run back: a non-zero exit or an
exception is what an outage or Ctrl-C looks like from outside. An outage that did not end its run is one that
the run recovered from.

Without reported outcomes this is "no trouble seen on the wire", never a success rate: an agent may be
wrong in perfect order.

The posterior is that of https://en.wikipedia.org/wiki/Beta_distribution#Bayesian_inference, effective runs
are Kish's: https://en.wikipedia.org/wiki/Effective_sample_size#Weighted_samples.
"""

from __future__ import annotations

import math
import operator
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.beta import Beta
from analysis.failure import HINTS, Failure, FailureCode, Severity
from analysis.trend import CERTAIN

DAY_NS = 86_400 * 10**9
HALF_LIFE_NS_MIN = 7 * DAY_NS
HALF_LIFE_RUNS = 200
SCORE_PROBABILITY = 0.10  # that the share is below the score; as likely it is above `Reliability.high`
LETTER_RUNS_MIN = 20  # effective ones
HYSTERESIS = 0.01
CARRIED_DAYS = 7
BAD_LOSS = 0.5  # an error that the run did not recover from, or worse
WINDOW_NS = 7 * DAY_NS
ARROW_DIFFERENCE_MIN = 0.02

OUTAGES = frozenset(
    {
        FailureCode.CONNECTION,
        FailureCode.OVERLOADED,
        FailureCode.RATE_LIMITED,
        FailureCode.SERVER_ERROR,
        FailureCode.TIMEOUT,
    }
)

_LOSS = {Severity.FATAL: 1.0, Severity.ERROR: 0.5, Severity.WARNING: 0.1, Severity.INFO: 0.0}
# Also of a fatal failure: what a run survived was not fatal to it.
_LOSS_RECOVERED = _LOSS | {Severity.FATAL: 0.15, Severity.ERROR: 0.15}


class Letter(StrEnum):
    """Names that people write into scripts: append, never rename."""

    A_PLUS = "A+"
    A = "A"
    B_PLUS = "B+"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


# The lowest score of each, best first.
_LETTERS = (
    (Letter.A_PLUS, 0.95),
    (Letter.A, 0.90),
    (Letter.B_PLUS, 0.85),
    (Letter.B, 0.80),
    (Letter.C, 0.70),
    (Letter.D, 0.60),
    (Letter.F, -math.inf),
)


class Apart(StrEnum):
    OUTAGE = "outage"
    CANCEL = "cancel"


class Arrow(StrEnum):
    BETTER = "better"
    WORSE = "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """
    What became of one run that is over.

    `outcome` is what was reported: True for feedback that it went well, False for feedback that it did not, a
    non-zero exit or an exception. Exit 0 and no exception are no evidence, so they are None, as no report is.
    `ended_by` is what went wrong with the run's last call; None where that call went well.
    """

    run_id: str
    started_ns: int  # Unix time
    failures: tuple[Failure, ...]
    outcome: bool | None
    ended_by: FailureCode | None
    version: str | None = None  # of the agent


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedRun:
    """A run in the score. `cause` is the failure it lost by; None for an outcome or where nothing is lost."""

    run: RunResult
    weight: float  # 1 for the latest run, half of it for one that is a half-life older
    loss: float  # 0..1
    lost_share: float  # what the run takes from the observed share: that and all of these add up to 1
    cause: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """
    `score` and `high` are shares, 0..1, that the truth lies between with 80 % probability.

    `observed_share` is the part of the runs' weight that was not lost, None where no run counts. `letter`
    grades the score, None below `LETTER_RUNS_MIN` effective runs.
    """

    score: float
    high: float
    observed_share: float | None
    effective_runs: float
    runs: int  # that the score counts
    letter: Letter | None
    is_from_traffic_only: bool  # no run that counts has a reported outcome
    outages: int
    cancels: int
    explained: tuple[WeightedRun, ...]  # the run that costs most first


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    The latest 7 days and the 7 before. `difference` is in shares, -0.04 for 4 points worse.

    `probability` that it has a cause at all, 0..1: twice the distance of P(better) from one half, as a
    `Trend` has it.
    """

    runs_before: int
    runs_now: int
    difference: float  # of the posteriors' means
    probability: float

    @property
    def may_be_chance(self) -> bool:
        return self.probability <= CERTAIN


def reliability(
    results: Iterable[RunResult], now_ns: int, previous_letter: Letter | None = None
) -> Reliability:
    """
    Of one agent's runs that began no later than `now_ns`, Unix time.

    `previous_letter` is what was shown last: it stays until the score is a point beyond its bounds. See
    `carried_letter`.
    """
    begun = [result for result in results if result.started_ns <= now_ns]
    apart = [kept_apart(result) for result in begun]
    counted = [result for result, reason in zip(begun, apart, strict=True) if reason is None]
    explained = _explain(counted)
    effective = _effective_runs([run.weight for run in explained])
    lost = math.fsum(run.lost_share for run in explained)
    posterior = _posterior(effective, effective * lost)
    score = posterior.quantile(SCORE_PROBABILITY)
    return Reliability(
        score=score,
        high=posterior.quantile(1 - SCORE_PROBABILITY),
        observed_share=1 - lost if explained else None,
        effective_runs=effective,
        runs=len(explained),
        letter=letter_of(score, previous_letter) if _has_letter(effective) else None,
        is_from_traffic_only=all(result.outcome is None for result in counted),
        outages=apart.count(Apart.OUTAGE),
        cancels=apart.count(Apart.CANCEL),
        explained=explained,
    )


def carried_letter(
    results: Iterable[RunResult], now_ns: int, *, runs_max: int, is_all: bool
) -> Letter | None:
    """
    What was shown at the end of the day before (UTC): `reliability` has it as the previous letter.

    Nothing is kept for it. The letters of the last days are made again from the runs that had begun by then,
    `runs_max` at most as then, each carried to the next day. `is_all`: the agent had no run before these, so
    that a day with fewer is a day with fewer, and not one whose runs were not read.
    """
    ordered = sorted((result for result in results if result.started_ns < now_ns), key=_started_ns)
    begun_ns = list(map(_started_ns, ordered))
    letter: Letter | None = None
    counted_before = 0
    today = now_ns // DAY_NS
    for day in range(today - CARRIED_DAYS, today):
        count = bisect_left(begun_ns, (day + 1) * DAY_NS)
        if count == counted_before or (count < runs_max and not is_all):
            continue  # nothing new, or not all that there was
        counted_before = count
        latest = ordered[max(0, count - runs_max) : count]
        letter = _letter([result for result in latest if kept_apart(result) is None], letter)
    return letter


def _letter(counted: Sequence[RunResult], previous: Letter | None) -> Letter | None:
    """As `reliability` has it, of runs that count, and nothing else of it."""
    weights = _weights(list(map(_started_ns, counted)))
    effective = _effective_runs(weights)
    if not _has_letter(effective):
        return None
    lost = math.fsum(map(operator.mul, weights, map(run_loss, counted))) / math.fsum(weights)
    return letter_of(_posterior(effective, effective * lost).quantile(SCORE_PROBABILITY), previous)


def _has_letter(effective_runs: float) -> bool:
    return round(effective_runs) >= LETTER_RUNS_MIN  # rounded, as it is shown: "12 of 20 runs"


def _started_ns(result: RunResult) -> int:
    return result.started_ns


def kept_apart(result: RunResult) -> Apart | None:
    """Why the run says nothing of its agent; None where it counts."""
    if result.outcome is True:
        return None
    if result.ended_by in OUTAGES:
        return Apart.OUTAGE
    return Apart.CANCEL if result.ended_by is FailureCode.CLIENT_CLOSED else None


def run_loss(result: RunResult) -> float:
    """0..1: what the worst of its failures takes from a run, or what was reported of it, which says more."""
    if result.outcome is not None:
        return 0.0 if result.outcome else 1.0
    return max(map(failure_loss, result.failures), default=0.0)


def failure_loss(failure: Failure) -> float:
    """
    0..1: what a run that counts loses, with nothing worse in it.

    `times` is no matter, as repetition has codes of its own.
    """
    if failure.code in HINTS:
        return 0.0
    is_recovered = failure.is_recovered or failure.code in OUTAGES  # a run that one ended does not count
    return (_LOSS_RECOVERED if is_recovered else _LOSS)[failure.severity]


def is_bad(result: RunResult) -> bool:
    """Whether the run counts as failed where runs can only fail or not, as for a burn rate."""
    return kept_apart(result) is None and run_loss(result) >= BAD_LOSS


def lowest_score(letter: Letter) -> float:
    """0..1: what has the letter, or a better one, has at least this score; 0 of the worst."""
    return max(0.0, dict(_LETTERS)[letter])


def letter_of(score: float, previous: Letter | None = None) -> Letter:
    """Of a score, 0..1. The previous letter stays while the score is within a point of its bounds."""
    if previous is not None:
        worst, best = (_plain_letter(score + margin) for margin in (-HYSTERESIS, HYSTERESIS))
        ranks = list(Letter)
        if ranks.index(best) <= ranks.index(previous) <= ranks.index(worst):
            return previous
    return _plain_letter(score)


def compare_weeks(results: Iterable[RunResult], now_ns: int) -> Comparison | None:
    """Of one agent's runs, by when they began and without decay. None where a week has none that counts."""
    losses_before: list[float] = []
    losses_now: list[float] = []
    for result in results:
        age_ns = now_ns - result.started_ns
        if 0 <= age_ns < 2 * WINDOW_NS and kept_apart(result) is None:
            (losses_now if age_ns < WINDOW_NS else losses_before).append(run_loss(result))
    if not losses_before or not losses_now:
        return None
    before, now = (_posterior(len(losses), math.fsum(losses)) for losses in (losses_before, losses_now))
    return Comparison(
        runs_before=len(losses_before),
        runs_now=len(losses_now),
        difference=now.mean - before.mean,
        probability=abs(2 * now.probability_above(before) - 1),
    )


def arrows(comparisons: Mapping[str, Comparison]) -> dict[str, Arrow]:
    """
    The agents whose change is shown as one, by name: more than 2 points, and more than chance.

    By Benjamini and Hochberg's rule, so that of a hundred agents, all stable, five do not get an arrow each
    week: https://en.wikipedia.org/wiki/False_discovery_rate#Benjamini%E2%80%93Hochberg_procedure. Its
    p-values are two-sided, so an arrow asks for P(worse) or P(better) above 0.975 and not 0.95, which one
    stable agent in ten would reach.
    """
    chance = _chance_max([1 - comparison.probability for comparison in comparisons.values()])
    return {
        agent: Arrow.BETTER if comparison.difference > 0 else Arrow.WORSE
        for agent, comparison in comparisons.items()
        if abs(comparison.difference) > ARROW_DIFFERENCE_MIN and 1 - comparison.probability <= chance
    }


def _chance_max(chances: Sequence[float]) -> float:
    """The largest p-value that passes: the k-th least of m has to be below 0.05 k / m. -1 if none does."""
    ranked = enumerate(sorted(chances), start=1)
    return max((p for rank, p in ranked if p < (1 - CERTAIN) * rank / len(chances)), default=-1.0)


def _posterior(runs: float, lost: float) -> Beta:
    return Beta(1 + runs - lost, 1 + lost)


def _plain_letter(score: float) -> Letter:
    return next(letter for letter, least in _LETTERS if score >= least)


def _explain(counted: Sequence[RunResult]) -> tuple[WeightedRun, ...]:
    weights = _weights([result.started_ns for result in counted])
    total = math.fsum(weights)
    explained = []
    for result, weight in zip(counted, weights, strict=True):
        loss = run_loss(result)
        explained.append(
            WeightedRun(
                run=result,
                weight=weight,
                loss=loss,
                lost_share=weight * loss / total,
                cause=_cause(result) if loss else None,
            )
        )
    return tuple(sorted(explained, key=lambda run: (-run.lost_share, -run.run.started_ns, run.run.run_id)))


def _cause(result: RunResult) -> Failure | None:
    return None if result.outcome is not None else max(result.failures, key=failure_loss)


def _weights(started_ns: Sequence[int]) -> list[float]:
    """
    2 ** (-age / half-life), the half-life being 7 days or the time that the latest 200 runs span, if longer.

    Ages count from the latest run and not from now: that multiplies all weights by the same, which changes
    neither the observed share nor the effective runs, and an agent at rest keeps weights above nothing.
    """
    if not started_ns:
        return []
    latest = sorted(started_ns, reverse=True)[:HALF_LIFE_RUNS]
    half_life = max(HALF_LIFE_NS_MIN, latest[0] - latest[-1])
    return [2.0 ** -((latest[0] - started) / half_life) for started in started_ns]


def _effective_runs(weights: Sequence[float]) -> float:
    """How many runs of equal weight would say as much. `fsum`, so that their order changes no digit."""
    if not weights:
        return 0.0
    return math.fsum(weights) ** 2 / math.fsum(weight * weight for weight in weights)
