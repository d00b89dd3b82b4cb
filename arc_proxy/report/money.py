"""Where the money of an agent's runs went, as tables: by tool, and by part of the prompt. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analysis.parts import PART_NAMES, PartKind
from analysis.spend import Spend
from analysis.tool_cost import ToolCost, tool_costs
from analysis.waste import wasted
from arc_proxy.format import clean, count, money
from arc_proxy.report.document import Titled
from arc_proxy.report.model import AgentReport, Report
from arc_proxy.report.summary import agent_name, share_of
from arc_proxy.report.table import NAME_CELLS, Column, Table
from arc_proxy.store.spending import RUNS_MAX, Spent

TOOL_COLUMNS = (
    Column("tool", is_number=False, flex=True, keep=NAME_CELLS),
    Column("called"),
    Column("share"),
    Column("a run"),
    Column("schema", rank=1),
    Column("results", rank=1),
    Column("waste", is_number=False, flex=True, rank=2),
)


def tool_tables(report: Report) -> Iterator[Titled]:
    """For each agent, what each tool cost: its schema, its results, and what of that was wasted."""
    for agent, spent in _spenders(report):
        rows = tool_rows([tool for tool in tool_costs(spent.spend) if tool.nanousd], spent.spend)
        if rows:
            yield Titled(_title("Tools", agent, spent), Table(TOOL_COLUMNS, rows))


def tool_rows(tools: Iterable[ToolCost], spend: Spend) -> tuple[tuple[str, ...], ...]:
    """Cells of `TOOL_COLUMNS`: what each came to of the money of these runs, of which there is some."""
    notes = {each.name: each.text for each in reversed(wasted(spend)) if each.kind in _OF_TOOLS}
    return tuple(
        (
            clean(tool.name) or "-",
            count(tool.called),
            share_of(tool.nanousd / spend.nanousd),
            money(tool.nanousd / spend.runs),
            money(tool.schema / spend.runs),
            money(tool.results / spend.runs),
            clean(notes.get(tool.name, "")) or "-",
        )
        for tool in tools
    )


def prompt_tables(report: Report) -> Iterator[Titled]:
    """For each agent, what each part of its requests and answers cost."""
    columns = (Column("paid for", is_number=False), Column("share"), Column("a run"))
    for agent, spent in _spenders(report):
        spend = spent.spend
        costs = {kind: spend.of_kind(kind) for kind in PartKind}
        rows = tuple(
            (PART_NAMES[kind], share_of(costs[kind] / spend.nanousd), money(costs[kind] / spend.runs))
            for kind in sorted(costs, key=lambda kind: -costs[kind])
            if costs[kind]
        )
        yield Titled(_title("Money", agent, spent), Table(columns, rows))


_OF_TOOLS = (PartKind.TOOL_SCHEMA, PartKind.TOOL_RESULT)


def _spenders(report: Report) -> Iterator[tuple[AgentReport, Spent]]:
    for agent in report.agents:
        if agent.spent is not None and agent.spent.spend.nanousd > 0:
            yield agent, agent.spent


def _title(what: str, agent: AgentReport, spent: Spent) -> str:
    some = "" if spent.is_all else f", latest {RUNS_MAX} runs"
    return f"{what} of {agent_name(agent.agent)}{some}"
