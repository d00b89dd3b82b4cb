"""What tools and MCP servers cost: one sum, cut in two ways."""

from __future__ import annotations

from analysis.parts import PartKind
from analysis.spend import Spend
from analysis.tool_cost import server_costs, tool_costs

SPEND = Spend(
    runs=2,
    nanousd=1000,
    parts={
        (PartKind.TOOL_SCHEMA, "Bash"): 50,
        (PartKind.TOOL_RESULT, "Bash"): 200,
        (PartKind.TOOL_SCHEMA, "mcp__wiki__read"): 100,
        (PartKind.TOOL_SCHEMA, "mcp__wiki__find"): 90,
        (PartKind.TOOL_RESULT, "mcp__wiki__find"): 10,
        (PartKind.TOOL_SCHEMA, "mcp__idle__a"): 300,
        (PartKind.SYSTEM, ""): 250,
    },
    called={"Bash": 4, "mcp__wiki__find": 2, "mcp__quick__go": 1},
)


def test_each_tool_has_its_schema_its_results_and_its_calls():
    assert [(each.name, each.schema, each.results, each.called) for each in tool_costs(SPEND)] == [
        ("mcp__idle__a", 300, 0, 0),
        ("Bash", 50, 200, 4),
        ("mcp__wiki__find", 90, 10, 2),
        ("mcp__wiki__read", 100, 0, 0),
        ("mcp__quick__go", 0, 0, 1),  # its schema was in no request, and nothing came back
    ]


def test_a_server_is_the_sum_of_its_tools():
    servers = server_costs(tool_costs(SPEND))
    assert [(each.name, each.tools, each.nanousd, each.called) for each in servers] == [
        ("idle", 1, 300, 0),
        ("wiki", 2, 200, 2),
        ("quick", 1, 0, 1),
    ]


def test_tools_and_the_rest_are_all_of_the_money():
    assert sum(tool.nanousd for tool in tool_costs(SPEND)) + 250 == SPEND.nanousd


def test_nothing_spent_has_no_tools():
    assert tool_costs(Spend()) == []
    assert server_costs([]) == []
