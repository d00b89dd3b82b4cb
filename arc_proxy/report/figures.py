"""Sums of the store as figures of a report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from arc_proxy.call import Kind
from arc_proxy.format import Spend
from arc_proxy.report.model import Figures, Runs
from arc_proxy.report.spent import usage_of_totals
from arc_proxy.store.parts import Parts
from arc_proxy.store.totals import CallTotals, RunTotals, SeriesUse, merge_latencies, sum_totals

_PRICED = ("reported_calls", "computed_calls", "estimated_calls", "partial_calls")


def has_cost(total: CallTotals) -> bool:
    return bool(total.known_nanousd or total.api_nanousd or total.unpriced_calls)


def figures_of(series: Sequence[SeriesUse]) -> Figures:
    """
    Auxiliary calls are no steps, and most of them cost nothing. But a title or a summary that a coding agent
    asks for is billed like any generation: of all calls the tokens and the money count.
    """
    steps = [use for use in series if use.series.kind != Kind.AUXILIARY]
    latency = merge_latencies([use.duration for use in steps])
    first_byte = merge_latencies([use.first_byte for use in steps])
    return figures_of_totals(
        sum_totals([use.totals for use in steps]),
        sum_totals([use.totals for use in series]),
        latency=(latency.p50_ms, latency.p95_ms),
        first_byte_ms_p50=first_byte.p50_ms,
    )


def figures_of_totals(
    steps: CallTotals,
    every: CallTotals,
    *,
    latency: tuple[float | None, float | None] = (None, None),
    first_byte_ms_p50: float | None = None,
) -> Figures:
    """`every` has the auxiliary calls, too."""
    return Figures(
        calls=steps.calls,
        attempts=steps.attempts,
        errors=steps.errors,
        client_closed=steps.client_closed,
        interrupted=steps.interrupted,
        cut_captures=steps.cut_captures,
        unsecured=steps.unsecured,
        usage=usage_of_totals(every),
        spend=_spend(every),
        latency_ms_p50=latency[0],
        latency_ms_p95=latency[1],
        first_byte_ms_p50=first_byte_ms_p50,
    )


def _spend(total: CallTotals) -> Spend:
    return Spend(
        nanousd=total.known_nanousd,
        priced_calls=sum(getattr(total, name) for name in _PRICED),
        unpriced_calls=total.unpriced_calls,
        estimated_calls=total.estimated_calls,
        partial_calls=total.partial_calls,
        api_equivalent_nanousd=total.api_nanousd,
        disputed_calls=total.disputed_calls,
        less_nanousd=total.disputed_less_nanousd,
        more_nanousd=total.disputed_more_nanousd,
        misreported_calls=total.misreported_calls,
    )


def sum_runs(totals: Sequence[RunTotals], parts: Iterable[Parts]) -> Runs:
    """`parts`: of the runs in these totals, those that are parts of another."""
    some = list(parts)
    return Runs(
        runs=sum(each.runs for each in totals),
        failed=sum(each.failed_runs for each in totals),
        sub_agents=sum(each.runs for each in some),
        failed_sub_agents=sum(each.failed for each in some),
        with_outcome=sum(each.reported_outcomes for each in totals),
        spend=Spend(
            nanousd=sum(each.known_nanousd for each in totals),
            priced_calls=sum(max(each.attempts - each.unpriced_calls - each.api_calls, 0) for each in totals),
            unpriced_calls=sum(each.unpriced_calls for each in totals),
            estimated_calls=sum(each.estimated_calls for each in totals),
            partial_calls=sum(each.partial_calls for each in totals),
            api_equivalent_nanousd=sum(each.api_nanousd for each in totals),
        ),
    )
