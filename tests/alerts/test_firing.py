"""From looks to alerts: what begins, goes on, is over, and what of it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.alerts.firing import CLEAR_LOOKS, FIRING_MAX, NOTICES_MAX, Alerts, look
from arc_proxy.alerts.rules import DAY_NS, HOUR_NS, ErrorsRule, Reading, Unit

MINUTE_NS = 60 * 10**9
RULE = ErrorsRule(name="errors", above=0.2, cool_down_ns=HOUR_NS)


def reading(level: int | None, key: str = "finance") -> Reading:
    return Reading(key=key, level=level, title=f"{key} {level}", text="", unit=Unit.SHARE)


def told(levels: list[int | None], *, every_ns: int = MINUTE_NS) -> list[str]:
    """What is told of one thing over so many looks, `-` where nothing is."""
    alerts, words = Alerts(), []
    for number, level in enumerate(levels):
        alerts, notices = look(alerts, [RULE], [(RULE, reading(level))], number * every_ns)
        words.append(" ".join(f"{each.status} {each.firing.told_level}" for each in notices) or "-")
    return words


SEQUENCES = {
    "well": ([0, 0], ["-", "-"]),
    "begins and goes on": ([1, 1, 1], ["firing 1", "-", "-"]),
    "nothing can be said": ([None, None], ["-", "-"]),
    "is over after three good looks": ([1, 0, 0, 0, 0], ["firing 1", "-", "-", "resolved 1", "-"]),
    "one good look is none": ([1, 0, 0, 1, 0, 0], ["firing 1", "-", "-", "-", "-", "-"]),
    "a look that says nothing is no good one": (
        [1, 0, 0, None, 0, 0, 0],
        ["firing 1", *"-----", "resolved 1"],
    ),
    "gets worse": ([1, 2, 2], ["firing 1", "firing 2", "-"]),
    "gets worse, better, and as bad again": ([1, 2, 1, 2], ["firing 1", "firing 2", "-", "-"]),
    "flaps within the cool-down": (
        [1, 0, 0, 0, 1, 0, 0, 0],
        ["firing 1", "-", "-", "resolved 1", "-", "-", "-", "-"],
    ),
    "is worse than what was told within the cool-down": (
        [1, 0, 0, 0, 2, 0, 0, 0, 2, 1],
        ["firing 1", "-", "-", "resolved 1", "firing 2", "-", "-", "resolved 2", "-", "-"],
    ),
    "gets worse than what was told within the cool-down": (
        [1, 0, 0, 0, 1, 2],
        ["firing 1", "-", "-", "resolved 1", "-", "firing 2"],
    ),
}


@pytest.mark.parametrize(("levels", "words"), SEQUENCES.values(), ids=SEQUENCES)
def test_is_told(levels: list[int | None], words: list[str]) -> None:
    assert told(levels) == words


def test_what_still_fires_after_the_cool_down_is_told_then() -> None:
    levels: list[int | None] = [1, 0, 0, 0, 1, 1, 1, 1, 1]
    words = told(levels, every_ns=10 * MINUTE_NS)
    assert words == ["firing 1", "-", "-", "resolved 1", "-", "-", "firing 1", "-", "-"]


def test_a_clock_that_was_ahead_keeps_nothing_quiet_for_longer_than_a_cool_down() -> None:
    ahead_ns = 365 * DAY_NS
    alerts, _ = look(Alerts(), [RULE], [(RULE, reading(1))], ahead_ns)
    for number in range(CLEAR_LOOKS):
        alerts, _ = look(alerts, [RULE], [(RULE, reading(0))], number)
    words = []
    for minute in range(20, 100, 20):
        alerts, notices = look(alerts, [RULE], [(RULE, reading(1))], minute * MINUTE_NS)
        words.append(len(notices))
    assert words == [0, 0, 1, 0]


def test_what_was_never_told_is_not_resolved_aloud() -> None:
    alerts, _ = look(Alerts(), [RULE], [(RULE, reading(1))], 0)
    quiet = Alerts({}, alerts.quiet)
    alerts, notices = look(quiet, [RULE], [(RULE, reading(1))], 1)
    assert notices == ()
    for number in range(CLEAR_LOOKS):
        alerts, notices = look(alerts, [RULE], [], 2 + number)
        assert notices == ()
    assert alerts.firing == {}


def test_a_thing_that_is_gone_is_over_and_an_alert_keeps_its_id() -> None:
    alerts, [began] = look(Alerts(), [RULE], [(RULE, reading(1))], 5)
    for number in range(CLEAR_LOOKS):
        alerts, notices = look(alerts, [RULE], [], 6 + number)
    [over] = notices
    assert (over.firing.alert_id, over.firing.since_ns) == (began.firing.alert_id, 5)
    assert over.notice_id != began.notice_id
    assert over.firing.reading.title == "finance 1"


def test_alerts_of_a_rule_that_is_no_more_go_without_a_word() -> None:
    alerts, _ = look(Alerts(), [RULE], [(RULE, reading(1))], 0)
    assert look(alerts, [], [], 1) == (Alerts({}, alerts.quiet), ())


def test_each_thing_of_a_rule_is_an_alert_of_its_own() -> None:
    alerts, notices = look(Alerts(), [RULE], [(RULE, reading(1, "a")), (RULE, reading(1, "b"))], 0)
    assert len(alerts.firing) == len({each.notice_id for each in notices}) == 2


def test_of_many_at_once_some_are_told_with_each_look() -> None:
    readings = [(RULE, reading(1, str(number))) for number in range(FIRING_MAX + 5)]
    alerts, first = look(Alerts(), [RULE], readings, 0)
    assert (len(alerts.firing), len(first)) == (FIRING_MAX, NOTICES_MAX)
    _, second = look(alerts, [RULE], readings, 1)
    assert len(second) == NOTICES_MAX
    assert not {each.notice_id for each in first} & {each.notice_id for each in second}


def test_of_many_that_are_over_at_once_some_are_told_with_each_look() -> None:
    readings = [(RULE, reading(1, str(number))) for number in range(NOTICES_MAX + 5)]
    alerts, _ = look(Alerts(), [RULE], readings, 0)
    alerts, _ = look(alerts, [RULE], readings, 1)
    told = []
    for number in range(CLEAR_LOOKS + 2):
        alerts, notices = look(alerts, [RULE], [], 2 + number)
        told.append([each.firing.alert_id for each in notices])
    assert [len(each) for each in told] == [0, 0, NOTICES_MAX, 5, 0]
    assert len({each for some in told for each in some}) == NOTICES_MAX + 5
    assert alerts.firing == {}


@given(st.lists(st.sampled_from([0, 1, 2, None]), max_size=60), st.integers(1, 3 * HOUR_NS))
def test_what_is_told_makes_sense(levels: list[int | None], every_ns: int) -> None:
    """
    An alert begins before it is over, is over once, and within a cool-down nothing begins anew that is no
    worse than what was told.
    """
    alerts, open_level, last_level, last_ns = Alerts(), 0, 0, None
    for number, level in enumerate(levels):
        now_ns = number * every_ns
        alerts, notices = look(alerts, [RULE], [(RULE, reading(level))], now_ns)
        for notice in notices:
            if notice.status == "resolved":
                assert open_level > 0
                open_level = 0
            else:
                assert notice.firing.told_level > open_level
                is_worse = notice.firing.told_level > last_level
                assert open_level or is_worse or last_ns is None or now_ns - last_ns >= HOUR_NS
                open_level = last_level = notice.firing.told_level
                last_ns = now_ns
