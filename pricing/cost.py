"""
Cost: usage times rate, in whole nanodollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CostGrade(StrEnum):
    """How far a cost can be trusted. Values reach the database and the export."""

    PROVIDER_REPORTED = "provider_reported"
    COMPUTED = "computed"
    ESTIMATED = "estimated"  # tokens counted by us
    PARTIAL = "partial"  # some usage or price is missing: a lower bound
    UNKNOWN = "unknown"  # never $0
    API_EQUIVALENT = "api_equivalent"  # subscription traffic: what it would have cost


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One line of the sum: so many units at such a rate."""

    bucket: str  # a field of Usage, or "tool:web_search"
    units: int
    rate_picousd: int  # per unit
    rate_id: str

    @property
    def picousd(self) -> int:
        return self.units * self.rate_picousd


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    nanousd: int | None  # None exactly when the grade is UNKNOWN
    grade: CostGrade
    lines: tuple[CostLine, ...] = ()
    rate_id: str | None = None
    table_version: str | None = None
    reason: str = ""  # why the grade is not COMPUTED, in words a person can act on
