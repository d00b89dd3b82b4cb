"""alerts.toml: what it can say, and what is said of mistakes in it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.failure import Severity
from analysis.standing import Change
from arc_proxy.alerts.file import AlertsFile, read_alerts_file
from arc_proxy.alerts.rules import (
    DAY_NS,
    DEFAULT_RULES,
    HOUR_NS,
    BudgetRule,
    CostPerDayRule,
    CostPerRunRule,
    ErrorsRule,
    IssueRule,
    ReliabilityRule,
)
from arc_proxy.alerts.tables import EXPECTS
from arc_proxy.alerts.targets import Command, Webhook
from arc_proxy.errors import ConfigError

SECRET = "T0/B0/kq83jx"

VALUES = st.recursive(
    st.sampled_from(
        [
            '"errors"',
            '"20%"',
            '"%"',
            '"nan%"',
            '"24h"',
            '"9999999d"',
            '"new"',
            '"team"',
            '"http://[x"',
            '""',
            "nan",
            "inf",
            "-1",
            "0.2",
            "1e400",
            "true",
            "2026-11-27",
            "12:00:00",
            "99999999999999999999",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]")
        | inner.map(lambda value: f"{{ a = {value} }}")
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(sorted({"when", "colour", *EXPECTS}))
TABLES = st.tuples(
    st.sampled_from(["[[rule]]", '[[rule]]\nwhen = "errors"', '[[rule]]\nwhen = "issue"', "[target.team]"])
    | st.sampled_from(['[[rule]]\nwhen = "budget"', '[[rule]]\nwhen = "cost-per-run"', "[rule]", "[target]"]),
    st.dictionaries(KEYS, VALUES, max_size=4),
).map(lambda table: "\n".join([table[0], *(f"{key} = {value}" for key, value in table[1].items())]))
SLACK = f'[target.team]\nslack = "https://hooks.slack.com/services/{SECRET}"\n'


def read(folder: Path, text: str) -> AlertsFile:
    (folder / "alerts.toml").write_text(text, encoding="utf-8")
    return read_alerts_file(folder)


def test_without_a_file_the_default_rules_hold(tmp_path: Path) -> None:
    found = read_alerts_file(tmp_path)
    assert (found.rules, dict(found.targets), found.is_default) == (DEFAULT_RULES, {}, True)


def test_with_nothing_but_a_target_it_is_told_by_the_default_rules(tmp_path: Path) -> None:
    found = read(tmp_path, SLACK)
    assert found.is_default
    assert [found.recipients(rule) for rule in found.rules] == [("team",)] * 3


@given(st.binary(max_size=60) | st.lists(TABLES, max_size=4).map("\n".join).map(str.encode))
def test_whatever_it_says_it_is_read_or_refused_in_a_sentence(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "alerts.toml").write_bytes(content)
        try:
            told = "" if read_alerts_file(Path(folder)).rules else "no rules"
        except ConfigError as error:
            told = str(error)
    assert told == "" or told.endswith((".", "?"))


RULES = {
    'when = "reliability"': ReliabilityRule(name="reliability"),
    'when = "reliability"\ntarget = "99%"\nagent = "a"': ReliabilityRule(
        name="reliability of a", agent="a", target=0.99
    ),
    'when = "errors"\nabove = 0.2\nover = "6h"\nmin_runs = 3': ErrorsRule(
        name="errors", above=0.2, over_ns=6 * HOUR_NS, runs_min=3
    ),
    'when = "cost-per-run"\nabove_usd = 0.1\nname = "dear"\ncool_down = "1d"': CostPerRunRule(
        name="dear", above_nanousd=100_000_000, cool_down_ns=DAY_NS
    ),
    'when = "cost-per-day"\nabove_usd = "20"\nagent = ""': CostPerDayRule(
        name="cost-per-day of no agent", agent="", above_nanousd=20 * 10**9
    ),
    'when = "issue"\nchange = ["rising"]\nseverity = ["warning", "fatal"]\nmin_runs = 5': IssueRule(
        name="issue",
        changes=(Change.RISING,),
        severities=(Severity.WARNING, Severity.FATAL),
        runs_min=5,
    ),
    'when = "budget"\nat = ["100%", 0.5]\nto = ["log"]': BudgetRule(
        name="budget", at=(0.5, 1.0), to=("log",)
    ),
}


@pytest.mark.parametrize(("text", "rule"), RULES.items())
def test_reads_a_rule(tmp_path: Path, text: str, rule: object) -> None:
    assert read(tmp_path, f"[[rule]]\n{text}\n").rules == (rule,)


def test_reads_targets_and_shows_nothing_of_them_that_is_secret(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        SLACK
        + f'[target.pager]\nwebhook = "http://10.0.0.7:9000/{SECRET}"\nheaders = {{ x-key = "{SECRET}" }}\n'
        + f'[target.script]\ncommand = ["/bin/notify", "{SECRET}"]\n',
    )
    team, pager, script = found.targets.values()
    assert isinstance(team, Webhook)
    assert isinstance(pager, Webhook)
    assert isinstance(script, Command)
    assert (team.is_slack, pager.headers, script.arguments[1]) == (True, {"x-key": SECRET}, SECRET)
    assert [each.shown for each in found.targets.values()] == [
        "Slack at hooks.slack.com",
        "webhook at 10.0.0.7:9000",
        "command /bin/notify",
    ]
    assert SECRET not in repr(found)


# Text -> words of the refusal. The secret is never one of them.
MISTAKES = {
    "no TOML": ("x = \ny = 1", ["no valid TOML", "line 1"]),
    "lists without end": ("x = " + "[" * 100_000, ["cannot be read"]),
    "a number without end": ("x = " + "1" * 5_000, ["cannot be read"]),
    "another key": ("colour = 1", ["'colour'", "[target.NAME] and [[rule]]"]),
    "a rule in single brackets": ('[rule]\nwhen = "errors"', ["[[rule]], in two pairs"]),
    "a rule that does not say when": ("\n[[rule]]\n", ["line 2", "rule 1", "does not say when", "budget"]),
    "a rule for what is nothing": ('[[rule]]\nwhen = "rain"', ["'rain'", "nothing to watch for", "issue"]),
    "a key of another kind": (
        '[[rule]]\nwhen = "errors"\nabove = 0.1\n[[rule]]\nwhen = "errors"\nabovee = 0.2',
        ["line 4", "rule 2", "cannot have 'abovee'. Did you mean above?"],
    ),
    "a key that is missing": (
        '[[rule]]\nwhen = "errors"\nmin_runs = 3',
        ["line 1", "rule 1", "above is missing", "20%"],
    ),
    "a key that is misspelt": (
        '[[rule]]\nwhen = "issue"\nchnge = ["new"]',
        ["rule 1", "'chnge'", "Did you mean change?"],
    ),
    "a limit that is none": (
        '[[rule]]\nwhen = "errors"\nabove = "a lot"',
        ["above = 'a lot'", "between 0 and 1"],
    ),
    "a share of twenty": ('[[rule]]\nwhen = "errors"\nabove = 20', ["above = 20", "20%"]),
    "a target of all runs": ('[[rule]]\nwhen = "reliability"\ntarget = 1', ["target = 1", "95%"]),
    "a cost of nothing": ('[[rule]]\nwhen = "cost-per-run"\nabove_usd = 0', ["above_usd = 0", "dollars"]),
    "a span without a unit": ('[[rule]]\nwhen = "errors"\nabove = 0.2\nover = 24', ["over = 24", "24h"]),
    "a span that is too short": (
        '[[rule]]\nwhen = "errors"\nabove = 0.2\nover = "5m"',
        ["over = '5m'", "1h to 30d"],
    ),
    "half a run": ('[[rule]]\nwhen = "issue"\nmin_runs = 0.5', ["min_runs = 0.5", "whole number"]),
    "a severity that is none": ('[[rule]]\nwhen = "issue"\nseverity = ["bad"]', ["severity", '"fatal"']),
    "a share that is none": ('[[rule]]\nwhen = "budget"\nat = ["x%"]', ["at = ['x%']", "80%"]),
    "nobody to tell": ('[[rule]]\nwhen = "issue"\nto = ["team"]', ["'team' is no target", "dashboard, log"]),
    "two rules of one name": (
        '[[rule]]\nwhen = "issue"\n[[rule]]\nwhen = "issue"\n',
        ["line 3", "called 'issue' too"],
    ),
    "a target that is no table": ('target = "x"', ["[target.NAME]"]),
    "a target of no kind": ("\n\n[target.team]\n", ["line 3", "target team needs slack, webhook"]),
    "a target of two kinds": (f'{SLACK}command = ["x"]', ["line 1", "one of them only"]),
    "headers of a command": ('[target.a]\ncommand = ["x"]\nheaders = { a = "b" }', ["one of them only"]),
    "a URL that is none": (f'[target.a]\nslack = "{SECRET}"', ["slack is refused", "no http:// or https://"]),
    "a URL with a password": (
        '[target.a]\nwebhook = "https://me:kq83jx@h.example/"',
        ["webhook is refused", "headers can"],
    ),
    "a header that breaks out": (
        f'[target.a]\nwebhook = "https://h.example/"\nheaders = {{ x = "{SECRET}\\r\\ny: z" }}',
        ["headers is refused"],
    ),
    "a command that is a line": (
        f'[target.a]\ncommand = "notify {SECRET}"',
        ["command is refused", "program"],
    ),
    "a name that is always told": ('[target.log]\ncommand = ["x"]', ["log has every alert anyway"]),
    "a name with a blank": ('[target."a b"]\ncommand = ["x"]', ["line 1", "letters, digits"]),
    "bytes that are no text": ("\udcff", ["cannot be read"]),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place_and_cure(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "alerts.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        read_alerts_file(tmp_path)
    told = str(caught.value)
    assert told.startswith(str(tmp_path / "alerts.toml"))
    for word in words:
        assert word in told
    assert "kq83jx" not in told
