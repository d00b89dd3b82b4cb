"""The card of an agent, from its numbers. Pure."""

from __future__ import annotations

from analysis.reliability import LETTER_RUNS_MIN
from analysis.step_growth import Grown, StepGrowth
from analysis.trend import Trend
from analysis.waste import CardPart, card_parts
from arc_proxy.format import NANOUSD_PER_USD, NO_NAME, UNKNOWN, Spend, change, count, money, plural, share
from arc_proxy.report.card import Card, Line
from arc_proxy.report.model import AgentReport, Health, Runs, Weeks
from arc_proxy.report.warning_lines import warning_words
from arc_proxy.report.warning_model import AnyWarning
from arc_proxy.runs.proposal import is_made_up
from arc_proxy.store.issues import COUNTED_MAX

MONEY_PARTS = 2
WARNINGS_MAX = 3
_EIGHTHS = " ▏▎▍▌▋▊▉"


def agent_name(agent: str | None) -> str:
    return agent or NO_NAME


def make_card(report: AgentReport, mark: str = "") -> Card:
    """`mark`: what sort of data it shows, where that is not one's own."""
    lines = [
        _reliability(report),
        _runs(report),
        _cost_per_run(report),
        _usage(report),
        _money_went(report),
        _same_tokens(report),
        _errors(report),
        _issues(report),
        *(Line("Warning", warning_words(each)) for each in shown_warnings(report)),
    ]
    return Card(titled(report), tuple(line for line in lines if line is not None), mark)


def shown_warnings(report: AgentReport) -> tuple[AnyWarning, ...]:
    """Those on the card. What the line above says of results that are sent again is not said twice."""
    is_said = any(part.is_resent for part in _parts(report))
    news = [
        each
        for each in report.warnings
        if not (is_said and isinstance(each, StepGrowth) and each.grown is Grown.TOOL_RESULTS)
    ]
    return tuple(news[:WARNINGS_MAX])


def titled(report: AgentReport) -> str:
    """`finance v2.1`, `finance blue` where the version is no number; one that we made up says nothing."""
    name, version = agent_name(report.agent), report.version
    if version is None or is_made_up(version):
        return name
    return f"{name} {'v' if version[:1].isdigit() else ''}{version}"


def cost_per_run(runs: Runs) -> float | None:
    """Nanodollars a task; None where it is unknown. A lower bound where a price is missing or partial."""
    if runs.tasks == 0 or runs.spend.is_unknown:
        return None
    return runs.spend.nanousd / runs.tasks


def per_run(nanousd: float | None, spend: Spend) -> str:
    """`$0.013`, `~$0.013` with estimates in it, `≥$0.013` where something is missing."""
    if nanousd is None:
        return UNKNOWN
    sign = "≥" if spend.unpriced_calls or spend.partial_calls else "~" if spend.estimated_calls else ""
    return sign + money(nanousd)


def _reliability(report: AgentReport) -> Line | None:
    """`87% ████████▌ B+`, what of it is seen, and what it is made of."""
    health = report.health
    if health is None:
        return None
    found = health.reliability
    apart = [
        plural(number, word)
        for number, word in ((found.outages, "outage"), (found.cancels, "cancel"))
        if number
    ]
    if found.observed_share is None:
        return Line("Reliability", "-", f"no run to judge by, {' and '.join(apart)}")
    seen = f"{share_of(found.observed_share)} seen, {plural(found.runs, 'run')}"
    source = ", from traffic only" if found.is_from_traffic_only else ""
    beside = f", beside {' and '.join(apart)}" if apart else ""
    if found.letter is None:
        few = f"{found.effective_runs:.0f} of {LETTER_RUNS_MIN} runs for a grade"
        return Line("Reliability", "-", f"{few} ({seen}{source}{beside})")
    value = f"{share_of(found.score)} {bar(found.score)} {found.letter}"
    return Line("Reliability", value, f"({seen}{source}{beside}){_week_words(health)}")


def _week_words(health: Health) -> str:
    week = health.week
    if week is None or not round(100 * week.difference):
        return ""
    sign = "▲" if week.difference > 0 else "▼"
    doubt = "" if health.arrow is not None else ", may be chance"
    return f" {sign} {100 * week.difference:+.0f} points this week{doubt}"


def bar(score: float) -> str:
    """Ten cells, to the eighth of one."""
    eighths = round(10 * 8 * min(max(score, 0.0), 1.0))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def share_of(part: float) -> str:
    return f"{100 * part:.0f}%"


def _runs(report: AgentReport) -> Line:
    notes = [_runs_change(report.weeks)]
    if report.runs.sub_agents:
        notes.append(f"with {plural(report.runs.sub_agents, 'run')} of sub-agents")
    return Line("Runs", count(report.runs.tasks), ", ".join(notes))


def _runs_change(weeks: Weeks) -> str:
    more = weeks.runs_now - weeks.runs_before
    if weeks.runs_now == 0:
        return "none this week"
    if more == 0:
        return "as many as the week before"
    return f"{'▲' if more > 0 else '▼'} {more:+,} this week"


def _cost_per_run(report: AgentReport) -> Line:
    spend = report.runs.spend
    if report.runs.tasks == 0:
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
            f"{money(spend.api_equivalent_nanousd / report.runs.tasks)} at list price by subscription"
        )
    return Line("Cost/run", per_run(cost_per_run(report.runs), spend), ", ".join(notes))


def _money_went(report: AgentReport) -> Line | None:
    """`41% get_prices result re-sent 11x · 33% tool schemas`."""
    parts = _parts(report)
    if not parts or report.spent is None:
        return None
    spend = report.spent.spend
    whole_usd = spend.nanousd / spend.runs / NANOUSD_PER_USD
    return Line("Money went", " · ".join(f"{share_of(part.usd / whole_usd)} {part.text}" for part in parts))


def _parts(report: AgentReport) -> list[CardPart]:
    return card_parts(report.spent.spend, MONEY_PARTS) if report.spent is not None else []


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
    if swap is None or report.runs.tasks == 0:
        return None
    instead = f" for {swap.instead_of}" if len(report.models) > 1 else ""
    cost = money(swap.nanousd_after / report.runs.tasks)
    return Line("Same tokens", f"{swap.model}{instead}: {cost}/run ({change(swap.ratio)}), price only")


def _issues(report: AgentReport) -> Line | None:
    if not report.issues:
        return None
    more = "at least " if report.issues >= COUNTED_MAX else ""
    return Line("Issues", f"{more}{plural(report.issues, 'fixable problem')} found")


def _errors(report: AgentReport) -> Line:
    runs = report.runs
    return Line(
        "Errors",
        share(runs.failed_tasks, runs.tasks),
        f"{count(runs.failed_tasks)} of {plural(runs.tasks, 'run')}",
    )
