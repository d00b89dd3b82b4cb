"""
What a target is sent. Pure.

The JSON of a webhook and of a command's standard input, one object. Fields may be added, never renamed:

    version        1
    id             of this message, the same on each try: a target that saw it may drop it
    alert_id       the same for all messages of one alert
    status         "firing", "resolved" or "test"
    rule, kind     name of the rule, and what it watches: "reliability", "errors", "cost-per-run",
                   "cost-per-day", "issue", "budget"; of a test "test"
    urgency        "page": somebody should look now, "ticket": in the next days
    agent          null: none, or all of them
    title, text    a line, and what stands behind it
    since, at      RFC 3339: when it began to fire, and when this was said
    value, limit   numbers in `unit` ("burn_rate", "share", "runs"), decimal strings of dollars for "usd"
    is_at_least    the value is a lower bound: the cost of some calls is not known, or how some runs went
    issue          null, or {"issue_id", "code", "change", "began_with_version"}

A resolved message says what was the matter, with the last value that fired.

Slack's form: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, its three characters
that have to be escaped: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arc_proxy.alerts.firing import Notice, Status
from arc_proxy.alerts.rules import (
    BudgetRule,
    CostPerDayRule,
    CostPerRunRule,
    ErrorsRule,
    IssueRule,
    Reading,
    ReliabilityRule,
    Rule,
    Unit,
)
from arc_proxy.export.rows import usd
from arc_proxy.format import clean
from arc_proxy.journal.fact import rfc3339

VERSION = 1
Message = Mapping[str, Any]

KINDS: Mapping[str, type[Rule]] = {
    "reliability": ReliabilityRule,
    "errors": ErrorsRule,
    "cost-per-run": CostPerRunRule,
    "cost-per-day": CostPerDayRule,
    "issue": IssueRule,
    "budget": BudgetRule,
}
_KIND_OF = {rule: kind for kind, rule in KINDS.items()}
_STATUS_WORDS = {Status.FIRING: "", Status.RESOLVED: "Resolved: ", Status.TEST: "Test: "}
# Environment variables of a command, and the fields that they hold.
_VARIABLES = ("id", "alert_id", "status", "rule", "kind", "urgency", "agent", "title", "text")


def kind_of(rule: Rule) -> str:
    return _KIND_OF[type(rule)]


def message_of(notice: Notice) -> Message:
    firing = notice.firing
    return {
        "version": VERSION,
        "id": notice.notice_id,
        "alert_id": firing.alert_id,
        "status": str(notice.status),
        "rule": notice.rule.name,
        "kind": kind_of(notice.rule),
        "since": rfc3339(firing.since_ns),
        "at": rfc3339(notice.at_ns),
    } | reading_json(firing.reading)


def reading_json(reading: Reading) -> dict[str, Any]:
    return {
        "urgency": str(reading.urgency),
        "agent": reading.agent,
        "title": clean(reading.title),
        "text": clean(reading.text),
        "value": _number(reading.value, reading.unit),
        "limit": _number(reading.limit, reading.unit),
        "unit": str(reading.unit),
        "is_at_least": reading.is_at_least,
        "issue": None
        if reading.issue_key is None
        else {
            "issue_id": reading.issue_key,
            "code": reading.code,
            "change": reading.change,
            "began_with_version": reading.version,
        },
    }


def trial_message(target: str, now_ns: int) -> Message:
    """Told from a real one by its status, its kind and its words."""
    reading = Reading(
        key="test",
        level=1,
        title="this is a test of arc-proxy's alerts",
        text=f"Nothing is the matter. `arc-proxy alerts test` sent it to {target}.",
        unit=Unit.RUNS,
    )
    return {
        "version": VERSION,
        "id": f"test-{now_ns}",
        "alert_id": f"test-{now_ns}",
        "status": str(Status.TEST),
        "rule": "test",
        "kind": "test",
        "since": rfc3339(now_ns),
        "at": rfc3339(now_ns),
    } | reading_json(reading)


def headline(message: Message) -> str:
    """`Resolved: finance fails 17.2 times as often as it may`."""
    return f"{_STATUS_WORDS[Status(message['status'])]}{message['title']}"


def slack_payload(message: Message) -> Mapping[str, Any]:
    """One text: the headline, and what stands behind it. Captured text can neither link nor ping anybody."""
    text = f"arc-proxy: {headline(message)}\n{message['text']}"
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def variables(message: Message) -> dict[str, str]:
    """`ARC_ALERT_STATUS`, `ARC_ALERT_TITLE` ...: what a short script needs, empty where there is nothing."""
    return {f"ARC_ALERT_{name.upper()}": str(message[name] or "") for name in _VARIABLES}


def _number(value: float | None, unit: Unit) -> float | str | None:
    if value is None:
        return None
    return usd(round(value)) if unit is Unit.USD else round(value, 6)
