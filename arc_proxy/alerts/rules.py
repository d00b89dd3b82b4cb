"""
What can be watched for, and what a look at it says. Pure.

Every rule is looked at again and again. A look gives a `Reading` for each thing that the rule is about: an
agent, an issue, a budget. `firing` makes alerts of readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.burn_rate import Urgency
from analysis.failure import Severity
from analysis.standing import Change

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
COOL_DOWN_NS = HOUR_NS
# Target of the reliability rule: with a lower one than 0.93 the fastest burn could never be reached.
TARGET = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    `agent` None: every agent, each by itself; "": calls that name none. `to`: names of targets, None: all of
    them. For `cool_down_ns` after it was told, the same thing is not told again, unless it got worse.
    """

    name: str
    agent: str | None = None
    to: tuple[str, ...] | None = None
    cool_down_ns: int = COOL_DOWN_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityRule(Rule):
    """An agent uses up the failures that `target`, a share of runs, allows: see `analysis.burn_rate`."""

    target: float = TARGET


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsRule(Rule):
    """More than this share of an agent's runs failed."""

    above: float
    over_ns: int = DAY_NS
    runs_min: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPerRunRule(Rule):
    """A run of an agent costs more than this on average."""

    above_nanousd: int
    over_ns: int = DAY_NS
    runs_min: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPerDayRule(Rule):
    """An agent, or with `agent` None all of them together, spent more than this since midnight."""

    above_nanousd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRule(Rule):
    """An issue of such a severity is new, back or rising, and so many runs of the last day have it."""

    changes: tuple[Change, ...] = (Change.NEW,)
    severities: tuple[Severity, ...] = (Severity.FATAL, Severity.ERROR)
    runs_min: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRule(Rule):
    """So much of a budget of the day is spent, shares in rising order. Without budgets there is nothing."""

    at: tuple[float, ...] = (0.8, 1.0)


# What is watched for where alerts.toml has no rule. The last one says something once a budget is set.
DEFAULT_RULES: tuple[Rule, ...] = (
    ReliabilityRule(name="reliability"),
    IssueRule(name="new issues"),
    BudgetRule(name="budget"),
)


class Unit(StrEnum):
    """What `Reading.value` counts. Names that reach other programs: append, never rename."""

    BURN_RATE = "burn_rate"  # 1: just what the target allows
    SHARE = "share"  # 0..1
    USD = "usd"
    RUNS = "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What one look says of one thing.

    `level` 0: all is well; from 1 on it fires, the worse the higher; None: nothing can be said, because there
    are too few runs, or it is better but not by enough, so what was so far stays. `value` and `limit` are in
    `unit`, dollars in nanodollars; `is_at_least`: the value is a lower bound, as part of it is unknown.

    `title` and `text` may quote what was captured, so they are not for logs.
    """

    key: str  # which thing of the rule's; stays the same from look to look
    level: int | None
    urgency: Urgency = Urgency.TICKET
    title: str
    text: str
    agent: str | None = None
    value: float | None = None
    limit: float | None = None
    unit: Unit
    is_at_least: bool = False
    issue_key: int | None = None  # the number of an issue
    code: str | None = None  # of an issue
    change: str | None = None
    version: str | None = None  # of the agent, with which the issue began
