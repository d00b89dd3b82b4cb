"""
What a report is made of: frozen sums over a period. No SQL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arc_proxy.store.run_rows import cost_grade
from arc_proxy.store.sums import HOUR_NS, SERIES_SUMS, quantile_ms
from pricing.cost import CostGrade

RAW_MAX_NS = 3 * HOUR_NS  # periods of up to this are read from the raw rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    since_ns: int
    until_ns: int  # not included

    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        return Period(since_ns=2 * self.since_ns - self.until_ns, until_ns=self.since_ns)

    def widened(self) -> Period:
        """What is read: the bounds as they are if it is short, else whole hours."""
        if self.until_ns - self.since_ns <= RAW_MAX_NS:
            return self
        since = self.since_ns // HOUR_NS * HOUR_NS
        return Period(since_ns=since, until_ns=-(-self.until_ns // HOUR_NS) * HOUR_NS)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTotals:
    """Sums over calls. `calls` leaves retries out, `attempts` has them; `errors` are failed attempts."""

    calls: int = 0
    attempts: int = 0
    errors: int = 0
    client_closed: int = 0
    interrupted: int = 0
    cut_captures: int = 0
    unsecured: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    reasoning_tokens: int = 0
    reported_calls: int = 0
    computed_calls: int = 0
    estimated_calls: int = 0
    partial_calls: int = 0
    unpriced_calls: int = 0
    api_calls: int = 0
    reported_nanousd: int = 0
    computed_nanousd: int = 0
    estimated_nanousd: int = 0
    partial_nanousd: int = 0
    api_nanousd: int = 0
    disputed_calls: int = 0
    disputed_less_nanousd: int = 0
    disputed_more_nanousd: int = 0
    misreported_calls: int = 0

    @property
    def input_tokens(self) -> int:
        return (
            self.input_text_tokens
            + self.input_audio_tokens
            + self.input_image_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
        )

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def output_tokens(self) -> int:
        return self.output_text_tokens + self.output_audio_tokens + self.output_image_tokens

    @property
    def known_nanousd(self) -> int:
        """Of calls with a known cost; api_equivalent ones are apart."""
        return self.reported_nanousd + self.computed_nanousd + self.estimated_nanousd + self.partial_nanousd

    @property
    def cost_grade(self) -> CostGrade:
        return _grade_of(self)

    @property
    def cost_nanousd(self) -> int | None:
        """None: unknown. What a subscription would have cost only where nothing was billed."""
        return _shown_cost(self.cost_grade, self.known_nanousd, self.api_nanousd)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """Sums over runs that started in the period, with all of their calls."""

    runs: int = 0
    child_runs: int = 0  # of them, those with a parent run
    failed_runs: int = 0
    reported_outcomes: int = 0
    unpriced_runs: int = 0  # nothing of their cost is known
    calls: int = 0
    attempts: int = 0
    steps: int = 0
    errors: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    known_nanousd: int = 0
    api_nanousd: int = 0
    reported_calls: int = 0
    estimated_calls: int = 0
    partial_calls: int = 0
    unpriced_calls: int = 0
    api_calls: int = 0
    duration_ms: int = 0

    @property
    def cost_grade(self) -> CostGrade:
        return _grade_of(self)

    @property
    def cost_nanousd(self) -> int | None:
        return _shown_cost(self.cost_grade, self.known_nanousd, self.api_nanousd)


_GRADED = ("unpriced_calls", "partial_calls", "estimated_calls", "reported_calls", "api_calls", "api_nanousd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What sums are kept by. `agent` None: calls that name none; "other": those beyond the cap."""

    agent: str | None
    provider: str
    dialect: str
    model: str  # "" where no model was named
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of calls that did not fail, in milliseconds. `calls` are those that were measured."""

    calls: int
    p50_ms: float | None
    p95_ms: float | None
    histogram: Mapping[int, int]  # {sums.latency_bucket: calls}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesUse:
    series: Series
    totals: CallTotals
    duration: Latency
    first_byte: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUse:
    """One agent over a period, and its runs over the period before."""

    agent: str | None
    runs: RunTotals
    runs_before: RunTotals
    series: tuple[SeriesUse, ...]  # by cost, the most expensive first


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodUse:
    period: Period  # as read
    agents: tuple[AgentUse, ...]  # by number of runs


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUse:
    """
    One project over a period: its runs that started in it and its calls. In `totals`, auxiliary calls count
    only by their cost and tokens.
    """

    project: str  # "other": those beyond the cap
    runs: int
    failed_runs: int
    totals: CallTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One hour or day of a chart."""

    start_ns: int
    totals: CallTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why costs are estimates, lower bounds or unknown."""

    grade: CostGrade
    reason: str
    model: str
    calls: int


def merge_latencies(latencies: Sequence[Latency]) -> Latency:
    """One histogram of several."""
    merged: dict[int, int] = {}
    for latency in latencies:
        for bucket, calls in latency.histogram.items():
            merged[bucket] = merged.get(bucket, 0) + calls
    return latency_of(merged)


def sum_totals(totals: Sequence[CallTotals]) -> CallTotals:
    """One sum of several."""
    return CallTotals(**{name: sum(getattr(each, name) for each in totals) for name in SERIES_SUMS})


def subtract_totals(whole: CallTotals, parts: Sequence[CallTotals]) -> CallTotals:
    """What is left of a sum without these."""
    less = sum_totals(parts)
    return CallTotals(**{name: getattr(whole, name) - getattr(less, name) for name in SERIES_SUMS})


def latency_of(histogram: Mapping[int, int]) -> Latency:
    return Latency(
        calls=sum(histogram.values()),
        p50_ms=quantile_ms(histogram, 0.5),
        p95_ms=quantile_ms(histogram, 0.95),
        histogram=histogram,
    )


def _grade_of(totals: CallTotals | RunTotals) -> CostGrade:
    sums = {name: getattr(totals, name) for name in _GRADED} | {"cost_nanousd": totals.known_nanousd}
    return cost_grade(sums, totals.attempts)


def _shown_cost(grade: CostGrade, known_nanousd: int, api_nanousd: int) -> int | None:
    if grade is CostGrade.UNKNOWN:
        return None
    return api_nanousd if grade is CostGrade.API_EQUIVALENT else known_nanousd
