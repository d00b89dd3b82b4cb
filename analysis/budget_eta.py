"""
When a budget will be spent, at the pace of the last hours. Pure.

Money that is not known makes what was spent a lower bound, and the moment a latest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.warning import Urgency, WarningKind, urgency_of

HIGH_SHARE = 0.80
HIGHEST_SHARE = 0.95
# Before half of it is spent, a busy hour says little of a day.
PACE_SHARE_MIN = 0.50
TRUSTED_TIMES = 10  # of the time that the pace was watched, as for limits


class BudgetOf(StrEnum):
    """Whose budget it is. Values reach JSON: append, never rename."""

    RUN = "run"
    AGENT = "agent"  # and day
    DAY = "day"  # all agents together


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetEta:
    """In nanodollars. `subject`: the run's id, the agent's name ("" without one), or "" for all agents."""

    of: BudgetOf
    subject: str
    budget: int
    spent: int
    is_lower_bound: bool  # some calls have no known cost
    spent_in_ns: int | None  # None: not today, or no pace shows; 0: it is spent

    @property
    def kind(self) -> WarningKind:
        return WarningKind.BUDGET

    @property
    def used(self) -> float:
        return self.spent / self.budget

    @property
    def in_ns(self) -> int | None:
        return self.spent_in_ns

    @property
    def urgency(self) -> Urgency:
        if self.spent_in_ns is not None:
            return urgency_of(self.spent_in_ns)
        return Urgency.SOON if self.used >= HIGHEST_SHARE else Urgency.LATER


@dataclass(frozen=True, slots=True)
class Pace:
    """Nanodollars that were spent in the last so many nanoseconds."""

    nanousd: int
    watched_ns: int


def budget_eta(
    budget: int | None,
    spent: int,
    *,
    of: BudgetOf,
    subject: str = "",
    is_lower_bound: bool = False,
    pace: Pace | None = None,
    ends_in_ns: int | None = None,
) -> BudgetEta | None:
    """
    None where there is no budget, or enough left of it.

    `ends_in_ns`: when it begins anew, None: never.
    """
    if not budget:
        return None
    used = spent / budget
    spent_in_ns = 0 if used >= 1 else _spent_in_ns(budget - spent, pace, ends_in_ns)
    has_pace = spent_in_ns is not None and used >= PACE_SHARE_MIN
    if not has_pace and used < HIGH_SHARE:
        return None
    return BudgetEta(
        of=of,
        subject=subject,
        budget=budget,
        spent=spent,
        is_lower_bound=is_lower_bound,
        spent_in_ns=spent_in_ns,
    )


def _spent_in_ns(left: int, pace: Pace | None, ends_in_ns: int | None) -> int | None:
    if pace is None or pace.nanousd <= 0 or pace.watched_ns <= 0:
        return None
    in_ns = left * pace.watched_ns // pace.nanousd
    is_in_time = ends_in_ns is None or in_ns < ends_in_ns
    return in_ns if is_in_time and in_ns <= TRUSTED_TIMES * pace.watched_ns else None
