"""
`alerts.toml` of the data folder: what is watched for, and who is told.

    [target.team]                       # a name of your own
    slack = "https://hooks.slack.com/services/..."

    [target.pager]
    webhook = "https://alerts.example/hook"
    headers = { authorization = "Bearer ..." }

    [target.script]
    command = ["/usr/local/bin/notify", "--urgent"]

    [[rule]]
    when = "errors"                     # or reliability, cost-per-run, cost-per-day, issue, budget
    above = "20%"
    agent = "finance"                   # else each agent by itself
    to = ["team"]                       # else all targets; the dashboard and the log have every alert

Without a rule the default ones hold, and go to all targets. A mistake is told with its place and with what
would be right, but never with what a target holds: webhooks and commands have secrets in them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from arc_proxy.alerts.rules import DEFAULT_RULES, Rule
from arc_proxy.alerts.tables import EXPECTS, RULE_TABLES, Table, TargetTable
from arc_proxy.alerts.targets import ALWAYS, Target
from arc_proxy.errors import ConfigError

ALERTS_FILE = "alerts.toml"
TARGETS_MAX = 20
RULES_MAX = 100
_NAME = re.compile(r"[\w.-]{1,40}", re.ASCII)
_Place = tuple[str, int | str]  # ("rule", 2) or ("target", "team")
_Model = TypeVar("_Model", bound=Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsFile:
    """`is_default`: the file has no rule, or is not there."""

    rules: tuple[Rule, ...] = DEFAULT_RULES
    targets: Mapping[str, Target] = field(default_factory=lambda: MappingProxyType({}))
    is_default: bool = True

    def recipients(self, rule: Rule) -> tuple[str, ...]:
        """Names of the targets that are told."""
        if rule.to is None:
            return tuple(self.targets)
        return tuple(name for name in rule.to if name not in ALWAYS)


def read_alerts_file(data_dir: Path) -> AlertsFile:
    """Raises ConfigError for what cannot be."""
    path = data_dir / ALERTS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return AlertsFile()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    try:
        return _read(text)
    except _Wrong as wrong:
        line = _line_of(text, wrong.place)
        where = f"{path}, line {line}" if line else str(path)
        raise ConfigError(f"{where}: {wrong}") from None


class _Wrong(Exception):
    """`place`: which table is wrong, None where it is none of them."""

    def __init__(self, says: str, place: _Place | None = None) -> None:
        super().__init__(says)
        self.place = place


def _read(text: str) -> AlertsFile:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _Wrong(f"it is no valid TOML: {error}.") from None
    except (ValueError, RecursionError) as error:  # a number or a nesting that Python has no room for
        raise _Wrong(f"it cannot be read: {error}.") from None
    for key in document.keys() - {"rule", "target"}:
        raise _Wrong(f"{key!r} is nothing that it can have. Known are [target.NAME] and [[rule]].")
    targets = _targets(document.get("target", {}))
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise _Wrong("a rule begins with [[rule]], in two pairs of brackets.")
    if len(tables) > RULES_MAX:
        raise _Wrong(f"it has {len(tables)} rules, and {RULES_MAX} are the most.")
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables, 1):
        rule = _rule(table, ("rule", number), targets)
        if rule.name in rules:
            raise _Wrong(
                f"a rule before it is called {rule.name!r} too. Give this one a name of its own.",
                ("rule", number),
            )
        rules[rule.name] = rule
    if not rules:
        return AlertsFile(targets=targets)
    return AlertsFile(rules=tuple(rules.values()), targets=targets, is_default=False)


def _targets(tables: object) -> dict[str, Target]:
    if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
        raise _Wrong("a target begins with [target.NAME].")
    if len(tables) > TARGETS_MAX:
        raise _Wrong(f"it has {len(tables)} targets, and {TARGETS_MAX} are the most.")
    targets: dict[str, Target] = {}
    for name, table in tables.items():
        place: _Place = ("target", name)
        if name in ALWAYS:
            raise _Wrong(f"{name} has every alert anyway, so no target can be called so.", place)
        if not _NAME.fullmatch(name):
            raise _Wrong("a target's name has letters, digits, '_', '-' and '.', at most 40.", place)
        target = _checked(TargetTable, table, place).target(name)
        if target is None:
            raise _Wrong(
                f"target {name} needs slack, webhook (it may have headers) or command, and one of them only.",
                place,
            )
        targets[name] = target
    return targets


def _rule(table: Mapping[str, Any], place: _Place, targets: Mapping[str, Target]) -> Rule:
    kind = table.get("when")
    what = f"rule {place[1]}"
    if not isinstance(kind, str) or kind not in RULE_TABLES:
        said = f"when = {kind!r} is nothing to watch for" if kind is not None else "it does not say when"
        raise _Wrong(f"{what}: {said}. Known are: {', '.join(RULE_TABLES)}.", place)
    rule = _checked(RULE_TABLES[kind], table, place).rule()
    for name in rule.to or ():
        if name not in targets and name not in ALWAYS:
            known = ", ".join((*targets, *ALWAYS))
            raise _Wrong(f"{what}: to = {name!r} is no target. Known are: {known}.", place)
    return rule


def _checked(model: type[_Model], table: Mapping[str, Any], place: _Place) -> _Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
    # A key that is misspelt is missing, too: what is there to be mended is told first.
    first = min(wrong, key=lambda each: each["type"] != "extra_forbidden" or len(each["loc"]) > 1)
    key = str(first["loc"][0])
    kind, which = place
    what = f"{kind} {which}"
    if key not in model.model_fields:
        near = get_close_matches(key, model.model_fields, n=1)
        cure = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(model.model_fields)}."
        raise _Wrong(f"{what}: it cannot have {key!r}. {cure}", place)
    if first["type"] == "missing":
        raise _Wrong(f"{what}: {key} is missing. Expected: {EXPECTS[key]}.", place)
    given = "" if kind == "target" else f" = {table[key]!r}"  # what a target says may be a secret
    why = first["msg"].removeprefix("Value error, ")
    raise _Wrong(
        f"{what}: {key}{given} is refused: {why[:1].lower()}{why[1:]}. Expected: {EXPECTS[key]}.", place
    )


def _line_of(text: str, place: _Place | None) -> int | None:
    """Where a table begins; None where it is written in another way than with a heading."""
    if place is None:
        return None
    kind, which = place
    wanted = re.sub(r"\s", "", f"[target.{which}]")
    seen = 0
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.sub(r"[\s\"']", "", line.partition("#")[0])
        seen += heading == "[[rule]]"
        if (kind == "rule" and seen == which) or heading == wanted:
            return number
    return None
