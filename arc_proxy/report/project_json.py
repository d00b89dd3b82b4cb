"""
What is known of a project's latest runs, as JSON. Fields may be added, never renamed.

    {"runs": 14, "is_all": true,                      the latest runs of the period; whether there are no more
     "without_sub_agents": RUNS,                      runs that no other run started
     "sub_agents": [RUNS],                            by cost
     "money_went": null | {
       "runs": 12, "tasks": 9, "waiting_runs": 2,     of those runs, where it is known, those of no sub-agent;
                                                      not looked at yet
       "cost_usd",
       "tools": [{"tool", "mcp_server"} + COST],      by cost; mcp_server null: none, as far as its name says
       "mcp_servers": [{"mcp_server", "tools"} + COST],   tools: how many of it were offered or called
       "other_usd", "other_share"}}                   prompts, answers, all that is no tool

    RUNS   {"name", "runs", "failed_runs", "cost_usd", "api_equivalent_usd", "unpriced_calls", "share"}
    COST   {"called", "cost_usd", "schema_usd", "results_usd", "share"}

A share is a number from 0 to 1. Of runs it is one of what was billed, or where nothing was, of what it would
have cost; those of `without_sub_agents` and `sub_agents` sum to 1. Those of `tools` and `other_share` sum to
1, too; `mcp_servers` has the same money as the tools of it.
"""

from __future__ import annotations

from typing import Any

from analysis.spend import Spend
from analysis.tool_cost import ToolCost, server_costs, tool_costs
from analysis.tool_name import mcp_server
from arc_proxy.export.rows import usd
from arc_proxy.store.project_spending import ProjectSpent, RunsCost


def project_spent_json(spent: ProjectSpent) -> dict[str, Any]:
    whole = spent.whole
    return {
        "runs": whole.runs,
        "is_all": spent.is_all,
        "without_sub_agents": _runs_json(spent.own, whole),
        "sub_agents": [_runs_json(each, whole) for each in spent.sub_agents],
        "money_went": _money_json(spent),
    }


def _runs_json(cost: RunsCost, whole: RunsCost) -> dict[str, Any]:
    return {
        "name": cost.name or None,
        "runs": cost.runs,
        "failed_runs": cost.failed,
        "cost_usd": None if cost.is_unknown else usd(cost.nanousd),
        "api_equivalent_usd": usd(cost.api_nanousd),
        "unpriced_calls": cost.unpriced_calls,
        "share": _rounded(cost.share_of(whole)),
    }


def _money_json(spent: ProjectSpent) -> dict[str, Any] | None:
    spend = spent.spend
    if not spend.nanousd:
        return None
    tools = tool_costs(spend)
    other = spend.nanousd - sum(tool.nanousd for tool in tools)
    return {
        "runs": spent.known,
        "tasks": spend.runs,
        "waiting_runs": spent.waiting,
        "cost_usd": usd(spend.nanousd),
        "tools": [
            {"tool": tool.name or None, "mcp_server": mcp_server(tool.name)} | _cost_json(tool, spend)
            for tool in tools
        ],
        "mcp_servers": [
            {"mcp_server": server.name, "tools": server.tools} | _cost_json(server, spend)
            for server in server_costs(tools)
        ],
        "other_usd": usd(other),
        "other_share": _rounded(other / spend.nanousd),
    }


def _cost_json(tool: ToolCost, spend: Spend) -> dict[str, Any]:
    return {
        "called": tool.called,
        "cost_usd": usd(tool.nanousd),
        "schema_usd": usd(tool.schema),
        "results_usd": usd(tool.results),
        "share": _rounded(tool.nanousd / spend.nanousd),
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 6)
