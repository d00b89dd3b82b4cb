"""
What tools cost, by tool and by MCP server: their schemas, and their results as often as they were sent. Pure.

Names are as they were captured: what shows them has to clean them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.parts import PartKind
from analysis.spend import Spend
from analysis.tool_name import mcp_server


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCost:
    """Nanodollars, of all runs together."""

    name: str
    called: int
    schema: int
    results: int

    @property
    def nanousd(self) -> int:
        return self.schema + self.results


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCost(ToolCost):
    """Of all tools of one MCP server; `tools`: how many of them were offered or called."""

    tools: int


def tool_costs(spend: Spend) -> list[ToolCost]:
    """The costliest first. What was only called, and neither offered nor answered, costs nothing."""
    names = {name for kind, name in spend.parts if kind in (PartKind.TOOL_SCHEMA, PartKind.TOOL_RESULT)}
    found = [
        ToolCost(
            name=name,
            called=spend.called.get(name, 0),
            schema=spend.parts.get((PartKind.TOOL_SCHEMA, name), 0),
            results=spend.parts.get((PartKind.TOOL_RESULT, name), 0),
        )
        for name in names | spend.called.keys()
    ]
    return sorted(found, key=_by_cost)


def server_costs(tools: Iterable[ToolCost]) -> list[ServerCost]:
    """The costliest first."""
    by_server: dict[str, list[ToolCost]] = {}
    for tool in tools:
        server = mcp_server(tool.name)
        if server is not None:
            by_server.setdefault(server, []).append(tool)
    found = [
        ServerCost(
            name=server,
            tools=len(each),
            called=sum(tool.called for tool in each),
            schema=sum(tool.schema for tool in each),
            results=sum(tool.results for tool in each),
        )
        for server, each in by_server.items()
    ]
    return sorted(found, key=_by_cost)


def _by_cost(tool: ToolCost) -> tuple[int, int, str]:
    return -tool.nanousd, -tool.called, tool.name
