"""The fix of an issue, from what the store knows of it, and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.earlier import EarlierRun
from analysis.effect import Effect, Verdict
from analysis.failure import FailureCode
from analysis.fixes import Fix, Observed, fix_for
from analysis.issue import title
from analysis.issue_facts import facts_of
from analysis.standing import Change, Standing
from arc_proxy.call import Call
from arc_proxy.format import ago, clean, plural
from arc_proxy.journal.fact import rfc3339
from arc_proxy.report.jsonable import issue_json
from arc_proxy.report.summary import agent_name
from arc_proxy.report.table import wrapped
from arc_proxy.store.earlier import read_earlier_runs
from arc_proxy.store.engine import Store
from arc_proxy.store.issues import Issue, read_run_of
from arc_proxy.store.peers import read_peers
from arc_proxy.store.report import read_run_totals
from arc_proxy.store.totals import Period
from arc_proxy.store.tried import Tries

CODE_INDENT = "    "


def agent_runs(store: Store, issue: Issue, now_ns: int) -> int:
    """Of the issue's agent, ever: as the issue's own counts are. Raises StoreError."""
    totals = read_run_totals(store, Period(since_ns=0, until_ns=now_ns), agent=issue.agent or "")
    return sum(now.runs for now, _ in totals.values())


def read_fix(store: Store, issue: Issue, total_runs: int) -> Fix:
    """What to change about an issue, by its latest failure and the run around it. Raises StoreError."""
    calls = read_run_of(store, issue.last_failure_key)
    shown = next((call for call in calls if call.call_id == issue.last.call_id), None)
    return fix_for(_observed(store, issue, calls, shown, total_runs))


def _observed(store: Store, issue: Issue, calls: list[Call], shown: Call | None, total_runs: int) -> Observed:
    peers = read_peers(store, shown) if shown is not None else []
    earlier: Sequence[EarlierRun] = ()
    if issue.code is FailureCode.STEP_CAP and calls:
        earlier = read_earlier_runs(store, issue.agent, calls[0].started_ns)
    facts = facts_of(
        issue.last,
        calls,
        whole_outputs=[peer.output_tokens for peer in peers],
        durations_ns=[peer.duration_ns for peer in peers],
        good_steps=[run.steps for run in earlier if not run.asks],
    )
    return Observed(
        code=issue.code,
        agent=issue.agent or "",
        framework=next((call.framework for call in reversed(calls) if call.framework), "") or "",
        provider=shown.provider if shown else "",
        model=(shown.reply.model or shown.prompt.model or "") if shown else "",
        dialect=shown.dialect if shown else "",
        subject=issue.subject,
        cause=issue.cause,
        events=issue.failures,
        runs=issue.runs,
        total_runs=total_runs,
        examples=(issue.last,),
        facts=facts,
    )


def fix_lines(issue: Issue, fix: Fix, width: int) -> Iterator[str]:
    """Words in lines of at most `width`; code as it is, so that it can be copied."""
    yield from wrapped(f"#{issue.key} {clean(title(issue.code, issue.subject, issue.cause))}", width)
    yield from wrapped(
        f"{issue.code}, {issue.severity}, agent {agent_name(issue.agent)}; latest: arc-proxy show "
        f"{clean(issue.last_run_id)}",
        width,
    )
    yield ""
    yield from wrapped(fix.title, width)
    yield ""
    for text in (fix.what_happened, fix.why):
        yield from wrapped(text, width, hanging="")
    yield ""
    if fix.language == "text":
        yield from wrapped(fix.change, width, hanging="")
    else:
        yield from (f"{CODE_INDENT}{_inert(line)}".rstrip() for line in fix.change.splitlines())
    yield ""
    yield from wrapped(f"Whether it worked: {fix.check}.", width)


def _inert(line: str) -> str:
    """Code with its spaces, and nothing in it that a terminal obeys: names in it come from traffic."""
    return "".join(character if character.isprintable() else " " for character in line)


def tried_lines(issue: Issue, tries: Tries, became: Effect | None, now_ns: int, width: int) -> Iterator[str]:
    """What became of the issue since its fix was applied, and what was said of fixes of its kind."""
    applied_ns = tries.applied_ns.get(issue.fingerprint)
    if applied_ns is not None and became is not None:
        yield from wrapped(f"Applied {ago(applied_ns, now_ns)}: {effect_words(became)}.", width)
    useful, not_useful = (votes.get(str(issue.code), 0) for votes in (tries.useful, tries.not_useful))
    if useful + not_useful:
        yield from wrapped(f"Fixes of {issue.code}: useful {useful} of {useful + not_useful} times.", width)
    if applied_ns is None:
        yield from wrapped(f"Changed it? arc-proxy fix {issue.key} --applied", width)


def standing_lines(found: Standing, now_ns: int, width: int) -> Iterator[str]:
    """Whether the issue is new, back or rising, and with which version of the agent it began."""
    said = " ".join(filter(None, (change_words(found, now_ns), version_words(found))))
    if said:
        yield from wrapped(said, width)
        yield ""


def change_words(found: Standing, now_ns: int) -> str:
    history = found.history
    match found.change:
        case Change.NEW:
            return f"New: first seen {ago(history.began_ns, now_ns)}, and the agent had run before."
        case Change.BACK:
            away = f"{plural(history.absent_days, 'day')} and {plural(history.absent_runs, 'run')}"
            return f"Back: not seen for {away}, and again {ago(history.began_ns, now_ns)}."
        case Change.RISING:
            recent, before = history.recent, history.before
            counts = f"{recent.having} of {plural(recent.runs, 'run')} lately"
            was = f"was {before.having} of {before.runs} in the week before"
            return f"Rising: {counts}, {was}, p = {found.chance:.2g}."
        case None:
            return ""


def version_words(found: Standing) -> str:
    """What most runs before had not: the version is named as what changed, not as the cause."""
    return f"It began with version {clean(found.version, 40)} of the agent." if found.version else ""


def effect_words(became: Effect) -> str:
    """`0 of 52 runs since, was 7 of 40, p = 0.004`."""
    before, after = became.before, became.after
    counts = f"{after.having} of {plural(after.runs, 'run')} since, was {before.having} of {before.runs}"
    match became.verdict:
        case Verdict.HELPED:
            return f"it helped: {counts}, p = {became.probability:.2g}"
        case Verdict.BACK:
            return f"it is back: {counts}"
        case Verdict.NO_CHANGE:
            return f"it changed nothing that shows: {counts}, p = {became.probability:.2g}"
        case Verdict.TOO_EARLY:
            return f"too early to tell: {counts}"


def fix_json(
    issue: Issue,
    fix: Fix,
    found: Standing | None,
    applied_ns: int | None = None,
    became: Effect | None = None,
) -> dict[str, Any]:
    return {
        "issue": issue_json(issue, found),
        "title": fix.title,
        "what_happened": fix.what_happened,
        "why": fix.why,
        "change": fix.change,
        "language": fix.language,
        "check": fix.check,
        "level": str(fix.level),
        "applied_at": None if applied_ns is None else rfc3339(applied_ns),
        "effect": became
        and {
            "verdict": str(became.verdict),
            "runs_with_it": became.after.having,
            "runs": became.after.runs,
            "runs_with_it_before": became.before.having,
            "runs_before": became.before.runs,
            "probability": round(became.probability, 6),
        },
    }
