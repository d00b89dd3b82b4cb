"""
From looks to alerts: what begins to fire, what goes on, what is over, and what of it is told. Pure.

    begins     a reading of level 1 or more
    goes on    while readings have a level, or say nothing
    is over    after `CLEAR_LOOKS` looks in a row at level 0, or without a reading: one may be chance
    is told    when it begins, when it gets worse, and, if it was told, when it is over

Within the cool-down nothing new is told of the same thing, unless it is worse than what was told, so what
flaps is told once. What then still fires when the cool-down ends is told then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import blake2b

from arc_proxy.alerts.rules import Reading, Rule

CLEAR_LOOKS = 3
NOTICES_MAX = 20  # of one look; the others follow with the next ones
FIRING_MAX = 500

Place = tuple[str, str]  # rule and key of its reading


class Status(StrEnum):
    """Names that reach other programs: append, never rename."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """`told_level` 0: not told yet. `alert_id` is one for all that is told of it."""

    alert_id: str
    rule: str
    reading: Reading  # the last one that had a level
    since_ns: int
    told_level: int = 0
    clear_looks: int = 0


@dataclass(frozen=True, slots=True)
class Quiet:
    """What was told lately, and until when nothing is told of it that is no worse."""

    until_ns: int
    level: int


@dataclass(frozen=True, slots=True)
class Alerts:
    """What is kept from one look to the next."""

    firing: Mapping[Place, Firing] = field(default_factory=dict)
    quiet: Mapping[Place, Quiet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell. `notice_id` is the same however often a delivery is tried."""

    notice_id: str
    status: Status
    rule: Rule
    firing: Firing
    at_ns: int


def look(
    before: Alerts, rules: Iterable[Rule], readings: Iterable[tuple[Rule, Reading]], now_ns: int
) -> tuple[Alerts, tuple[Notice, ...]]:
    """One look. Alerts of rules that are no more are dropped without a word."""
    known = {rule.name: rule for rule in rules}
    seen = {(rule.name, reading.key): reading for rule, reading in readings}
    firing: dict[Place, Firing] = {}
    quiet = dict(_still_quiet(before.quiet, known, now_ns))
    notices: list[Notice] = []
    for place in dict.fromkeys((*before.firing, *seen)):
        rule, reading = known.get(place[0]), seen.get(place)
        if rule is None or len(firing) >= FIRING_MAX:
            continue
        each = _next(before.firing.get(place), place, reading, now_ns)
        if each is None:
            continue
        if each.clear_looks >= CLEAR_LOOKS and (not each.told_level or len(notices) < NOTICES_MAX):
            if each.told_level:
                notices.append(_notice(Status.RESOLVED, rule, each, now_ns))
            continue
        level = each.reading.level or 0
        is_due = each.told_level > 0 or place not in quiet or level > quiet[place].level
        if is_due and level > each.told_level and not each.clear_looks and len(notices) < NOTICES_MAX:
            each = replace(each, told_level=level)
            notices.append(_notice(Status.FIRING, rule, each, now_ns))
            quiet[place] = Quiet(now_ns + rule.cool_down_ns, level)
        firing[place] = each
    return Alerts(firing, quiet), tuple(notices)


def _still_quiet(
    before: Mapping[Place, Quiet], rules: Mapping[str, Rule], now_ns: int
) -> Iterator[tuple[Place, Quiet]]:
    """For a cool-down from now on at most: the clock may have been ahead when something was told."""
    for place, each in before.items():
        if each.until_ns <= now_ns:
            continue
        rule = rules.get(place[0])
        until_ns = each.until_ns if rule is None else min(each.until_ns, now_ns + rule.cool_down_ns)
        yield place, replace(each, until_ns=until_ns)


def _next(known: Firing | None, place: Place, reading: Reading | None, now_ns: int) -> Firing | None:
    """What becomes of an alert with this look. None: there is none."""
    level = 0 if reading is None else reading.level
    if known is None:
        if reading is None or not level:
            return None
        rule, key = place
        alert_id = blake2b(f"{rule}\0{key}\0{now_ns}".encode(), digest_size=8).hexdigest()
        return Firing(alert_id=alert_id, rule=rule, reading=reading, since_ns=now_ns)
    if level == 0:
        return replace(known, clear_looks=known.clear_looks + 1)
    if level is None or reading is None:
        return replace(known, clear_looks=0)
    return replace(known, reading=reading, clear_looks=0)


def _notice(status: Status, rule: Rule, firing: Firing, now_ns: int) -> Notice:
    suffix = status if status is Status.RESOLVED else f"{status}-{firing.told_level}"
    return Notice(
        notice_id=f"{firing.alert_id}-{suffix}", status=status, rule=rule, firing=firing, at_ns=now_ns
    )
