"""`arc-proxy report --by project`, from the requests of a coding agent to the table."""

from __future__ import annotations

import json
import os
from decimal import Decimal

import pytest

from tests.cli.test_rows_commands import SHIFT_DAYS, recent
from tests.report.traffic import messages, write_har

SYSTEM = (
    "You are Claude Code, Anthropic's official CLI for Claude.\n"
    "# Environment\nYou have been invoked in the following environment: \n"
    " - Primary working directory: {0}\n - Is a git repository: true"
)


def claude_code(run: str, folder: str, *, days_ago: float = 1.0):
    entry = messages(
        "coder",
        run,
        days_ago=days_ago - SHIFT_DAYS,
        system=[{"type": "text", "text": SYSTEM.format(folder)}],
        stream=False,
    )
    entry["request"]["headers"].append({"name": "user-agent", "value": "claude-cli/2.1.197 (external, cli)"})
    return entry


@pytest.fixture
def traffic(arc, tmp_path):
    entries = [
        claude_code("c-1", "/home/ada/work/shop"),
        claude_code("c-2", "/home/ada/work/shop", days_ago=0.5),
        claude_code("c-3", "/Users/ada/a/rather/long/way/down/to/the/documentation"),
        recent("finance", "f-1", x_arc_tags="project=budget"),
        recent("finance", "f-2", status=429, x_agentweave_project="budget"),
        recent("finance", "f-3"),
        recent("finance", "f-4", model="acme-7b", x_arc_tags="project=novel"),
    ]
    assert arc("import", write_har(tmp_path / "calls.har", entries)).code == 0
    return arc


def test_each_project_by_its_cost(traffic, monkeypatch):
    monkeypatch.setitem(os.environ, "COLUMNS", "120")
    lines = traffic("report", "--by", "project").out.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("project "))
    rows = {line.split("  ")[0]: line.split() for line in lines[start + 2 : start + 7]}
    assert list(rows) == [
        "~/work/shop",
        "…/long/way/down/to/the/documentation",
        "budget",
        "novel",
        "(none)",
    ]
    assert rows["~/work/shop"][1:5] == ["2", "0", "2", "0"]  # runs, failed, calls, errors
    assert rows["budget"][1:5] == ["2", "1", "2", "1"]
    assert "unknown" in rows["novel"]


def test_they_are_the_total(traffic):
    body = json.loads(traffic("report", "--json").out)
    names = [each["project"] for each in body["projects"]]
    assert names[0] == "/home/ada/work/shop"  # the path as it was stated
    assert names[-1] is None
    known = [Decimal(each["cost_usd"]) for each in body["projects"] if each["cost_usd"]]
    assert sum(known) == Decimal(body["total"]["cost_usd"])
    for name in ("runs", "failed_runs", "calls", "errors", "unpriced_calls"):
        assert sum(each[name] for each in body["projects"]) == body["total"][name]


def test_of_one_agent(traffic):
    body = json.loads(traffic("report", "--json", "--agent", "finance").out)
    assert [each["project"] for each in body["projects"]] == ["budget", "novel", None]


def test_a_narrow_terminal_keeps_project_and_cost(traffic, monkeypatch):
    monkeypatch.setitem(os.environ, "COLUMNS", "80")
    lines = traffic("report", "--by", "project").out.splitlines()
    rows = [line for line in lines if line.startswith(("~/work/shop", "…/", "budget", "(none)"))]
    assert len(rows) == 4
    assert [row for row in rows if "$" not in row or len(row) > 80] == []


def test_without_any_project_all_is_in_none(arc, tmp_path):
    arc("import", write_har(tmp_path / "calls.har", [recent("finance", "f-1")]))
    assert "(none)" in arc("report", "--by", "project").out


def test_the_tag_is_exported_and_shown(traffic):
    exported = [json.loads(line) for line in traffic("export", "calls").out.splitlines()]
    tagged = {call["run_id"]: call["tags"].get("project") for call in exported}
    assert (tagged["c-1"], tagged["f-2"], tagged["f-3"]) == ("/home/ada/work/shop", "budget", None)
    assert "project=/home/ada/work/shop" in traffic("show", "c-1").out
