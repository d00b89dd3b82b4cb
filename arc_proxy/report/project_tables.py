"""Projects as tables: their figures, and of the costliest ones sub-agents, tools and MCP servers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.spend import Spend
from analysis.tool_cost import ServerCost, ToolCost, server_costs, tool_costs
from analysis.tool_name import mcp_server
from arc_proxy.format import NO_NAME, NOTHING, UNKNOWN, clean, count, money, plural
from arc_proxy.report.document import Titled
from arc_proxy.report.model import ProjectReport
from arc_proxy.report.money import TOOL_COLUMNS, tool_rows
from arc_proxy.report.project import project_name
from arc_proxy.report.summary import share_of
from arc_proxy.report.table import NAME_CELLS, Column, Table
from arc_proxy.store.project_spending import PROJECT_RUNS_MAX, ProjectSpent, RunsCost

TOOLS_MAX = 10
UNUSED_MIN = 0.01  # of the money: a server that nothing calls is a note from there on
_OWN = "(no sub-agent)"
_REST = "all else: prompts, answers"
_SHARE = "share: a sub-agent's whole runs; a tool's schema and results in all runs"


def spent_tables(projects: Sequence[ProjectReport]) -> Iterator[Titled]:
    """What there is to say of each project that was looked into: at most three tables."""
    for name, spent in _looked_into(projects):
        if spent.sub_agents:
            yield Titled(f"Sub-agents of {name}{_latest(spent)}", _sub_agents_table(spent))
        if spent.spend.nanousd > 0 and (tools := tool_costs(spent.spend)):
            runs = _of_runs(spent)
            yield Titled(f"Tools of {name}{runs}", _tools_table(spent.spend, tools))
            if servers := server_costs(tools):
                yield Titled(f"MCP servers of {name}{runs}", _servers_table(spent.spend, servers))


def spent_notes(projects: Sequence[ProjectReport]) -> Iterator[str]:
    """MCP servers that only cost, what is not known, and which projects have no table of a kind."""
    looked_into = list(_looked_into(projects))
    for name, spent in looked_into:
        yield from (f"{name}: {said}" for said in (*_unused(spent.spend), *_unknown(spent)))
    without = {
        "no sub-agent ran in": [name for name, spent in looked_into if not spent.sub_agents],
        "nothing was spent on a tool in": [
            name for name, spent in _known(looked_into) if not tool_costs(spent.spend)
        ],
        "nothing was spent on an MCP server in": [
            name for name, spent in _known(looked_into) if not server_costs(tool_costs(spent.spend))
        ],
    }
    yield from (f"{said} {', '.join(names)}" for said, names in without.items() if names)
    if any(spent.sub_agents and tool_costs(spent.spend) for _, spent in looked_into):
        yield _SHARE
    if looked_into and any(each.spent is None and each.project is not None for each in projects):
        costliest = plural(len(looked_into), "project")
        yield f"sub-agents and tools are of the {costliest} that cost most; --json has more"


def _looked_into(projects: Sequence[ProjectReport]) -> Iterator[tuple[str, ProjectSpent]]:
    for each in projects:
        if each.spent is not None:
            yield project_name(each.project), each.spent


def _known(projects: Sequence[tuple[str, ProjectSpent]]) -> Iterator[tuple[str, ProjectSpent]]:
    return (each for each in projects if each[1].spend.nanousd > 0)


def _unused(spend: Spend) -> Iterator[str]:
    """`mcp server wiki: 9 tools, $0.41 a run, called 0 times`."""
    for server in server_costs(tool_costs(spend)):
        if not server.called and server.nanousd >= UNUSED_MIN * spend.nanousd:
            tools, cost = plural(server.tools, "tool"), money(server.nanousd / spend.runs)
            yield f"mcp server {clean(server.name)}: {tools}, {cost} a run, called 0 times"


def _unknown(spent: ProjectSpent) -> Iterator[str]:
    """Why tools have no shares, or shares of fewer runs than there are."""
    if spent.waiting:
        yield f"{plural(spent.waiting, 'run')} not looked at yet, so not among those of its tools"
    elif spent.spend.nanousd:
        return
    elif spent.whole.api_nanousd:
        yield "what its tools cost is not known: a plan pays for them"
    elif spent.whole.unpriced_calls:
        yield "what its tools cost is not known: its calls have no known cost"
    else:
        yield "nothing was spent"


def _latest(spent: ProjectSpent) -> str:
    return "" if spent.is_all else f", latest {PROJECT_RUNS_MAX} runs"


def _of_runs(spent: ProjectSpent) -> str:
    """`, 12 of 14 runs` where it is not known of all where their money went."""
    runs = spent.whole.runs
    if spent.known >= runs:
        return _latest(spent)
    latest = "" if spent.is_all else "latest "
    return f", {count(spent.known)} of {latest}{plural(runs, 'run')}"


def _sub_agents_table(spent: ProjectSpent) -> Table:
    columns = (
        Column("sub-agent", is_number=False, flex=True, keep=NAME_CELLS),
        Column("runs"),
        Column("failed", rank=2),
        Column("share"),
        Column("cost"),
        Column("a run", rank=1),
    )
    whole = spent.whole
    rows = [(clean(each.name) or NO_NAME, each) for each in spent.sub_agents]
    if spent.own.runs or spent.own.nanousd or spent.own.api_nanousd:
        rows.append((_OWN, spent.own))
    return Table(
        columns,
        tuple(
            (
                name,
                count(cost.runs),
                count(cost.failed),
                _share(cost, whole),
                _money(cost, 1),
                _money(cost, cost.runs),
            )
            for name, cost in rows
        ),
    )


def _share(cost: RunsCost, whole: RunsCost) -> str:
    share = cost.share_of(whole)
    return NOTHING if share is None else share_of(share)


def _money(cost: RunsCost, runs: int) -> str:
    if not runs:
        return NOTHING
    if cost.nanousd:
        return ("≥" if cost.unpriced_calls else "") + money(cost.nanousd / runs)
    if cost.is_unknown:
        return UNKNOWN
    return f"{money(cost.api_nanousd / runs)} at list price" if cost.api_nanousd else money(0)


def _tools_table(spend: Spend, tools: Sequence[ToolCost]) -> Table:
    """Rows that sum to all of the money: tools, those of MCP servers together, and what is no tool."""
    own = [tool for tool in tools if mcp_server(tool.name) is None]
    of_servers = [tool for tool in tools if mcp_server(tool.name) is not None]
    shown, more = own[:TOOLS_MAX], own[TOOLS_MAX:]
    if more:
        shown.append(_together(plural(len(more), "more tool"), more))
    if of_servers:
        servers = plural(len(server_costs(of_servers)), "MCP server")
        shown.append(_together(f"{plural(len(of_servers), 'tool')} of {servers}", of_servers))
    rest = spend.nanousd - sum(tool.nanousd for tool in tools)
    last = (_REST, NOTHING, share_of(rest / spend.nanousd), money(rest / spend.runs), *[NOTHING] * 3)
    return Table(TOOL_COLUMNS, (*tool_rows(shown, spend), last))


def _together(name: str, tools: Sequence[ToolCost]) -> ToolCost:
    return ToolCost(
        name=name,
        called=sum(tool.called for tool in tools),
        schema=sum(tool.schema for tool in tools),
        results=sum(tool.results for tool in tools),
    )


def _servers_table(spend: Spend, servers: Sequence[ServerCost]) -> Table:
    columns = (
        Column("MCP server", is_number=False, flex=True, keep=NAME_CELLS),
        Column("tools"),
        *TOOL_COLUMNS[1:-1],
    )
    cells = zip(servers, tool_rows(servers, spend), strict=True)
    return Table(columns, tuple((row[0], count(server.tools), *row[1:-1]) for server, row in cells))
