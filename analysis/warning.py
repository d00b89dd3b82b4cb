"""
Early warnings: what is going to happen to an agent if it goes on as it does. Pure.

Each kind has a module of its own, and claims nothing but what follows from numbers that were seen: a prompt
that has grown turn by turn, what a provider says is left, what has been spent today, a day that is announced.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from typing import Protocol, TypeVar

MINUTE_NS = 60 * 10**9
DAY_NS = 24 * 60 * MINUTE_NS


class WarningKind(StrEnum):
    """Values reach JSON: append, never rename."""

    CONTEXT = "context"  # the conversation will not fit into the model's window
    LIMIT = "limit"  # a rate limit or a quota will be used up before it is full again
    BUDGET = "budget"  # the user's own limit on what is spent
    RETIREMENT = "retirement"  # a model goes
    STEP_GROWTH = "step_growth"  # each step of a run costs more than the one before


class Urgency(IntEnum):
    NOW = 0  # it has happened, or will within minutes
    SOON = 1  # within the day, or a fortnight where a person has to plan
    LATER = 2


class EarlyWarning(Protocol):
    @property
    def kind(self) -> WarningKind: ...

    @property
    def urgency(self) -> Urgency: ...

    @property
    def in_ns(self) -> int | None:
        """Nanoseconds until it happens; None where no time can be said, 0 or less if it has happened."""


_Any = TypeVar("_Any", bound=EarlyWarning)


def urgency_of(in_ns: int) -> Urgency:
    """Of what happens so many nanoseconds from now."""
    if in_ns <= 10 * MINUTE_NS:
        return Urgency.NOW
    return Urgency.SOON if in_ns <= DAY_NS else Urgency.LATER


def most_urgent_first(warnings: Iterable[_Any]) -> tuple[_Any, ...]:
    return tuple(sorted(warnings, key=_order))


def _order(warning: EarlyWarning) -> tuple[int, bool, int, str]:
    in_ns = warning.in_ns
    return warning.urgency, in_ns is None, in_ns or 0, warning.kind
