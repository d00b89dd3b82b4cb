"""What projects spent their money on: whole runs, those of sub-agents apart, and the parts of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from analysis.tool_cost import server_costs, tool_costs
from arc_proxy.call import Call, Reply, ToolCall
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.store import names
from arc_proxy.store.engine import Store
from arc_proxy.store.project_spending import ProjectSpent, read_project_spending
from arc_proxy.store.report import read_projects
from arc_proxy.store.spending import read_spend
from arc_proxy.store.totals import Period
from arc_proxy.store.write import save
from pricing.book import load_book
from pricing.cost import Cost, CostGrade

MakeCall = Callable[..., Call]

BOOK = load_book()
NOW_NS = 1_790_000_000_000_000_000
HOUR_NS = 3_600_000_000_000
SHOP, DOCS = "/srv/shop", "docs"
BRIEF = "Find the login bug."
TOOLS = {
    "tools": [{"name": name, "input_schema": {}} for name in ("Bash", "mcp__wiki__find", "mcp__idle__a")]
}


def at(hours: float) -> int:
    return NOW_NS // 1_000_000 - int(hours * 3_600_000)


def read(store: Store, *projects: str, hours: float = 720, **more: Any) -> dict[str, ProjectSpent]:
    period = Period(since_ns=NOW_NS - int(hours * HOUR_NS), until_ns=NOW_NS)
    return read_project_spending(store, period, projects, **more)


@pytest.fixture
def run(make_call: MakeCall) -> Callable[..., Call]:
    """A run of one call that offers TOOLS; `uses`: the tool that its reply calls, with these arguments."""
    numbers = iter(range(1, 10_000))

    def made(
        run_id: str,
        hours: float,
        *,
        project: str | None = SHOP,
        parent: str | None = None,
        task: str = "Fix the login.",
        uses: tuple[str, dict[str, str]] | None = None,
        nanousd: int | None = 1000,
        **fields: Any,
    ) -> Call:
        said = [TOOLS, {"role": "user", "content": task}]
        calls = () if uses is None else (ToolCall(id="c", name=uses[0], arguments=json.dumps(uses[1])),)
        grade = CostGrade.UNKNOWN if nanousd is None else CostGrade.COMPUTED
        return make_call(
            next(numbers),
            at_ms=at(hours),
            prompt_messages=tuple(json.dumps(each, separators=(",", ":")).encode() for each in said),
            reply=Reply(model="gpt-4o-mini", finish_reason="stop", tool_calls=calls, finished=True),
            grouping_run_id=run_id,
            grouping_parent_run_id=parent,
            grouping_tags={} if project is None else {"project": project},
            **({"cost": Cost(nanousd=nanousd, grade=grade)} | fields),
        )

    return made


def looked_at(store: Store, *calls: Call) -> None:
    save(store, calls)
    analyse_due(store, BOOK, NOW_NS)


DELEGATES = ("Agent", {"subagent_type": "Explore", "prompt": BRIEF})


def test_runs_of_sub_agents_are_a_slice_of_the_money(store: Store, run: Callable[..., Call]) -> None:
    looked_at(
        store,
        run("main", 5, uses=DELEGATES),
        run("part", 4.9, parent="main", task=BRIEF, nanousd=400),
        run("again", 4.8, parent="main", task=BRIEF, nanousd=100, status=500),
        run("other", 4.7, parent="main", task="Test it.", nanousd=200, grouping_agent="tester"),
        run("docs", 4, project=DOCS),
        run("nobodys", 4, project=None),
    )
    found = read(store, SHOP, DOCS, "unknown")
    assert set(found) == {SHOP, DOCS}
    shop = found[SHOP]
    assert [(each.name, each.runs, each.failed, each.nanousd) for each in shop.sub_agents] == [
        ("Explore", 2, 1, 500),
        ("tester", 1, 0, 200),
    ]
    assert (shop.own.runs, shop.own.nanousd) == (1, 1000)
    assert shop.whole.nanousd == shop.spend.nanousd == 1700
    assert shop.is_all
    assert found[DOCS].sub_agents == ()


def test_tools_are_parts_of_the_same_money(store: Store, run: Callable[..., Call]) -> None:
    looked_at(
        store,
        run("main", 5, uses=("mcp__wiki__find", {"q": "login"})),
        run("part", 4.9, parent="main", nanousd=500),
    )
    spend = read(store, SHOP)[SHOP].spend
    tools = tool_costs(spend)
    assert {tool.name for tool in tools} == {"Bash", "mcp__wiki__find", "mcp__idle__a"}
    assert sum(spend.parts.values()) == spend.nanousd == 1500
    assert [(server.name, server.called) for server in server_costs(tools)] == [("wiki", 1), ("idle", 0)]


def test_they_are_the_sums_that_the_agent_has(store: Store, run: Callable[..., Call]) -> None:
    looked_at(store, *[run(f"r{number}", 5 - number / 10, uses=("Bash", {"c": "ls"})) for number in range(5)])
    period = Period(since_ns=0, until_ns=NOW_NS)
    assert read(store, SHOP)[SHOP].spend == read_spend(store, "finance", period).spend


def test_a_run_counts_where_it_began(store: Store, run: Callable[..., Call]) -> None:
    looked_at(
        store,
        run("old", 50, uses=DELEGATES),
        run("part", 4, parent="old", task=BRIEF, nanousd=400),
        run("later", -1),
    )
    shop = read(store, SHOP, hours=24)[SHOP]
    assert shop.whole.nanousd == 400
    # The run that started it began before the period, and still says of what sort it is.
    assert [each.name for each in shop.sub_agents] == ["Explore"]
    assert read(store, SHOP, hours=2) == {}


def test_of_many_runs_the_latest_are_read(store: Store, run: Callable[..., Call]) -> None:
    looked_at(
        store,
        run("docs", 9, project=DOCS, nanousd=7),
        *[run(f"r{number}", 8 - number / 10, nanousd=10**number) for number in range(5)],
    )
    found = read(store, SHOP, DOCS, limit=2)
    assert (found[SHOP].whole.runs, found[SHOP].whole.nanousd, found[SHOP].is_all) == (2, 11_000, False)
    assert (found[DOCS].whole.nanousd, found[DOCS].is_all) == (7, True)
    assert read(store, SHOP, limit=5)[SHOP].is_all


def test_what_was_not_looked_at_is_counted_and_in_no_share(store: Store, run: Callable[..., Call]) -> None:
    looked_at(store, run("seen", 5, nanousd=30), run("unpriced", 4.5, nanousd=None))
    save(store, [run("new", 4, nanousd=70)])
    shop = read(store, SHOP)[SHOP]
    assert (shop.whole.runs, shop.whole.nanousd, shop.whole.unpriced_calls) == (3, 100, 1)
    assert (shop.spend.runs, shop.spend.nanousd, shop.waiting) == (1, 30, 1)


def test_under_a_plan_the_sort_is_known_and_what_tools_cost_is_not(
    store: Store, run: Callable[..., Call]
) -> None:
    plan = {"cost": Cost(nanousd=900, grade=CostGrade.API_EQUIVALENT)}
    looked_at(
        store,
        run("main", 5, uses=DELEGATES, **plan),
        run("part", 4.9, parent="main", task=BRIEF, **plan),
    )
    shop = read(store, SHOP)[SHOP]
    assert [(each.name, each.nanousd, each.api_nanousd) for each in shop.sub_agents] == [("Explore", 0, 900)]
    assert shop.sub_agents[0].share_of(shop.whole) == 0.5
    assert shop.spend.nanousd == 0
    assert read_spend(store, "finance", Period(since_ns=0, until_ns=NOW_NS)).spend.runs == 0


def test_of_one_agent(store: Store, run: Callable[..., Call]) -> None:
    looked_at(store, run("a", 5, nanousd=1), run("b", 4, nanousd=20, grouping_agent="tester"))
    assert read(store, SHOP, agent="tester")[SHOP].whole.nanousd == 20
    assert read(store, SHOP, agent="nobody") == {}


def test_projects_beyond_the_cap_are_not_taken_for_one_of_that_name(
    store: Store, run: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "PROJECTS_MAX", 1)
    looked_at(store, run("a", 5), run("b", 4, project="beyond"), run("c", 3, project="other"))
    period = Period(since_ns=0, until_ns=NOW_NS)
    projects = [use.project for use in read_projects(store, period)]
    assert set(projects) == {SHOP, "other"}
    assert set(read(store, *projects)) == {SHOP}


def test_two_runs_that_name_each_other_are_both_read(store: Store, run: Callable[..., Call]) -> None:
    looked_at(store, run("a", 5, parent="b"), run("b", 4, parent="a"))
    shop = read(store, SHOP)[SHOP]
    assert (shop.own.runs, shop.sub_agents[0].runs) == (0, 2)
