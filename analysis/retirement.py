"""Models in use whose announced last day is near, or over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from analysis.warning import DAY_NS, Urgency, WarningKind

DAYS_MAX = 90  # farther off, it is a note
_SOON_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    model: str
    retires: date
    days_left: int  # 0: today; negative: it is over

    @property
    def kind(self) -> WarningKind:
        return WarningKind.RETIREMENT

    @property
    def in_ns(self) -> int:
        return self.days_left * DAY_NS

    @property
    def urgency(self) -> Urgency:
        if self.days_left <= 0:
            return Urgency.NOW
        return Urgency.SOON if self.days_left <= _SOON_DAYS else Urgency.LATER


def retirement(model: str, retires: date, today: date) -> Retirement | None:
    """None where there is more time than `DAYS_MAX`."""
    days_left = (retires - today).days
    if days_left > DAYS_MAX:
        return None
    return Retirement(model=model, retires=retires, days_left=days_left)
