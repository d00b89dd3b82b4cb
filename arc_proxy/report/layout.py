"""A report as a document: which cards, tables, warnings and notes, in which words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from arc_proxy.format import clean, count, duration, moment, money, plural, size, spend, spend_causes, tokens
from arc_proxy.report.document import Document, Empty, Titled
from arc_proxy.report.model import Figures, Report
from arc_proxy.report.summary import agent_name, cost_per_run, make_card, per_run
from arc_proxy.report.table import Column, Table

CARDS_MAX = 8
DOUBTS_MAX = 5
_PERIODS = {"24h": "last 24 hours", "7d": "last 7 days", "30d": "last 30 days", "all": "all time"}
_NEXT = """\
arc-proxy demo                                 try it without a key
arc-proxy run -- python my_agent.py            one program through the proxy
arc-proxy serve                                the proxy and the dashboard, for all of them"""

# What capture could not do, in the words of those who counted it, and in ours.
_LOSSES = {
    "lost_calls": "{} left no trace but a count",
    "lost_segments": "{} of the journal deleted while it was written",
    "lost_records": "{} of the journal were dropped",
    "lost_bytes": "{} of bodies were not kept",
    "unsecured_calls": "{} were recorded later than they were answered, as the disk was slow",
    "write_errors": "{} to the journal failed",
    "unread_calls": "{} could not be read by this version",
    "malformed_headers": "{} named no run or agent and were ignored",
    "malformed_facts": "{} could not be read",
    "damaged_segments": "{} of the journal broken in the middle; what stands behind is lost",
    "unreadable_records": "{} of the journal could not be read",
    "broken_recordings": "{} broke off; the traffic went on",
}
_LOSS_NOUNS = {
    "lost_calls": "call",
    "lost_segments": "segment",
    "lost_records": "record",
    "unsecured_calls": "call",
    "write_errors": "write",
    "unread_calls": "call",
    "malformed_headers": "x-arc-* header",
    "malformed_facts": "fact",
    "damaged_segments": "segment",
    "unreadable_records": "record",
    "broken_recordings": "recording",
}
_CELLS = (
    Column("calls"),
    Column("errors"),
    Column("in"),
    Column("cache read", rank=3),
    Column("cache write", rank=4),
    Column("out"),
    Column("reasoning", rank=5),
    Column("cost"),
    Column("p50", rank=2),
    Column("p95", rank=1),
    Column("first byte", rank=2),
)


def document_of(
    report: Report, period: str, *, by: Sequence[str] = ("agent", "model"), warnings: Iterable[str] = ()
) -> Document:
    """`period` is what was asked for: `30d`, or words for it."""
    said = _PERIODS.get(period, period)
    if report.is_empty:
        return Document(
            title="arc-proxy",
            period=said,
            updated=moment(report.made_ns),
            warnings=tuple(warnings),
            empty=_empty(report, said),
        )
    makers = {"agent": agents_table, "model": models_table, "day": days_table}
    return Document(
        title="arc-proxy",
        period=said,
        updated=moment(report.made_ns),
        warnings=(*warnings, *loss_words(report)),
        cards=tuple(make_card(agent) for agent in report.agents[:CARDS_MAX]),
        tables=tuple(makers[each](report) for each in by),
        notes=tuple(_notes(report)),
    )


def agents_table(report: Report) -> Titled:
    columns = (Column("agent", is_number=False, flex=True), Column("runs"), *_CELLS, Column("cost/run"))
    rows = tuple(
        (
            agent_name(agent.agent),
            count(agent.runs.runs),
            *_cells(agent.figures),
            per_run(cost_per_run(agent), agent.runs.spend) if agent.runs.runs else "-",
        )
        for agent in report.agents
    )
    return Titled("Agents", Table(columns, rows))


def models_table(report: Report) -> Titled:
    columns = (
        Column("model", is_number=False, flex=True),
        Column("provider", is_number=False, rank=3),
        *_CELLS,
    )
    rows = tuple((each.model or "-", each.provider, *_cells(each.figures)) for each in report.models)
    return Titled("Models", Table(columns, rows))


def days_table(report: Report) -> Titled:
    columns = (Column("day (UTC)", is_number=False), *_CELLS[:-3])
    rows = tuple((each.day, *_cells(each.figures)[:-3]) for each in report.days)
    return Titled("Days", Table(columns, rows))


def loss_words(report: Report) -> Iterator[str]:
    """What capture lost, and what that means for the numbers."""
    for name, words in _LOSSES.items():
        amount = report.losses.get(name, 0)
        if amount:
            noun = _LOSS_NOUNS.get(name)
            yield words.format(plural(amount, noun) if noun else size(amount))
    total = report.total
    if total.interrupted:
        yield f"{plural(total.interrupted, 'call')} broke off when the proxy died; what had come is counted"
    if total.cut_captures:
        yield f"{plural(total.cut_captures, 'call')} kept without a whole body, so tokens may be unknown"


def _cells(figures: Figures) -> tuple[str, ...]:
    usage = figures.usage
    return (
        count(figures.calls)
        + (f" +{figures.attempts - figures.calls}" if figures.attempts > figures.calls else ""),
        count(figures.errors),
        tokens(usage.input_tokens),
        tokens(usage.cache_read),
        tokens(usage.cache_write_tokens),
        tokens(usage.output_tokens),
        tokens(usage.reasoning),
        _cost(figures),
        duration(figures.latency_ms_p50),
        duration(figures.latency_ms_p95),
        duration(figures.first_byte_ms_p50),
    )


def _cost(figures: Figures) -> str:
    total = figures.spend
    if total.api_equivalent_nanousd and not total.nanousd and not total.unpriced_calls:
        return f"{money(total.api_equivalent_nanousd)} at list price"
    return spend(total)


def _notes(report: Report) -> Iterator[str]:
    if report.total.attempts > report.total.calls:
        yield "calls +n: n of them were repeated attempts, which cost too"
    for cause in spend_causes(report.total.spend):
        yield f"cost: {cause}"
    for grade, reason, calls in report.doubts[:DOUBTS_MAX]:
        yield f"  {grade} for {plural(calls, 'call')}: {clean(reason, 160)}"
    if len(report.agents) > CARDS_MAX:
        yield f"cards of the {CARDS_MAX} agents that cost most; --agent NAME shows another"


def _empty(report: Report, period: str) -> Empty:
    if report.is_first or period == _PERIODS["all"]:
        return Empty("No call has been seen yet. Start with one of these:", _NEXT)
    return Empty(
        f"No call in this period ({period}). Look further back, or start:",
        f"arc-proxy report --since all\n{_NEXT}",
    )
