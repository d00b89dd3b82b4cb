"""
One dated, published price, and how it lies on disk.

A price row is never edited. A new price is a new row with a later `since`; a correction is a new row with
the same `since` and a later `recorded`, and the newest `recorded` wins. So what last month cost does not
move unless a row says, with a date, that it was wrong.

Rates are whole picodollars per unit (a token, or one use of a tool): $1.25 per million tokens is
1,250,000. Picodollars, because the cheapest published rates have five decimals per million tokens.

A row on disk is one JSON object, see `pricing.shelf`:

    tier      "standard" if absent; else "flex", "priority", "batch", "fast" ...
    since     the first UTC day it holds; absent: as far back as the source knows
    recorded  the day it entered this book
    source    "genai-prices 0.2.3"; url: the page it was read from
    rates     {bucket: picodollars}, the buckets of `Usage`, "reasoning", "request", "tool:web_search"
    over      {"200000": {bucket: picodollars}} the whole request costs this above so many input tokens
    hours     [{"days": [1..7], "from": minute, "to": minute}] of the UTC week; absent: always
    uplift    {"us": 1100} per mille, on tokens, for inference kept in that region; "regional": in any
    agrees    the second source that says the same
    filled    {"litellm 1.106.2": [bucket ...]} what the row has from elsewhere than its source
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

STANDARD = "standard"
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)  # ISO weekdays


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A part of the UTC week. `start` and `end` are minutes of the day, `end` excluded."""

    days: tuple[int, ...] = EVERY_DAY
    start: int = 0
    end: int = 24 * 60

    def contain(self, at: datetime) -> bool:
        minute = at.hour * 60 + at.minute
        return at.isoweekday() in self.days and self.start <= minute < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A price row. `model` is the book's name of the model, whatever the call's name for it."""

    provider: str
    model: str
    tier: str = STANDARD
    since: date | None = None
    recorded: date  # date.min for the user's own rows
    source: str
    url: str = ""
    picousd: Mapping[str, int]
    over: tuple[tuple[int, Mapping[str, int]], ...] = ()  # ascending; each holds only what differs
    hours: tuple[Hours, ...] = ()
    uplift_permille: Mapping[str, int] = field(default_factory=dict)
    agrees: str = ""
    filled: Mapping[str, str] = field(default_factory=dict)  # bucket -> the source it is from

    @property
    def id(self) -> str:
        """Stable, because rows are never edited: stored with each cost, found again by `PriceBook.row`."""
        tier = "" if self.tier == STANDARD else f":{self.tier}"
        hours = "" if not self.hours else ":hours"
        since = self.since.isoformat() if self.since else "start"
        origin = self.source.partition(" ")[0]
        recorded = "" if self.recorded == date.min else f"/{self.recorded.isoformat()}"
        return f"{self.provider}/{self.model}{tier}{hours}@{since}{recorded}/{origin}"

    def contains(self, at: datetime) -> bool:
        """Whether the row speaks about this hour of the week."""
        return not self.hours or any(each.contain(utc(at)) for each in self.hours)

    def for_input(self, input_tokens: int) -> Mapping[str, int]:
        """The rates of a request with so many input tokens, cache included: past a step, all of it."""
        steps = [step for threshold, step in self.over if input_tokens > threshold]
        if not steps:
            return self.picousd
        rates = dict(self.picousd)
        for step in steps:
            rates.update(step)
        return rates

    @property
    def age(self) -> tuple[date, date]:
        """Sorts rows that speak about one moment: the last one is the one to use."""
        return (self.since or date.min, self.recorded)

    def covers(self, other: Rate) -> bool:
        """
        Whether the other row would add nothing: it says the same, or the same without what was filled in.

        What is filled comes from a source that knows only today's prices, so that an older row, read
        again, has it no more.
        """
        if self.hours != other.hours and "days" not in self.filled:
            return False
        filled = self.filled.keys()
        mine = {bucket: said for bucket, said in self.picousd.items() if bucket not in filled}
        theirs = {bucket: said for bucket, said in other.picousd.items() if bucket not in filled}
        agrees = all(
            self.picousd[bucket] == other.picousd.get(bucket, self.picousd[bucket])
            for bucket in filled & self.picousd.keys()
        )
        steps = [step for step in self.over if f"over {step[0]}" not in filled or step in other.over]
        uplift = not other.uplift_permille or self.uplift_permille == other.uplift_permille
        return mine == theirs and agrees and tuple(steps) == other.over and uplift


def utc(at: datetime) -> datetime:
    """A moment in UTC; a naive time is taken for one."""
    if at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:  # of the first day or the last one there is
        return at.replace(tzinfo=UTC)


def rate_from_json(row: Mapping[str, Any], *, provider: str, model: str, url: str) -> Rate:
    """Read a row of our own data files."""
    return Rate(
        provider=provider,
        model=model,
        tier=row.get("tier", STANDARD),
        since=date.fromisoformat(row["since"]) if "since" in row else None,
        recorded=date.fromisoformat(row["recorded"]),
        source=row["source"],
        url=row.get("url", url),
        picousd=row["rates"],
        over=tuple(sorted((int(tokens), rates) for tokens, rates in row.get("over", {}).items())),
        hours=tuple(
            Hours(days=tuple(each.get("days", EVERY_DAY)), start=each["from"], end=each["to"])
            for each in row.get("hours", ())
        ),
        uplift_permille=row.get("uplift", {}),
        agrees=row.get("agrees", ""),
        filled={bucket: source for source, buckets in row.get("filled", {}).items() for bucket in buckets},
    )


def rate_to_json(rate: Rate, *, url: str) -> dict[str, Any]:
    """The row as `rate_from_json` reads it, without what is a default or the file's own `url`."""
    row: dict[str, Any] = {}
    if rate.tier != STANDARD:
        row["tier"] = rate.tier
    if rate.since is not None:
        row["since"] = rate.since.isoformat()
    row["recorded"] = rate.recorded.isoformat()
    row["source"] = rate.source
    if rate.url != url:
        row["url"] = rate.url
    row["rates"] = dict(sorted(rate.picousd.items()))
    if rate.over:
        row["over"] = {str(tokens): dict(sorted(rates.items())) for tokens, rates in rate.over}
    if rate.hours:
        row["hours"] = [
            {
                **({} if each.days == EVERY_DAY else {"days": list(each.days)}),
                "from": each.start,
                "to": each.end,
            }
            for each in rate.hours
        ]
    if rate.uplift_permille:
        row["uplift"] = dict(sorted(rate.uplift_permille.items()))
    if rate.agrees:
        row["agrees"] = rate.agrees
    if rate.filled:
        row["filled"] = {
            source: sorted(bucket for bucket, origin in rate.filled.items() if origin == source)
            for source in sorted(set(rate.filled.values()))
        }
    return row
