"""How often something came on each day, as bars of an SVG and in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from arc_proxy.format import plural

DAYS = 30
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Bar:
    """In units of the view box, y downwards."""

    x: int
    y: int
    height: int
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """`step`: from one bar to the next, in the same units; `says`: the whole as a sentence."""

    width: int
    height: int
    step: int
    bars: tuple[Bar, ...]
    says: str
    first: str
    last: str
    most: str


def bars_of(by_day: Mapping[int, int], today: int, *, step: int, height: int) -> Bars:
    """`by_day`: runs by day since the epoch (UTC); the last DAYS of them are drawn."""
    days = range(today - DAYS + 1, today + 1)
    most = max((by_day.get(day, 0) for day in days), default=0)
    drawn = [
        _bar(index * step, by_day[day], most, height, day)
        for index, day in enumerate(days)
        if by_day.get(day)
    ]
    return Bars(
        width=DAYS * step,
        height=height,
        step=step,
        bars=tuple(drawn),
        says=_says({day: by_day[day] for day in days if by_day.get(day)}),
        first=_date(days[0]),
        last=_date(days[-1]),
        most=plural(most, "run"),
    )


def _bar(x: int, runs: int, most: int, height: int, day: int) -> Bar:
    tall = max(2, round(runs / most * height))
    return Bar(x, height - tall, tall, f"{_date(day)}: {plural(runs, 'run')}")


def _says(by_day: Mapping[int, int]) -> str:
    if not by_day:
        return f"In no run of the last {DAYS} days."
    worst = max(by_day, key=lambda day: by_day[day])
    on = plural(len(by_day), "day")
    return (
        f"In {plural(sum(by_day.values()), 'run')} on {on} of the last {DAYS}; "
        f"most on {_date(worst)}: {by_day[worst]}."
    )


def _date(day: int) -> str:
    return f"{datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}"
