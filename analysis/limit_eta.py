"""
When a rate limit or a quota will be used up, from what providers said of it with each response. Pure.

The pace is how fast what remains has fallen since it last rose, up to now: what a provider gives back all the
time is in it, and so is a pause of the agent. It is trusted for ten times as long as it was watched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.warning import MINUTE_NS, Urgency, WarningKind, urgency_of
from arc_proxy.limit import Limit

READINGS_MIN = 3
TRUSTED_TIMES = 10  # of the time that the pace was watched
# Where nobody says when it is full again, a reading speaks of the minute in which it was made.
FRESH_NS = MINUTE_NS
# What is full again in a moment may be nearly empty now; of a longer window less is news.
HIGH_SHARE = 0.80
HIGHEST_SHARE = 0.95
LONG_NS = 10 * MINUTE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEta:
    """
    `used`: the share, None where nobody says of how much. `empty_in_ns`: None if it lasts until it is full
    again, or no pace shows; 0 if it is used up. `resets_in_ns`: None where nothing is said.
    """

    provider: str
    model: str | None  # None: the whole account's
    name: str
    used: float | None
    empty_in_ns: int | None
    resets_in_ns: int | None

    @property
    def kind(self) -> WarningKind:
        return WarningKind.LIMIT

    @property
    def in_ns(self) -> int | None:
        return self.empty_in_ns

    @property
    def urgency(self) -> Urgency:
        if self.empty_in_ns is not None:
            return urgency_of(self.empty_in_ns)
        return Urgency.SOON if (self.used or 0) >= HIGHEST_SHARE else Urgency.LATER


def is_current(limit: Limit, now_ns: int) -> bool:
    """Whether what was said still holds: the limit has not been reset since."""
    if limit.resets_ns is None:
        return now_ns - limit.as_of_ns <= FRESH_NS
    return limit.resets_ns > now_ns


def limit_eta(readings: Sequence[Limit], *, provider: str, model: str | None, now_ns: int) -> LimitEta | None:
    """Of one limit, its readings in order; None where the last is out of date or there is enough left."""
    if not readings or not is_current(readings[-1], now_ns):
        return None
    last = readings[-1]
    resets_in_ns = None if last.resets_ns is None else last.resets_ns - now_ns
    empty_in_ns = _empty_in_ns(readings, now_ns)
    if empty_in_ns is not None and resets_in_ns is not None and empty_in_ns >= resets_in_ns:
        empty_in_ns = None
    if empty_in_ns is None and not _is_high(last.used, resets_in_ns):
        return None
    return LimitEta(
        provider=provider,
        model=model,
        name=last.name,
        used=last.used,
        empty_in_ns=empty_in_ns,
        resets_in_ns=resets_in_ns,
    )


def _is_high(used: float | None, resets_in_ns: int | None) -> bool:
    is_long = resets_in_ns is not None and resets_in_ns >= LONG_NS
    return used is not None and used >= (HIGH_SHARE if is_long else HIGHEST_SHARE)


def _empty_in_ns(readings: Sequence[Limit], now_ns: int) -> int | None:
    """0: it is. None: no pace, or one that was not watched for long enough to say."""
    left = readings[-1].left
    if left is None or left <= 0:
        return None if left is None else 0
    first = _last_rise(readings)
    stretch = readings[first:]
    began, watched_ns = stretch[0], now_ns - stretch[0].as_of_ns
    fell = (began.left or 0) - left
    if len(stretch) < READINGS_MIN or fell <= 0 or watched_ns <= 0:
        return None
    empty_in_ns = int(left * watched_ns / fell)
    return empty_in_ns if empty_in_ns <= TRUSTED_TIMES * watched_ns else None


def _last_rise(readings: Sequence[Limit]) -> int:
    """Where the latest stretch begins in which what is left only falls."""
    rises = (
        at
        for at in range(len(readings) - 1, 0, -1)
        if (readings[at].left or 0) > (readings[at - 1].left or 0)
    )
    return next(rises, 0)
