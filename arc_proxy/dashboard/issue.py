"""One issue: how often, where, the message itself, what changed before it, its fix, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from analysis.effect import Effect, Verdict
from analysis.issue import title
from arc_proxy.dashboard.bars import DAYS, Bars, bars_of
from arc_proxy.dashboard.frame import Frame, Moment, moment_of
from arc_proxy.dashboard.issues import PATH, SeverityMark, severity_mark
from arc_proxy.dashboard.links import call_href, read_number, run_href
from arc_proxy.dashboard.rendering import render
from arc_proxy.dashboard.source import FixWord, NotFound, Source
from arc_proxy.format import clean, clean_block, count, plural, spend
from arc_proxy.report.facets import run_spend, run_state
from arc_proxy.report.fix import agent_runs, change_words, effect_words, read_fix, version_words
from arc_proxy.report.health import midnight_ns
from arc_proxy.report.summary import agent_name
from arc_proxy.store.engine import Store
from arc_proxy.store.filters import RunFilter
from arc_proxy.store.history import read_standings
from arc_proxy.store.issues import Issue, read_issue, read_issue_days
from arc_proxy.store.read import list_runs
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.tried import Tries, read_effect, read_tries
from arc_proxy.store.views import RunRow

RUNS_SHOWN = 20
SAID = {
    FixWord.APPLIED: "Noted: from now on this page says whether the issue comes again.",
    FixWord.USEFUL: "Noted: useful.",
    FixWord.NOT_USEFUL: "Noted: not useful.",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of what is known of the failing message; `href` "" leads nowhere."""

    name: str
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Affected:
    name: str
    href: str
    started: Moment
    version: str
    cost: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixView:
    title: str
    what_happened: str
    why: str
    change: str
    language: str
    is_code: bool
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the issue since its fix was applied."""

    applied: Moment
    says: str
    sign: str
    is_good: bool
    is_bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    number: int
    title: str
    agent: str
    code: str
    severity: SeverityMark
    often: str
    first: Moment
    last: Moment
    bars: Bars
    changed: tuple[str, ...]
    message: str
    facts: tuple[Fact, ...]
    runs: tuple[Affected, ...]
    runs_href: str
    fix: FixView
    outcome: Outcome | None
    record: str  # of fixes of this kind; "" without one
    said: str
    token: str  # "": no form is offered


def issue_page(source: Source, query: Mapping[str, str], now_ns: int, *, token: str) -> str:
    """The HTML; `token` is what its forms carry. Raises NotFound, UsageError, StoreError."""
    number = read_number("id", query.get("id", ""))
    store = source.store()
    issue = read_issue(store, number, recent_ns=midnight_ns(now_ns))
    if issue is None:
        raise NotFound(f"There is no issue {number}, or not any more.")
    said = query.get("said", "")
    view = _view(store, issue, now_ns, said=SAID[FixWord(said)] if said in set(FixWord) else "", token=token)
    return render("issue.html", frame=Frame(title=f"Issue {number} · arc-proxy", here=PATH), view=view)


def _view(store: Store, issue: Issue, now_ns: int, *, said: str, token: str) -> IssueView:
    today = now_ns // DAY_NS
    by_day = read_issue_days(store, [issue.key], today - DAYS + 1, today)[issue.key]
    of_all = agent_runs(store, issue, now_ns)
    standing = read_standings(store, [issue], now_ns)[issue.key]
    tries = read_tries(store)
    return IssueView(
        number=issue.key,
        title=clean(title(issue.code, issue.subject, issue.cause)),
        agent=clean(agent_name(issue.agent)),
        code=str(issue.code),
        severity=severity_mark(issue.severity),
        often=f"{plural(issue.failures, 'time')} in {count(issue.runs)} of {plural(of_all, 'run')}",
        first=moment_of(issue.first_ns),
        last=moment_of(issue.last_ns),
        bars=bars_of(by_day, today, step=20, height=80),
        changed=tuple(filter(None, (change_words(standing, now_ns), version_words(standing)))),
        message=clean_block(issue.last.evidence),
        facts=_facts(issue),
        runs=tuple(map(_affected, list_runs(store, RunFilter(issue=issue.key), limit=RUNS_SHOWN))),
        runs_href=f"/_arc/runs?{urlencode([('since', 'all'), ('issue', issue.key)])}",
        fix=_fix(store, issue, of_all),
        outcome=_outcome(store, issue, tries),
        record=_record(issue, tries),
        said=said,
        token=token,
    )


def _facts(issue: Issue) -> tuple[Fact, ...]:
    last = issue.last
    found = (
        Fact("run", clean(issue.last_run_id), run_href(issue.last_run_id, issue.agent)),
        Fact("call", clean(last.call_id), call_href(last.call_id)),
        Fact("field", clean(last.field)),
        Fact("message", "" if last.message_index is None else str(last.message_index)),
        Fact("tool call", clean(last.tool_call_id)),
    )
    return tuple(fact for fact in found if fact.text)


def _affected(run: RunRow) -> Affected:
    return Affected(
        name=clean(run.run_id),
        href=run_href(run.run_id, run.agent),
        started=moment_of(run.started_ns),
        version=clean(run.version or "-"),
        cost=spend(run_spend(run)),
        state=clean(run_state(run)),
    )


def _fix(store: Store, issue: Issue, of_all: int) -> FixView:
    fix = read_fix(store, issue, of_all)
    return FixView(
        title=clean(fix.title),
        what_happened=clean(fix.what_happened),
        why=clean(fix.why),
        change=clean_block(fix.change),
        language=fix.language,
        is_code=fix.language != "text",
        check=clean(fix.check),
    )


def _outcome(store: Store, issue: Issue, tries: Tries) -> Outcome | None:
    applied_ns = tries.applied_ns.get(issue.fingerprint)
    if applied_ns is None:
        return None
    became: Effect = read_effect(store, issue, applied_ns)
    return Outcome(
        applied=moment_of(applied_ns),
        says=effect_words(became),
        sign={Verdict.HELPED: "✓", Verdict.BACK: "✗"}.get(became.verdict, "·"),
        is_good=became.verdict is Verdict.HELPED,
        is_bad=became.verdict is Verdict.BACK,
    )


def _record(issue: Issue, tries: Tries) -> str:
    useful, not_useful = (votes.get(str(issue.code), 0) for votes in (tries.useful, tries.not_useful))
    if not useful + not_useful:
        return ""
    return f"Fixes of {issue.code} were useful {useful} of {plural(useful + not_useful, 'time')}."
