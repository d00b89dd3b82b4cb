from __future__ import annotations

from datetime import UTC, datetime

import pytest

from arc_proxy.cli.when import parse_moment, parse_period
from arc_proxy.errors import UsageError

NOW = int(datetime(2026, 11, 25, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
MINUTE = 60_000_000_000

MOMENTS = {
    "minutes": ("30m", NOW - 30 * MINUTE),
    "hours": ("24h", NOW - 24 * 60 * MINUTE),
    "half a day": ("0.5d", NOW - 12 * 60 * MINUTE),
    "weeks, in capitals": ("2W", NOW - 14 * 24 * 60 * MINUTE),
    "a time with a zone": ("2026-11-25T10:00:00Z", NOW - 120 * MINUTE),
    "a time with another zone": ("2026-11-25T11:00+01:00", NOW - 120 * MINUTE),
    "all": ("all", None),
    "more than there is": ("9999999w", 0),
}


@pytest.mark.parametrize(("text", "moment"), MOMENTS.values(), ids=MOMENTS)
def test_reads(text, moment):
    assert parse_moment(text, NOW) == moment


def test_a_date_is_of_this_machines_zone():
    assert parse_moment("2026-11-25", NOW) == int(datetime(2026, 11, 25).timestamp()) * 1_000_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "24", "-3h", "2026-13-01", "h", "1e5h", "٣h"])
def test_refuses(text):
    with pytest.raises(UsageError, match="is no time"):
        parse_moment(text, NOW)


def test_a_period_ends_after_it_begins():
    assert parse_period("24h", "1h", NOW) == (NOW - 24 * 60 * MINUTE, NOW - 60 * MINUTE)
    assert parse_period("all", None, NOW) == (None, None)
    with pytest.raises(UsageError, match="nothing can lie between"):
        parse_period("1h", "24h", NOW)
