"""
Numbers against rules: one reading each. Pure.

What fires goes on firing until it is better than its limit by `MARGIN`, so that a figure which trembles
around a limit is one alert and not twenty. A cost of which a part is unknown is a lower bound: it fires by
what is known, says "at least", and is never taken for well because nothing of it is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.burn_rate import RULES, EndedRun, Urgency, burn_alerts
from analysis.failure import Severity
from analysis.issue import title
from analysis.standing import Change, Standing
from arc_proxy.alerts.rules import (
    BudgetRule,
    CostPerDayRule,
    CostPerRunRule,
    ErrorsRule,
    IssueRule,
    Reading,
    ReliabilityRule,
    Unit,
)
from arc_proxy.format import clean, duration, money, plural, share
from arc_proxy.report.summary import agent_name
from arc_proxy.store.issues import Issue
from arc_proxy.store.recent_runs import RecentRuns
from arc_proxy.store.spent_since import Billed

MARGIN = 0.1
TITLE_CELLS = 120
_SLOWEST = RULES[-1].rate


def judge_reliability(
    rule: ReliabilityRule,
    agent: str | None,
    runs: Sequence[EndedRun],
    now_ns: int,
    unread: Mapping[int, int] | None = None,
) -> Reading:
    """
    Windows of two lengths are its margin: the short one clears soon after the trouble ended. `unread`: see
    `burn_alerts`. Where they could make the difference, nothing can be said.
    """
    name = agent_name(agent)
    alerts = burn_alerts(runs, now_ns, target=rule.target, unread=unread)
    if not alerts:
        may_burn = unread and burn_alerts(runs, now_ns, target=rule.target, unread=unread, is_unread_bad=True)
        return Reading(
            key=agent or "",
            level=None if may_burn else 0,
            title=f"{name} fails no faster than it may",
            text=f"Its target is {share(rule.target)} of runs.",
            agent=agent,
            limit=_SLOWEST,
            unit=Unit.BURN_RATE,
        )
    worst = alerts[0]
    window = duration(worst.rule.long_ns / 1e6)
    at_least = "at least " if worst.is_at_least else ""
    return Reading(
        key=agent or "",
        level=2 if worst.rule.urgency is Urgency.PAGE else 1,
        urgency=worst.rule.urgency,
        title=f"{name} fails {at_least}{worst.long_rate:.1f} times as often as it may",
        text=(
            f"{at_least.capitalize()}{worst.bad_runs} of {plural(worst.runs, 'run')} of the last {window} "
            f"went wrong, and it goes on. The target is {share(rule.target)} of runs."
        ),
        agent=agent,
        value=worst.long_rate,
        limit=worst.rule.rate,
        unit=Unit.BURN_RATE,
        is_at_least=worst.is_at_least,
    )


def judge_errors(rule: ErrorsRule, agent: str | None, seen: RecentRuns) -> Reading:
    failed = seen.failed / seen.runs if seen.runs else 0.0
    return Reading(
        key=agent or "",
        level=_level(failed, rule.above, is_enough=seen.runs >= rule.runs_min),
        title=f"{share(failed)} of {agent_name(agent)}'s runs failed",
        text=(
            f"{seen.failed} of {plural(seen.runs, 'run')} in {duration(rule.over_ns / 1e6)}; "
            f"the limit is {share(rule.above)}."
        ),
        agent=agent,
        value=failed,
        limit=rule.above,
        unit=Unit.SHARE,
    )


def judge_cost_per_run(rule: CostPerRunRule, agent: str | None, seen: RecentRuns) -> Reading:
    mean = seen.nanousd / seen.runs if seen.runs else 0.0
    level = _level(mean, rule.above_nanousd, is_enough=seen.runs >= rule.runs_min)
    amount = _amount(mean, seen.unpriced_calls)
    return Reading(
        key=agent or "",
        level=_unless_unknown(level, seen.unpriced_calls),
        title=f"a run of {agent_name(agent)} costs {amount}",
        text=(
            f"The mean of {plural(seen.runs, 'run')} in {duration(rule.over_ns / 1e6)}"
            f"{_unpriced_words(seen.unpriced_calls)}; the limit is {money(rule.above_nanousd)}."
        ),
        agent=agent,
        value=mean,
        limit=rule.above_nanousd,
        unit=Unit.USD,
        is_at_least=seen.unpriced_calls > 0,
    )


def judge_cost_per_day(rule: CostPerDayRule, spent: Billed, midnight_ns: int) -> Reading:
    """`spent` since midnight, by the rule's agent or by all. A day is a thing of its own, as of a budget."""
    level = _level(spent.nanousd, rule.above_nanousd, is_enough=True)
    return Reading(
        key=f"{rule.agent or ''}/{midnight_ns}",
        level=_unless_unknown(level, spent.unpriced_calls),
        title=f"{_who(rule.agent)} spent {_amount(spent.nanousd, spent.unpriced_calls)} today",
        text=f"The limit is {money(rule.above_nanousd)} a day{_unpriced_words(spent.unpriced_calls)}.",
        agent=rule.agent or None,
        value=spent.nanousd,
        limit=rule.above_nanousd,
        unit=Unit.USD,
        is_at_least=spent.unpriced_calls > 0,
    )


