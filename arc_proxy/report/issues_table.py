"""Issues as a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from analysis.effect import Effect
from analysis.issue import title
from arc_proxy.format import ago, clean, count, plural
from arc_proxy.report.summary import agent_name
from arc_proxy.report.table import Column, Table
from arc_proxy.store.issues import Issue

ISSUE_CELLS = 36


def issues_table(
    issues: Iterable[Issue],
    runs: Mapping[str | None, int],
    now_ns: int,
    *,
    has_names: bool,
    effects: Mapping[int, Effect] = MappingProxyType({}),
) -> Table:
    """
    `runs`: of each agent in the period; `has_names`: there are several agents to tell apart; `effects`: by
    number, of issues whose fix was applied.
    """
    columns = (
        Column("#"),
        Column("issue", is_number=False, flex=True, keep=ISSUE_CELLS),
        *((Column("agent", is_number=False, flex=True, rank=1),) if has_names else ()),
        Column("severity", is_number=False, rank=4),
        Column("how often", is_number=False),
        *((Column("since its fix", is_number=False),) if effects else ()),
        Column("last", rank=3),
        Column("how to fix it", is_number=False, rank=2),
    )
    rows = tuple(
        (
            str(each.key),
            clean(title(each.code, each.subject, each.cause)),
            *((agent_name(each.agent),) if has_names else ()),
            str(each.severity),
            how_often(each, runs.get(each.agent)),
            *((_since_fix(effects.get(each.key)),) if effects else ()),
            ago(each.last_ns, now_ns),
            f"arc-proxy fix {each.key}",
        )
        for each in issues
    )
    return Table(columns, rows)


def _since_fix(effect: Effect | None) -> str:
    if effect is None:
        return "-"
    after = effect.after
    return f"{effect.verdict}, {count(after.having)} of {plural(after.runs, 'run')}"


def how_often(issue: Issue, runs: int | None) -> str:
    """`3 times today`, `7 of 60 runs`."""
    if issue.recently:
        return f"{plural(issue.recently, 'time')} today"
    return f"{count(issue.runs)} of {plural(runs, 'run')}" if runs else plural(issue.runs, "run")
