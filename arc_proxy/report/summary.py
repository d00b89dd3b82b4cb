"""The card of an agent, from its numbers. Pure."""

from __future__ import annotations

from analysis.trend import Trend
from arc_proxy.format import UNKNOWN, Spend, change, count, money, plural, share
from arc_proxy.report.card import Card, Line
from arc_proxy.report.model import AgentReport, Weeks

NO_NAME = "(no agent named)"


def agent_name(agent: str | None) -> str:
    return agent or NO_NAME


def make_card(report: AgentReport) -> Card:
    lines = [_runs(report), _cost_per_run(report), _usage(report), _same_tokens(report), _errors(report)]
    return Card(agent_name(report.agent), tuple(line for line in lines if line is not None))


def cost_per_run(report: AgentReport) -> float | None:
    """Nanodollars; None where it is unknown. A lower bound where calls are unpriced or partly priced."""
    if report.runs.runs == 0 or report.runs.spend.is_unknown:
        return None
    return report.runs.spend.nanousd / report.runs.runs


def per_run(nanousd: float | None, spend: Spend) -> str:
    """`$0.013`, `~$0.013` with estimates in it, `≥$0.013` where something is missing."""
    if nanousd is None:
        return UNKNOWN
    sign = "≥" if spend.unpriced_calls or spend.partial_calls else "~" if spend.estimated_calls else ""
    return sign + money(nanousd)


def _runs(report: AgentReport) -> Line:
    return Line("Runs", count(report.runs.runs), _runs_change(report.weeks))


def _runs_change(weeks: Weeks) -> str:
    more = weeks.runs_now - weeks.runs_before
    if weeks.runs_now == 0:
        return "none this week"
    if more == 0:
        return "as many as the week before"
    return f"{'▲' if more > 0 else '▼'} {more:+,} this week"


def _cost_per_run(report: AgentReport) -> Line:
    spend = report.runs.spend
    if report.runs.runs == 0:
        return Line("Cost/run", "-", "no run in this period")
    notes = [] if spend.is_unknown else [trend_words(report.weeks.cost)]
    if spend.unpriced_calls:
        notes.append(f"+ {plural(spend.unpriced_calls, 'unpriced call')}")
    if spend.partial_calls:
        notes.append(f"{plural(spend.partial_calls, 'call')} priced in part")
    if spend.estimated_calls and not spend.is_unknown:
        notes.append(f"tokens of {plural(spend.estimated_calls, 'call')} estimated")
    if spend.api_equivalent_nanousd:
        notes.append(
            f"{money(spend.api_equivalent_nanousd / report.runs.runs)} at list price by subscription"
        )
    return Line("Cost/run", per_run(cost_per_run(report), spend), ", ".join(notes))


def _usage(report: AgentReport) -> Line | None:
    """Why tokens had to be counted here, and the line that cures it."""
    if report.unasked is None:
        return None
    is_langchain = (report.unasked.framework or "").startswith(("langchain", "langgraph"))
    line = "ChatOpenAI(stream_usage=True)" if is_langchain else 'stream_options={"include_usage": True}'
    value = f"{plural(report.unasked.calls, 'stream')} did not ask for it"
    return Line("Usage", value, f"{line}, or arc-proxy serve --include-usage")


def trend_words(trend: Trend | None) -> str:
    """`▼ -12% this week, may be chance`."""
    if trend is None:
        return "no week before yet"
    sign = "▲" if trend.ratio > 0 else "▼" if trend.ratio < 0 else "="
    doubt = ", may be chance" if trend.may_be_chance else ""
    return f"{sign} {change(trend.ratio)} this week{doubt}"


def _same_tokens(report: AgentReport) -> Line | None:
    swap = report.swap
    if swap is None or report.runs.runs == 0:
        return None
    instead = f" for {swap.instead_of}" if len(report.models) > 1 else ""
    cost = money(swap.nanousd_after / report.runs.runs)
    return Line("Same tokens", f"{swap.model}{instead}: {cost}/run ({change(swap.ratio)}), price only")


def _errors(report: AgentReport) -> Line:
    runs = report.runs
    return Line(
        "Errors", share(runs.failed, runs.runs), f"{count(runs.failed)} of {plural(runs.runs, 'run')}"
    )
