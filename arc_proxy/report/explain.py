"""What is behind a reliability: the runs, how much each weighs and loses, and by what. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.reliability import Reliability, WeightedRun, letter_of
from arc_proxy.format import ago, clean, count, plural
from arc_proxy.report.document import Titled
from arc_proxy.report.model import Report
from arc_proxy.report.summary import agent_name, share_of
from arc_proxy.report.table import ID_CELLS, NAME_CELLS, Column, Table

RUNS_MAX = 20
_COLUMNS = (
    Column("run", is_number=False, flex=True, keep=ID_CELLS),
    Column("started", rank=3),
    Column("weight", rank=1),
    Column("lost"),
    Column("of the whole"),
    Column("because", is_number=False, flex=True, keep=NAME_CELLS),
)


def explanations(report: Report) -> Iterator[Titled]:
    """One table for each agent with a score: the runs that cost most, and the others together."""
    for agent in report.agents:
        if agent.health is not None and agent.health.reliability.explained:
            runs = agent.health.reliability.explained
            losing = [run for run in runs if run.loss > 0]
            rows = [_row(run, report.made_ns) for run in losing[:RUNS_MAX]]
            rest = losing[RUNS_MAX:]
            if rest:
                share = sum(run.lost_share for run in rest)
                rows.append((f"{plural(len(rest), 'more run')}", "", "", "", _share(share), ""))
            if len(losing) < len(runs):
                spared = plural(len(runs) - len(losing), "run")
                rows.append((spared, "", "", "0", _share(0.0), "nothing went wrong on the wire"))
            title = f"Reliability of {agent_name(agent.agent)}, {count(len(runs))} runs"
            yield Titled(f"{title}{_graded(agent.health.reliability)}", Table(_COLUMNS, tuple(rows)))


def _graded(found: Reliability) -> str:
    """`: B+`, and where the score alone would be another letter, that it is the one of the days before."""
    if found.letter is None:
        return ""
    is_kept = found.letter is not letter_of(found.score)
    return f": {found.letter}" + (
        f", kept at {100 * found.score:.1f}%, within a point of it" if is_kept else ""
    )


def _row(run: WeightedRun, now_ns: int) -> tuple[str, ...]:
    return (
        clean(run.run.run_id),
        ago(run.run.started_ns, now_ns),
        f"{run.weight:.2f}",
        f"{run.loss:.2f}",
        _share(run.lost_share),
        _because(run),
    )


def _because(run: WeightedRun) -> str:
    said = "" if run.cause else "reported as failed"
    causes = (run.cause,) if run.cause else run.run.failures[:1]
    seen = (
        f"{each.code}{', recovered' if each.is_recovered else ''}: {clean(each.evidence, 160)}"
        for each in causes
    )
    return "; ".join(filter(None, (said, *seen)))


def _share(part: float) -> str:
    return share_of(part) if part >= 0.01 or not part else f"{100 * part:.1f}%"