def _who(agent: str | None) -> str:
    """None: all together; "": who names none."""
    return "all agents" if agent is None else agent_name(agent or None)


def judge_budget(
    rule: BudgetRule, agent: str | None, budget_nanousd: int, spent: Billed, midnight_ns: int
) -> Reading:
    """
    `agent`: whose budget, None: that of all together. Within a day a sum only grows, so it needs no margin.

    Each day is a thing of its own: while nothing can be said of a new day, what was told of the last one must
    not count as told of this one.
    """
    part = spent.nanousd / budget_nanousd
    at_least = "at least " if spent.unpriced_calls else ""
    level = sum(part >= each for each in rule.at)
    is_unknown = spent.unpriced_calls > 0 and not spent.nanousd
    return Reading(
        key=f"{'day' if agent is None else f'agent {agent}'}/{midnight_ns}",
        level=None if is_unknown else level,
        urgency=Urgency.PAGE if part >= 1 else Urgency.TICKET,
        title=f"{_who(agent)} spent {at_least}{share(part)} of the day's budget",
        text=(
            f"{_amount(spent.nanousd, spent.unpriced_calls)} of {money(budget_nanousd)} since midnight"
            f"{_unpriced_words(spent.unpriced_calls)}."
        ),
        agent=agent or None,
        value=spent.nanousd,
        limit=budget_nanousd,
        unit=Unit.USD,
        is_at_least=spent.unpriced_calls > 0,
    )


def judge_issue(rule: IssueRule, issue: Issue, found: Standing) -> Iterator[Reading]:
    """
    Whether it came up, newly or again, and whether it rises: the first is over when it is not seen any more,
    the second when it is as frequent as before.
    """
    recent = found.history.recent
    changes = rule.changes if _is_asked(rule, issue, recent.having) else ()
    came_up = found.change in (Change.NEW, Change.BACK) and found.change in changes
    level = 1 if came_up else None if recent.having else 0
    yield _issue_reading(rule, issue, found, "came up", level)
    if Change.RISING in rule.changes:
        rises = found.change is Change.RISING and found.change in changes
        yield _issue_reading(rule, issue, found, "rises", int(rises))


def _is_asked(rule: IssueRule, issue: Issue, having: int) -> bool:
    return issue.severity in rule.severities and having >= rule.runs_min


def _issue_reading(rule: IssueRule, issue: Issue, found: Standing, way: str, level: int | None) -> Reading:
    recent = found.history.recent
    what = clean(title(issue.code, issue.subject, issue.cause), TITLE_CELLS)
    began = f" It began with version {clean(found.version, 40)}." if found.version else ""
    return Reading(
        key=f"{issue.agent or ''}/{issue.fingerprint}/{way}",
        level=level,
        urgency=Urgency.PAGE if issue.severity is Severity.FATAL else Urgency.TICKET,
        title=f"{_CHANGES[found.change]} in {agent_name(issue.agent)}: {what}",
        text=(
            f"{issue.code}, {issue.severity}, in {recent.having} of {plural(recent.runs, 'run')} of the last "
            f"day.{began} What to do: arc-proxy fix {issue.key}"
        ),
        agent=issue.agent,
        value=recent.having,
        limit=rule.runs_min,
        unit=Unit.RUNS,
        issue_key=issue.key,
        code=str(issue.code),
        change=found.change and str(found.change),
        version=found.version,
    )


_CHANGES = {
    Change.NEW: "new issue",
    Change.BACK: "issue back",
    Change.RISING: "rising issue",
    None: "issue",
}


def _level(value: float, limit: float, *, is_enough: bool) -> int | None:
    """Without enough runs nothing begins to fire; that it ended can be said by less."""
    if value <= limit * (1 - MARGIN):
        return 0
    return 1 if value > limit and is_enough else None


def _unless_unknown(level: int | None, unpriced_calls: int) -> int | None:
    """A sum that lacks calls may be above the limit, however low it looks."""
    return None if level == 0 and unpriced_calls else level


def _amount(nanousd: float, unpriced_calls: int) -> str:
    if unpriced_calls and not nanousd:
        return money(None)
    return f"at least {money(nanousd)}" if unpriced_calls else money(nanousd)


def _unpriced_words(calls: int) -> str:
    return f", without all of the price of {plural(calls, 'call')}" if calls else ""
