"""Times as people type them after --since and --until."""

from __future__ import annotations

import re
from datetime import datetime

from arc_proxy.errors import UsageError

_NS_PER_S = 1_000_000_000
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_BACK = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])", re.ASCII)


def parse_moment(text: str, now_ns: int) -> int | None:
    """
    `30m`, `24h`, `7d`, `2w` back from now, an ISO 8601 date or time, or `all`. Nanoseconds since the epoch.

    None for `all`: no bound. A time without a zone is of this machine's zone. Raises UsageError.
    """
    text = text.strip().lower()
    if text == "all":
        return None
    back = _BACK.fullmatch(text)
    try:
        if back:
            return max(0, now_ns - int(float(back[1]) * _UNIT_S[back[2]] * _NS_PER_S))
        return max(0, round(datetime.fromisoformat(text.upper()).timestamp() * 1_000_000) * 1000)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{text!r} is no time: 30m, 24h, 7d, 2w back from now, 2026-11-25, 2026-11-25T14:00, or all."
        ) from None


def parse_period(since: str, until: str | None, now_ns: int) -> tuple[int | None, int | None]:
    """Both bounds, the second one exclusive. Raises UsageError where nothing can lie between them."""
    start = parse_moment(since, now_ns)
    end = parse_moment(until, now_ns) if until else None
    if start is not None and end is not None and start >= end:
        raise UsageError(f"--since {since} is not before --until {until}, so nothing can lie between them.")
    return start, end
