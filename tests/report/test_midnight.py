"""When a day began, by the clock on the wall, on the days on which that is moved too."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from arc_proxy.report.health import midnight_ns


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


DAYS = {
    "any day": ("Europe/Berlin", "2026-11-27T12:00"),
    "the day on which summer begins": ("Europe/Berlin", "2026-03-29T12:00"),
    "the day on which summer ends": ("Europe/Berlin", "2026-10-25T12:00"),
    "before the clock was moved": ("Europe/Berlin", "2026-10-25T01:30"),
    "a zone of half an hour": ("Asia/Kolkata", "2026-11-27T12:00"),
    "no zone": ("UTC", "2026-11-27T23:59"),
}


@pytest.mark.parametrize(("zone", "noon"), DAYS.values(), ids=DAYS, indirect=["zone"])
def test_a_day_begins_at_midnight(zone: str, noon: str) -> None:
    now = datetime.fromisoformat(noon).replace(tzinfo=ZoneInfo(zone))
    began = now.replace(hour=0, minute=0)
    assert midnight_ns(int(now.timestamp()) * 10**9) == int(began.timestamp()) * 10**9
