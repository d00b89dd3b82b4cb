"""Early warnings on the card, from calls that were recorded: each where it belongs, and none beside it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from analysis.budget import Budgets
from arc_proxy.dashboard.page import make_page, render_page
from arc_proxy.report.document import as_markdown, as_text
from arc_proxy.report.jsonable import report_json
from arc_proxy.report.layout import document_of
from arc_proxy.report.model import Report
from arc_proxy.report.summary import make_card
from tests.report.test_build import make_report
from tests.report.traffic import NOW_NS, call

USD = 10**9
MINUTE = 1 / 1440  # of a day


@pytest.fixture
def report_of(tmp_path):
    return partial(make_report, tmp_path)


def warnings_of(report: Report, agent: str = "finance") -> list[str]:
    [found] = [each for each in report.agents if each.agent == agent]
    return [line.value for line in make_card(found).lines if line.label == "Warning"]


def spending(agent: str, *, minutes_ago: float, run: str = "r") -> dict[str, Any]:
    """$2.25 at once."""
    return call(agent, run, days_ago=minutes_ago * MINUTE, tokens=(1_000_000, 100_000))


def test_a_budget_is_nearly_spent(report_of):
    entries = [spending("finance", minutes_ago=minutes, run=f"r{minutes}") for minutes in (5, 10)]
    entries.append(spending("research", minutes_ago=10))
    budgets = Budgets(per_agent={"finance": 5 * USD, "*": 100 * USD}, per_day=8 * USD)
    report = report_of(entries, budgets=budgets)
    [said] = warnings_of(report)
    # $4.50 in the hour before noon and the minutes since: $0.50 more go within minutes.
    assert said.startswith("today's budget of $5.00 for finance is 90% used, at this pace spent in about ")
    assert warnings_of(report, "research") == []
    document = document_of(report, "30d")
    [whole] = document.warnings
    assert whole.startswith("today's budget of $8.00 for all agents is 84% used")
    assert f"! {whole}" in list(as_text(document, 120))
    assert [each["figures"]["of"] for each in report_json(report)["warnings"]] == ["day"]


def test_of_a_time_that_is_over_nothing_is_foreseen(report_of):
    entries = [spending("finance", minutes_ago=5)]
    report = report_of(entries, budgets=Budgets(per_agent={"*": 1}, per_day=1), until_ns=NOW_NS - 10**9)
    assert warnings_of(report) == []
    assert report.warnings == ()


def loop(run: str, *, days_ago: float, steps: int = 12) -> list[dict[str, Any]]:
    """A run whose history grows and is sent again in each step."""
    entries = []
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"task {run}"}]
    for step in range(steps):
        entry = call("finance", run, days_ago=days_ago - step * MINUTE, tokens=(1000 + 3000 * step, 50))
        body = json.loads(entry["request"]["postData"]["text"]) | {"messages": messages}
        entry["request"]["postData"]["text"] = json.dumps(body)
        entries.append(entry)
        messages = [
            *messages,
            {"role": "assistant", "content": f"thought {step} " * 200},
            {"role": "user", "content": f"go on {step} " * 200},
        ]
    return entries


def test_steps_that_grow_dearer(report_of):
    report = report_of([each for day in (1, 2, 3, 4) for each in loop(f"r{day}", days_ago=day)])
    [said] = warnings_of(report)
    # The second step has a prompt of 4,000 tokens, the eleventh one of 31,000.
    assert said == "a step costs 7.1x after 12 steps ($0.0055 -> $0.039): the history is re-sent uncached"
    document = document_of(report, "30d")
    assert "- Warning: a step costs 7.1x after 12 steps" in "\n".join(as_markdown(document))
    assert "the history is re-sent uncached" in render_page(make_page(document), alone=True)
    [found] = report_json(report)["agents"][0]["warnings"]
    assert (found["kind"], found["figures"]["runs_growing"]) == ("step_growth", 4)


def test_few_runs_that_grow_are_no_pattern(report_of):
    report = report_of([each for day in (1, 2) for each in loop(f"r{day}", days_ago=day)])
    assert warnings_of(report) == []


def test_an_agent_that_does_nothing_odd_has_none(report_of):
    report = report_of([call("finance", f"r{at}", days_ago=at / 10) for at in range(30)])
    assert warnings_of(report) == []
    assert document_of(report, "30d").warnings == ()


PACE = "rate limit of gpt-5 (tokens) 70% used, at this pace used up in about 26 s (full again in 59 m)"


@pytest.mark.parametrize(
    ("minutes_ago", "says"), [(1, [PACE]), (5, [])], ids=["while it goes on", "once it is silent"]
)
def test_an_agent_has_a_pace_while_it_goes_on(report_of, minutes_ago, says):
    entries = []
    for at, left in enumerate((100, 80, 50, 30)):
        entry = call("finance", "r", days_ago=(minutes_ago - at / 10) * MINUTE)
        limits = {"limit": "100", "remaining": str(left), "reset": "60m"}
        entry["response"]["headers"] += [
            {"name": f"x-ratelimit-{what}-tokens", "value": value} for what, value in limits.items()
        ]
        entries.append(entry)
    assert warnings_of(report_of(entries)) == says
