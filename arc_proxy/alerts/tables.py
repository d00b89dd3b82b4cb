"""The tables of alerts.toml, as pydantic checks them: which keys each has, and what they may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from analysis.failure import Severity
from analysis.standing import Change
from arc_proxy.alerts.message import KINDS
from arc_proxy.alerts.rules import COOL_DOWN_NS, DAY_NS, HOUR_NS, TARGET, Rule
from arc_proxy.alerts.targets import Command, Target, Webhook
from arc_proxy.format import NANOUSD_PER_USD

_UNITS_NS = {"s": 10**9, "m": 60 * 10**9, "h": HOUR_NS, "d": DAY_NS}
_SPAN = re.compile(r"(\d{1,6})\s*([smhd])", re.ASCII)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# What would be right, by key, for who got it wrong.
EXPECTS: Mapping[str, str] = {
    "name": "a name of at most 60 characters",
    "agent": "the name of an agent",
    "to": 'names of targets, such as ["team"]',
    "cool_down": "a span of time such as 30m, at most 30d",
    "target": "a share of runs between 0 and 1, such as 95%",
    "above": "a share of runs between 0 and 1, such as 20%",
    "above_usd": "dollars, such as 0.50",
    "over": "a span of time from 1h to 30d, such as 24h",
    "min_runs": "a whole number of runs, 1 or more",
    "change": 'some of ["new", "back", "rising"]',
    "severity": 'some of ["fatal", "error", "warning", "info"]',
    "at": 'shares of the budget, such as ["80%", "100%"]',
    "slack": "the URL of a Slack incoming webhook",
    "webhook": "an http:// or https:// URL",
    "headers": 'a table such as { authorization = "..." }',
    "command": 'a program and its arguments, such as ["/usr/local/bin/notify", "--urgent"]',
}


def _span(value: object) -> object:
    """`30m`, `24h`, `7d` as nanoseconds."""
    found = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("it is no span of time")
    return int(found[1]) * _UNITS_NS[found[2]]


def _share(value: object) -> object:
    """`20%` or 0.2."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return float(value.strip()[:-1]) / 100
    return value


Share = Annotated[float, BeforeValidator(_share)]
Span = Annotated[int, BeforeValidator(_span), Field(ge=0, le=30 * DAY_NS)]
Over = Annotated[Span, Field(ge=HOUR_NS)]
Runs = Annotated[int, Field(ge=1, le=100_000, strict=True)]
Usd = Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=16, decimal_places=9)]


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RuleTable(Table):
    """What every rule may have."""

    when: str
    name: str | None = Field(None, min_length=1, max_length=60)
    agent: str | None = Field(None, max_length=200)
    to: tuple[str, ...] | None = None
    cool_down: Span = COOL_DOWN_NS

    def rule(self) -> Rule:
        name = self.when if self.agent is None else f"{self.when} of {self.agent or 'no agent'}"
        return KINDS[self.when](
            name=self.name or name,
            agent=self.agent,
            to=self.to,
            cool_down_ns=self.cool_down,
            **self.given(),
        )

    def given(self) -> dict[str, Any]:
        """The arguments that only this kind of rule has."""
        return {}


class ReliabilityTable(RuleTable):
    target: Share = Field(TARGET, gt=0, lt=1)

    def given(self) -> dict[str, Any]:
        return {"target": self.target}


class ErrorsTable(RuleTable):
    above: Share = Field(gt=0, lt=1)
    over: Over = DAY_NS
    min_runs: Runs = 10

    def given(self) -> dict[str, Any]:
        return {"above": self.above, "over_ns": self.over, "runs_min": self.min_runs}


class CostPerRunTable(RuleTable):
    above_usd: Usd
    over: Over = DAY_NS
    min_runs: Runs = 5

    def given(self) -> dict[str, Any]:
        limit = int(self.above_usd * NANOUSD_PER_USD)
        return {"above_nanousd": limit, "over_ns": self.over, "runs_min": self.min_runs}


class CostPerDayTable(RuleTable):
    above_usd: Usd

    def given(self) -> dict[str, Any]:
        return {"above_nanousd": int(self.above_usd * NANOUSD_PER_USD)}


class IssueTable(RuleTable):
    change: tuple[Change, ...] = Field((Change.NEW,), min_length=1)
    severity: tuple[Severity, ...] = Field((Severity.FATAL, Severity.ERROR), min_length=1)
    min_runs: Runs = 1

    def given(self) -> dict[str, Any]:
        return {"changes": self.change, "severities": self.severity, "runs_min": self.min_runs}


class BudgetTable(RuleTable):
    at: tuple[Annotated[Share, Field(gt=0, le=10)], ...] = Field((0.8, 1.0), min_length=1, max_length=10)

    def given(self) -> dict[str, Any]:
        return {"at": tuple(sorted(set(self.at)))}


RULE_TABLES: Mapping[str, type[RuleTable]] = {
    "reliability": ReliabilityTable,
    "errors": ErrorsTable,
    "cost-per-run": CostPerRunTable,
    "cost-per-day": CostPerDayTable,
    "issue": IssueTable,
    "budget": BudgetTable,
}


class TargetTable(Table):
    slack: str | None = None
    webhook: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    command: tuple[str, ...] | None = Field(None, min_length=1, max_length=100)

    @field_validator("slack", "webhook")
    @classmethod
    def _check_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            is_usable = False
        if not is_usable or any(not "!" <= each <= "~" for each in url):
            raise ValueError("it is no http:// or https:// URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a URL holds no password here; headers can")
        return url

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
                raise ValueError("a header's name or value has characters that it cannot have")
        return headers

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        if not command[0] or any("\0" in each for each in command):
            raise ValueError("its first word has to be a program")
        return command

    def target(self, name: str) -> Target | None:
        """None where it does not say one way to reach it."""
        if [self.slack, self.webhook, self.command].count(None) != 2:
            return None
        if self.command is not None:
            return None if self.headers else Command(name=name, arguments=self.command)
        url = self.slack or self.webhook or ""
        return Webhook(name=name, url=url, headers=self.headers, is_slack=self.slack is not None)
