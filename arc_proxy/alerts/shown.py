"""Alerts as people and programs see them: what is watched for, what fires, how deliveries went. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from arc_proxy.alerts.kept import Delivery, Kept
from arc_proxy.alerts.message import kind_of, reading_json
from arc_proxy.alerts.rules import (
    BudgetRule,
    CostPerDayRule,
    CostPerRunRule,
    ErrorsRule,
    IssueRule,
    ReliabilityRule,
    Rule,
)
from arc_proxy.alerts.targets import ALWAYS, Target
from arc_proxy.format import NO_NAME, ago, clean, duration, money, plural, share
from arc_proxy.journal.fact import rfc3339
from arc_proxy.report.table import Column, Table

if TYPE_CHECKING:  # what a report imports, it imports each time
    from arc_proxy.alerts.file import AlertsFile

FIRING_SHOWN_MAX = 50
WARNINGS_MAX = 5
SAMPLE = """\
[target.team]
slack = "https://hooks.slack.com/services/..."

[[rule]]
when = "errors"
above = "20%"\
"""


def rule_words(rule: Rule) -> str:
    """`more than 20% of runs fail in 24 h, of 10 or more`."""
    match rule:
        case ReliabilityRule():
            return f"fails faster than a target of {share(rule.target)} of runs allows"
        case ErrorsRule():
            over = duration(rule.over_ns / 1e6)
            return f"more than {share(rule.above)} of runs fail in {over}{_least(rule.runs_min)}"
        case CostPerRunRule():
            over = duration(rule.over_ns / 1e6)
            return f"a run costs more than {money(rule.above_nanousd)} in {over}{_least(rule.runs_min)}"
        case CostPerDayRule():
            return f"more than {money(rule.above_nanousd)} spent today"
        case IssueRule():
            changes, severities = ", ".join(rule.changes), ", ".join(rule.severities)
            return f"an issue is {changes} ({severities}){_least(rule.runs_min)}"
        case BudgetRule():
            return f"{', '.join(map(share, rule.at))} of the day's budget spent"
        case _:
            raise AssertionError(f"{rule} is of no known kind")


def _least(runs: int) -> str:
    return f", of {runs} or more" if runs > 1 else ""


def rules_table(file: AlertsFile) -> Table:
    columns = (
        Column("rule", is_number=False, flex=True, keep=24),
        Column("fires when", is_number=False, flex=True, keep=40),
        Column("agent", is_number=False, flex=True),
        Column("tells", is_number=False, flex=True, rank=1),
    )
    rows = tuple(
        (
            rule.name,
            rule_words(rule),
            _whose(rule),
            ", ".join((*ALWAYS, *file.recipients(rule))),
        )
        for rule in file.rules
    )
    return Table(columns, rows)


def _whose(rule: Rule) -> str:
    if rule.agent is None:
        return "all together" if isinstance(rule, CostPerDayRule) else "each"
    return rule.agent or NO_NAME


def firing_table(kept: Kept, now_ns: int) -> Table:
    columns = (
        Column("fires now", is_number=False, flex=True, keep=60),
        Column("since"),
        Column("urgency", is_number=False, rank=1),
        Column("rule", is_number=False, flex=True, rank=2),
        Column("told", is_number=False, rank=3),
    )
    rows = tuple(
        (
            clean(each.reading.title),
            ago(each.since_ns, now_ns),
            str(each.reading.urgency),
            each.rule,
            "yes" if each.told_level else "after its cool-down",
        )
        for each in list(kept.alerts.firing.values())[:FIRING_SHOWN_MAX]
    )
    return Table(columns, rows)


def targets_table(file: AlertsFile, kept: Kept, now_ns: int) -> Table:
    columns = (
        Column("target", is_number=False),
        Column("is", is_number=False, flex=True, keep=24),
        Column("last delivery", is_number=False, flex=True, keep=30),
        Column("when"),
        Column("waiting"),
    )
    return Table(columns, tuple(_target_row(each, kept, now_ns) for each in file.targets.values()))


def _target_row(target: Target, kept: Kept, now_ns: int) -> tuple[str, ...]:
    last = kept.deliveries.get(target.name)
    waiting = sum(parcel.target == target.name for parcel in kept.parcels)
    if last is None:
        return (target.name, target.shown, "none yet", "-", str(waiting))
    return (target.name, target.shown, delivery_words(last), ago(last.at_ns, now_ns), str(waiting))


def delivery_words(last: Delivery) -> str:
    """`answered 200`; `failed 3 times: answered 500, 2 messages given up`."""
    said = last.says if last.is_ok else f"failed {plural(last.failures, 'time')}: {last.says}"
    return f"{said}, {plural(last.given_up, 'message')} given up" if last.given_up else said


def trouble_words(kept: Kept) -> Iterator[str]:
    """A sentence for each target whose last try failed."""
    for name, last in kept.failing.items():
        yield f"alerts do not reach {name}: {delivery_words(last)}"


def warning_lines(kept: Kept, now_ns: int, agent: str | None = None) -> Iterator[str]:
    """What fires and was told, for a report or a page, and what does not arrive. `agent`: only this one's."""
    told = [each for each in kept.alerts.firing.values() if each.told_level]
    firing = [each for each in told if agent is None or each.reading.agent in (None, agent)]
    for each in firing[:WARNINGS_MAX]:
        yield f"alert: {each.reading.title} (since {ago(each.since_ns, now_ns)}). {each.reading.text}"
    if len(firing) > WARNINGS_MAX:
        yield f"alerts: {len(firing) - WARNINGS_MAX} more; `arc-proxy alerts` lists them"
    yield from trouble_words(kept)


def firing_json(kept: Kept) -> list[dict[str, Any]]:
    return [
        {
            "alert_id": each.alert_id,
            "rule": each.rule,
            "since": rfc3339(each.since_ns),
            "is_told": each.told_level > 0,
        }
        | reading_json(each.reading)
        for each in kept.alerts.firing.values()
    ]


def deliveries_json(kept: Kept) -> dict[str, Any]:
    """By target."""
    return {
        name: {
            "at": rfc3339(each.at_ns),
            "is_ok": each.is_ok,
            "says": each.says,
            "failures": each.failures,
            "given_up": each.given_up,
            "waiting": sum(parcel.target == name for parcel in kept.parcels),
        }
        for name, each in kept.deliveries.items()
    }


def rule_json(rule: Rule, file: AlertsFile) -> dict[str, Any]:
    return {
        "name": rule.name,
        "when": kind_of(rule),
        "agent": rule.agent,
        "says": rule_words(rule),
        "to": [*ALWAYS, *file.recipients(rule)],
        "cool_down_s": rule.cool_down_ns // 10**9,
    }
