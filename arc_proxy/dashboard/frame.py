"""What stands around every page: its title, the way to the others, and what makes its numbers less. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    href: str
    is_here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`here`: the path of the page in `NAVIGATION` that it is, or belongs to."""

    title: str
    here: str
    warnings: tuple[str, ...] = ()

    @property
    def navigation(self) -> tuple[Link, ...]:
        return tuple(Link(text, path, path == self.here) for path, text in NAVIGATION)


NAVIGATION = (
    ("/_arc/", "Overview"),
    ("/_arc/runs", "Runs"),
    ("/_arc/issues", "Issues"),
    ("/_arc/costs", "Costs"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for people: `utc` in words, `iso` for the browser, which shows it in its own zone."""

    utc: str
    iso: str


def moment_of(wall_ns: int) -> Moment:
    at = datetime.fromtimestamp(wall_ns / 1e9, UTC)
    return Moment(f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z")
