"""Issues as a table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from analysis.effect import Effect
from analysis.issue import title
from analysis.standing import Change, Standing
from arc_proxy.format import ago, clean, count, plural
from arc_proxy.report.summary import agent_name
from arc_proxy.report.table import Column, Table
from arc_proxy.store.issues import Issue

ISSUE_CELLS = 36
VERSION_CELLS = 16


def issues_table(
    issues: Iterable[Issue],
    runs: Mapping[str | None, int],
    now_ns: int,
    *,
    has_names: bool,
    standings: Mapping[int, Standing] = MappingProxyType({}),
    effects: Mapping[int, Effect] = MappingProxyType({}),
) -> Table:
    """
    `runs`: of each agent in the period; `has_names`: there are several agents to tell apart; by number
    `standings`, and `effects` of issues whose fix was applied.
    """
    issues = tuple(issues)
    lately = {each.key: standing_words(standings.get(each.key)) for each in issues}
    columns = (
        Column("#"),
        Column("issue", is_number=False, flex=True, keep=ISSUE_CELLS),
        *((Column("agent", is_number=False, flex=True, rank=1),) if has_names else ()),
        Column("severity", is_number=False, rank=4),
        Column("how often", is_number=False),
        *((Column("lately", is_number=False, rank=1),) if any(lately.values()) else ()),
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
            *((lately[each.key] or "-",) if any(lately.values()) else ()),
            *((since_fix_words(effects.get(each.key)),) if effects else ()),
            ago(each.last_ns, now_ns),
            f"arc-proxy fix {each.key}",
        )
        for each in issues
    )
    return Table(columns, rows)


def standing_words(found: Standing | None) -> str:
    """`new in 2.1`, `rising`; "" where there is no change, or where all is new, as the agent is."""
    if found is None or found.change is None:
        return ""
    if found.change is Change.NEW and not found.history.before.runs:
        return ""
    is_version_told = found.version is not None and found.change is not Change.RISING
    return f"{found.change} in {clean(found.version, VERSION_CELLS)}" if is_version_told else found.change


def since_fix_words(effect: Effect | None) -> str:
    """`helped, 0 of 52 runs`; "-" where no fix was applied."""
    if effect is None:
        return "-"
    after = effect.after
    return f"{effect.verdict}, {count(after.having)} of {plural(after.runs, 'run')}"


def how_often(issue: Issue, runs: int | None) -> str:
    """`3 times today`, `7 of 60 runs`."""
    if issue.recently:
        return f"{plural(issue.recently, 'time')} today"
    return f"{count(issue.runs)} of {plural(runs, 'run')}" if runs else plural(issue.runs, "run")
