"""`arc-proxy report --by project`, from the requests of a coding agent to the table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.cli.test_rows_commands import SHIFT_DAYS, recent
from tests.report.coding import SYSTEM, Session, mcp_tools
from tests.report.traffic import messages, write_har


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


SHOP, DOCS, PLAN, BARE = "/home/ada/work/shop", "/home/ada/docs", "/home/ada/plan", "/home/ada/bare"
BRIEF = "Find the login bug."
DELEGATES = ("Agent", {"description": "Look", "prompt": BRIEF, "subagent_type": "Explore"})
OWN_TOOLS = ["Agent", "Bash", "Read", *(f"Tool{number}" for number in range(12))]


def session(number: int, folder: str, tools: list[str], **more: Any) -> Session:
    return Session(f"{number:08}-0000-4000-8000-000000000000", folder, tools, days_ago=1 - SHIFT_DAYS, **more)


def coding_entries() -> list[dict[str, Any]]:
    shop = session(1, SHOP, [*OWN_TOOLS, *mcp_tools("tracker", 3), *mcp_tools("wiki", 9)])
    docs = session(2, DOCS, ["Bash"])
    plan = session(3, PLAN, ["Agent", *mcp_tools("wiki", 2)], by_plan=True)
    bare = session(4, BARE, [])
    return [
        *shop.run(
            "Fix the login.", DELEGATES, ("mcp__tracker__tool_0", {"q": "login"}), ("Bash", {"c": "ls"})
        ),
        *shop.sub_agent("a1", BRIEF, ("Read", {"path": "login.py"})),
        *shop.sub_agent("a2", "Write a test."),
        *docs.run("Write docs.", ("Bash", {"command": "ls"})),
        *plan.run("Plan it.", DELEGATES),
        *plan.sub_agent("a3", BRIEF),
        *bare.run("Say hello."),
    ]


@pytest.fixture
def coding(arc, tmp_path):
    """Four projects of a coding agent: one with all, one without sub-agents, by a plan, without tools."""
    assert arc("import", write_har(tmp_path / "coding.har", coding_entries())).code == 0
    return arc


def table_of(text: str, title: str) -> dict[str, list[str]]:
    """Rows of the table of that title by their first cell."""
    lines = text.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"{title} · "))
    rows: dict[str, list[str]] = {}
    for line in lines[start + 4 :]:
        if not line:
            break
        first, *cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        rows[first] = cells
    return rows


def percent(rows: dict[str, list[str]], column: int) -> int:
    return sum(int(cells[column].rstrip("%")) for cells in rows.values())


def test_sub_agents_by_their_sort(coding):
    rows = table_of(coding("report", "--by", "project").out, "Sub-agents of ~/work/shop")
    assert list(rows) == ["Explore", "coder", "(no sub-agent)"]
    assert [cells[0] for cells in rows.values()] == ["1", "1", "1"]  # runs
    assert abs(percent(rows, 2) - 100) <= 1


def test_tools_with_what_is_no_tool_are_all_of_the_money(coding):
    rows = table_of(coding("report", "--by", "project").out, "Tools of ~/work/shop")
    assert len(rows) == 13
    assert list(rows)[-3:] == ["5 more tools", "12 tools of 2 MCP servers", "all else: prompts, answers"]
    assert abs(percent(rows, 1) - 100) <= len(rows) / 2
    assert rows["Bash"][0] == "1"


def test_mcp_servers_and_those_that_nothing_calls(coding):
    text = coding("report", "--by", "project").out
    rows = table_of(text, "MCP servers of ~/work/shop")
    assert {name: cells[:2] for name, cells in rows.items()} == {"wiki": ["9", "0"], "tracker": ["3", "1"]}
    a_run = rows["wiki"][3]
    assert f"~/work/shop: mcp server wiki: 9 tools, {a_run} a run, called 0 times" in text.splitlines()
    assert "mcp server tracker" not in text


def test_what_there_is_none_of_is_said(coding):
    lines = coding("report", "--by", "project").out.splitlines()
    assert "no sub-agent ran in ~/docs, ~/bare" in lines
    assert "nothing was spent on a tool in ~/bare" in lines
    assert "nothing was spent on an MCP server in ~/docs, ~/bare" in lines
    assert "~/plan: what its tools cost is not known: a plan pays for them" in lines


def test_an_unknown_cost_and_none_are_said_apart(arc, tmp_path):
    entries = [
        recent("finance", "f-1", model="acme-7b", x_arc_tags="project=novel"),
        recent("finance", "f-2", status=429, x_arc_tags="project=refused"),
    ]
    arc("import", write_har(tmp_path / "none.har", entries))
    lines = arc("report", "--by", "project").out.splitlines()
    assert "novel: what its tools cost is not known: its calls have no known cost" in lines
    assert "refused: nothing was spent" in lines
    assert not [line for line in lines if line.startswith("Tools of")]


def test_under_a_plan_sub_agents_are_shared_at_list_price(coding):
    rows = table_of(coding("report", "--by", "project").out, "Sub-agents of ~/plan")
    assert list(rows) == ["Explore", "(no sub-agent)"]
    assert percent(rows, 2) == 100
    assert all(cells[3].endswith("at list price") for cells in rows.values())


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def either(request: pytest.FixtureRequest, arc, tmp_path, monkeypatch) -> Callable[..., Any]:
    if request.param == "PostgreSQL":
        make: Callable[[], str] = request.getfixturevalue("new_postgres_url")
        monkeypatch.setitem(os.environ, "ARC_DATABASE_URL", make())
    assert arc("import", write_har(tmp_path / "coding.har", coding_entries())).code == 0
    return arc


def test_the_shares_add_up_to_the_nanodollar(either):
    body = json.loads(either("report", "--by", "project", "--json").out)
    projects = {each["project"]: each for each in body["projects"]}
    for name in (SHOP, DOCS, BARE):
        latest, cost = projects[name]["latest_runs"], Decimal(projects[name]["cost_usd"])
        slices = [latest["without_sub_agents"], *latest["sub_agents"]]
        assert sum(Decimal(each["cost_usd"]) for each in slices) == cost
        assert sum(each["runs"] for each in slices) == latest["runs"] == projects[name]["runs"]
        assert sum(each["share"] for each in slices) == pytest.approx(1, abs=1e-5)
        went = latest["money_went"]
        tools = sum(Decimal(tool["cost_usd"]) for tool in went["tools"])
        assert tools + Decimal(went["other_usd"]) == Decimal(went["cost_usd"]) == cost
        shares = [tool["share"] for tool in went["tools"]]
        assert sum(shares) + went["other_share"] == pytest.approx(1, abs=1e-5)
    went = projects[SHOP]["latest_runs"]["money_went"]
    for server in went["mcp_servers"]:
        own = [tool for tool in went["tools"] if tool["mcp_server"] == server["mcp_server"]]
        for field in ("cost_usd", "schema_usd", "results_usd"):
            assert sum(Decimal(tool[field]) for tool in own) == Decimal(server[field])
        assert sum(tool["called"] for tool in own) == server["called"]
    assert projects[PLAN]["latest_runs"]["money_went"] is None


def test_projects_are_the_agent_s_tools_together(coding):
    """By project, and by tool of the one agent that all of them are of: the same money."""
    body = json.loads(coding("report", "--by", "project", "--json").out)
    [agent] = body["agents"]
    latest = [each["latest_runs"] for each in body["projects"]]
    schemas = [
        Decimal(tool["schema_usd"])
        for each in latest
        if each and each["money_went"]
        for tool in each["money_went"]["tools"]
    ]
    parts = [part for part in agent["money_went"]["parts"] if part["kind"] == "tool_schema"]
    assert sum(schemas) == sum(Decimal(part["cost_usd"]) for part in parts)


def test_only_where_it_is_asked_for(coding):
    body = json.loads(coding("report", "--json").out)
    assert [each["latest_runs"] for each in body["projects"]] == [None] * 4
    assert "Sub-agents of" not in coding("report", "--by", "tool").out


@pytest.mark.parametrize("columns", ["80", "100"])
def test_tables_fit_the_terminal(coding, monkeypatch, columns):
    monkeypatch.setitem(os.environ, "COLUMNS", columns)
    text = coding("report", "--by", "project").out
    tables = [line for line in text.splitlines() if "─" in line or "  " in line]
    assert max(map(len, tables)) <= int(columns)
    assert table_of(text, "MCP servers of ~/work/shop")["wiki"][2].endswith("%")


@pytest.mark.parametrize(
    ("form", "heading"), [("md", "## MCP servers of \\~/work/shop"), ("html", "MCP servers of")]
)
def test_in_other_forms(coding, form, heading):
    said = coding("report", "--by", "project", "--format", form).out
    assert heading in said
    assert "called 0 times" in said


def test_names_of_traffic_are_no_markup(arc, tmp_path):
    evil = "<script>x</script>\x1b[31m"
    tools = ["Bash", "mcp__<b>x__tool"]
    entries = session(1, "/srv/" + evil, tools).run("Go.", ("mcp__<b>x__tool", {}))
    entries += session(1, "/srv/" + evil, tools).sub_agent("a", "Look.")
    arc("import", write_har(tmp_path / "evil.har", entries))
    for form in ("text", "md", "html"):
        said = arc("report", "--by", "project", "--format", form).out
        assert "\x1b" not in said
        assert form == "text" or ("<script>x" not in said and "<b>x" not in said)


def test_more_projects_than_have_room_are_said(arc, tmp_path):
    entries = [
        entry for number in range(7) for entry in session(number, f"/srv/p{number}", ["Bash"]).run("Go.")
    ]
    arc("import", write_har(tmp_path / "many.har", entries))
    text = arc("report", "--by", "project").out
    assert text.count("Tools of ") == 5
    assert "of the 5 projects that cost most; --json has more" in text
    body = json.loads(arc("report", "--by", "project", "--json").out)
    assert all(each["latest_runs"] for each in body["projects"])


def test_what_was_not_looked_at_yet_is_said(coding, tmp_path, monkeypatch):
    monkeypatch.setattr("arc_proxy.ingest.analysing.Analyst.step", lambda *_: False)
    coding("import", write_har(tmp_path / "late.har", session(9, DOCS, ["Bash"]).run("And more.")))
    text = coding("report", "--by", "project").out
    assert "Tools of ~/docs, 1 of 2 runs · " in text
    assert "~/docs: 1 run not looked at yet, so not among those of its tools" in text
