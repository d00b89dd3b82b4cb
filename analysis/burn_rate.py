"""
Is an agent failing fast enough to wake somebody? Pure.

A target of 0.95 allows 5 % of runs to fail: the error budget. A burn rate of 1 is a share of failed runs that
uses it up exactly. An alert needs the rate in a long window, so that it matters, and in a short one, so that
it is still going on and ends soon after the trouble does.

Of an agent with many runs only the latest are read. Of the others in a long window it is known how many they
are: counted as good they make its rate a lower bound, so what fires is certain. Whether it still goes on is
judged by the latest ones alone.

No rate is above 1 / (1 - target), so a target below 0.93 is never paged for by the first rule, nor one below
0.83 by the second.

Source: https://sre.google/workbook/alerting-on-slos/, "Multiwindow, Multi-Burn-Rate Alerts".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
BAD_RUNS_MIN = 10  # in the long window: with little traffic one failure would be a high rate


class Urgency(StrEnum):
    PAGE = "page"  # somebody has to look now
    TICKET = "ticket"  # in the next days


@dataclass(frozen=True, slots=True)
class BurnRule:
    """Fires above `rate` in both windows, nanoseconds back from now."""

    urgency: Urgency
    rate: float
    long_ns: int
    short_ns: int


# They use up 2 %, 5 % and 10 % of the budget of 30 days within their long windows. Most urgent first.
RULES = (
    BurnRule(Urgency.PAGE, 14.4, HOUR_NS, 5 * MINUTE_NS),
    BurnRule(Urgency.PAGE, 6.0, 6 * HOUR_NS, 30 * MINUTE_NS),
    BurnRule(Urgency.TICKET, 1.0, 3 * DAY_NS, 6 * HOUR_NS),
)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """
    A run that says something of its agent: `reliability.kept_apart` has no reason for it, `is_bad` judges it.

    `ended_ns` is Unix time. A long run shows its failure at its end, when its start is in no short window.
    """

    ended_ns: int
    is_bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BurnAlert:
    rule: BurnRule
    long_rate: float
    short_rate: float
    bad_runs: int  # in the long window
    runs: int
    is_at_least: bool = False  # `long_rate` and `bad_runs` are lower bounds


def burn_alerts(
    runs: Iterable[EndedRun],
    now_ns: int,
    *,
    target: float,
    unread: Mapping[int, int] | None = None,
    is_unread_bad: bool = False,
) -> tuple[BurnAlert, ...]:
    """
    The rules that one agent's runs fire now, most urgent first.

    `target` is the share of runs that should go well. Raises ValueError unless it is between 0 and 1.
    `unread`: by the length of a long window, how many older runs it has beside `runs`. With `is_unread_bad`
    they count as bad: what does not fire then either does certainly not fire.
    """
    if not 0 < target < 1:
        raise ValueError(f"a target is a share between 0 and 1, not {target:g}")
    ended = [run for run in runs if run.ended_ns <= now_ns]
    more = unread or {}
    alerts = (
        _alert(rule, ended, now_ns, 1 - target, more.get(rule.long_ns, 0), is_unread_bad) for rule in RULES
    )
    return tuple(alert for alert in alerts if alert is not None)


def _alert(
    rule: BurnRule, ended: Sequence[EndedRun], now_ns: int, budget: float, unread: int, is_unread_bad: bool
) -> BurnAlert | None:
    in_long = [run for run in ended if now_ns - run.ended_ns < rule.long_ns]
    in_short = [run for run in in_long if now_ns - run.ended_ns < rule.short_ns]
    bad_runs = sum(run.is_bad for run in in_long) + (unread if is_unread_bad else 0)
    runs = len(in_long) + unread
    long_rate = _share(bad_runs, runs) / budget
    short_rate = _share(sum(run.is_bad for run in in_short), len(in_short)) / budget
    if bad_runs < BAD_RUNS_MIN or min(long_rate, short_rate) <= rule.rate:
        return None
    return BurnAlert(
        rule=rule,
        long_rate=long_rate,
        short_rate=short_rate,
        bad_runs=bad_runs,
        runs=runs,
        is_at_least=unread > 0,
    )


def _share(bad_runs: int, runs: int) -> float:
    """0 without runs: nothing burns then."""
    return bad_runs / runs if runs else 0.0
