"""
What is lately the matter with an issue: is it new, back or rising, and with which version did it begin? Pure.

Rising is a rate of runs that have it, per run of the agent, so that twice as many runs with it among twice as
many runs is no rise. Two such rates are compared as Poisson rates are: given how many runs had it in both
windows, how many of them fall into the later one is binomial. So the test is exact for small numbers too.
Source: Przyborowski and Wilenski, Biometrika 31 (1940), 313-323; as R has it one-sided in
https://search.r-project.org/R/refmans/stats/html/poisson.test.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from analysis.beta import incomplete_beta
from analysis.effect import Share

DAY_NS = 86_400 * 10**9
NEW_NS = DAY_NS
EARLIER_RUNS_MIN = 3  # without them everything is new, as the agent is
ABSENT_DAYS_MIN = 7
ABSENT_RUNS_MIN = 5
RISING_RUNS_MIN = 3  # with the issue: of one or two nobody says that it rises
RISING_CHANCE_MAX = 0.01
# "Began with this version" asks that so many of the runs up to then were of others. An issue that came up
# after twenty good runs of a version may have another cause.
VERSION_SHARE_MAX = 0.25


class Change(StrEnum):
    """Names that reach JSON and alerts.toml: append, never rename."""

    NEW = "new"
    BACK = "back"
    RISING = "rising"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """
    What is known of one issue over time. `recent` is the last day, `before` the week before it: runs of the
    agent that have the issue, of all; a share of no runs where they are not known.

    `began_ns` is when it was first seen, or seen again where it had been away: then `absent_days` are the
    whole days between, and `absent_runs` what the agent ran on them. `version` is that of the run that showed
    it then, `versions_before` those of the agent's latest runs before that one.
    """

    began_ns: int
    version: str | None = None
    versions_before: Sequence[str | None] = ()
    recent: Share
    before: Share
    absent_days: int = 0
    absent_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """
    `change` None: nothing but that it is there. `version`: with which it began, None where none stands out.
    `chance`: that so many recent runs have it if nothing had changed, 0..1; None where that cannot be said.
    """

    change: Change | None
    version: str | None
    chance: float | None
    history: History


def standing(history: History, now_ns: int) -> Standing:
    """Now, Unix time in nanoseconds."""
    chance = chance_of_so_many(history.before, history.recent)
    return Standing(
        change=_change(history, chance, now_ns),
        version=_began_with(history.version, history.versions_before),
        chance=chance,
        history=history,
    )


def is_back(absent_days: int, absent_runs: int) -> bool:
    """Whether an issue that was seen again had been away: for a week, in which the agent did run."""
    return absent_days >= ABSENT_DAYS_MIN and absent_runs >= ABSENT_RUNS_MIN


def chance_of_so_many(before: Share, recent: Share) -> float | None:
    """
    0..1: that `recent.having` runs or more have it, given how many do in both windows, were the rate the
    same. None where a window has no runs.
    """
    if not before.runs or not recent.runs:
        return None
    if not recent.having:
        return 1.0
    part = recent.runs / (recent.runs + before.runs)
    return incomplete_beta(recent.having, before.having + 1, part)


def _change(history: History, chance: float | None, now_ns: int) -> Change | None:
    if is_back(history.absent_days, history.absent_runs):
        return Change.BACK
    is_young = now_ns - history.began_ns < NEW_NS
    if is_young and len(history.versions_before) >= EARLIER_RUNS_MIN:
        return Change.NEW
    is_often = history.recent.having >= RISING_RUNS_MIN
    return Change.RISING if is_often and chance is not None and chance < RISING_CHANCE_MAX else None


def _began_with(version: str | None, before: Sequence[str | None]) -> str | None:
    """The version, if most of the agent's runs up to then were of another one."""
    if version is None or not before:
        return None
    of_it = 1 + sum(each == version for each in before)
    return version if of_it <= VERSION_SHARE_MAX * (1 + len(before)) else None
