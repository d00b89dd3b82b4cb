"""
What agents may spend. Pure.

A day is the user's own, from midnight to midnight where arc-proxy runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

ANY_AGENT = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """In nanodollars; None, or an agent that is missing: no limit."""

    per_run: int | None = None
    per_agent: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))  # and day
    per_day: int | None = None  # all agents together

    def of_agent(self, agent: str | None) -> int | None:
        """What the agent may spend on one day; None names the calls that name no agent."""
        return self.per_agent.get(agent or "", self.per_agent.get(ANY_AGENT))

    @property
    def has_days(self) -> bool:
        """Whether any is of a day."""
        return bool(self.per_agent) or self.per_day is not None
