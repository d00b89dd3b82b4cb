"""What goes wrong in agents as a list, the worst first: filters in the URL. Reads sums, and no bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from analysis.failure import SEVERITY, FailureCode, Severity
from analysis.issue import title
from arc_proxy.dashboard.bars import DAYS, Bars, bars_of
from arc_proxy.dashboard.frame import Frame, Link, Moment, moment_of
from arc_proxy.dashboard.links import issue_href
from arc_proxy.dashboard.rendering import render
from arc_proxy.dashboard.runs import DEFAULT_SINCE, PERIODS
from arc_proxy.dashboard.source import Source
from arc_proxy.errors import UsageError
from arc_proxy.format import clean, plural
from arc_proxy.report.health import midnight_ns
from arc_proxy.report.issues_table import how_often, since_fix_words, standing_words
from arc_proxy.report.jsonable import issue_json
from arc_proxy.report.summary import agent_name
from arc_proxy.store.engine import Store
from arc_proxy.store.history import read_standings
from arc_proxy.store.issues import Issue, read_issue_days, read_issues
from arc_proxy.store.report import read_run_totals
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.totals import Period
from arc_proxy.store.tried import read_effect, read_tries

PATH = "/_arc/issues"
ISSUES_SHOWN = 100
SIGNS = {Severity.FATAL: "✗", Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "i"}
SEVERITIES = (("", "any severity"), *((str(each), str(each)) for each in Severity))
_FIELDS = ("since", "agent", "code", "severity")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueQuery:
    """What the URL asks for, as text; "" is not asked for."""

    since: str = DEFAULT_SINCE
    agent: str = ""
    code: str = ""
    severity: str = ""

    @property
    def is_narrowed(self) -> bool:
        return any((self.agent, self.code, self.severity))

    def url(self, path: str = PATH) -> str:
        given = [(name, value) for name in _FIELDS if (value := getattr(self, name))]
        return f"{path}?{urlencode(given)}"

    def codes(self) -> frozenset[FailureCode] | None:
        """None: all of them."""
        if not self.code and not self.severity:
            return None
        return frozenset(
            code
            for code in FailureCode
            if self.code in ("", str(code)) and self.severity in ("", str(SEVERITY[code]))
        )


@dataclass(frozen=True, slots=True)
class SeverityMark:
    """In words and with a sign, so that it does not hang on the colour."""

    sign: str
    word: str
    is_bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueLine:
    number: int
    title: str
    href: str
    code: str
    agent: str
    severity: SeverityMark
    often: str
    lately: str  # "-" where nothing is to be said
    since_fix: str
    bars: Bars
    last: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuesView:
    query: IssueQuery
    lines: tuple[IssueLine, ...]
    periods: tuple[Link, ...]
    json_href: str
    says: str
    empty: str  # why there is no line
    type_this: str
    codes: tuple[str, ...] = tuple(map(str, FailureCode))
    severities: tuple[tuple[str, str], ...] = SEVERITIES


def severity_mark(severity: Severity) -> SeverityMark:
    return SeverityMark(SIGNS[severity], str(severity), severity in (Severity.FATAL, Severity.ERROR))


def read_query(query: Mapping[str, str]) -> IssueQuery:
    """Raises UsageError."""
    given = {name: query[name].strip() for name in _FIELDS if query.get(name, "").strip()}
    for name, known in (("code", FailureCode), ("severity", Severity)):
        if name in given and given[name] not in set(known):
            raise UsageError(f"{name}={given[name]!r}: known are {', '.join(map(str, known))}.")
    return IssueQuery(**given)


def issues_page(source: Source, query: Mapping[str, str], now_ns: int) -> str:
    """The HTML. Raises UsageError, StoreError."""
    asked = read_query(query)
    period = _period(source, asked, now_ns)
    store = source.store()
    found = _read(store, asked, period, now_ns)
    totals = read_run_totals(store, period, agent=asked.agent or None)
    runs = {name: now.runs for name, (now, _) in totals.items()}
    empty, type_this = ("", "") if found else _why_empty(store, asked, sum(runs.values()), now_ns)
    view = IssuesView(
        query=asked,
        lines=_lines(store, found, runs, period.until_ns, now_ns),
        periods=tuple(
            Link(text, replace(asked, since=since).url(), since == asked.since) for since, text in PERIODS
        ),
        json_href=asked.url(f"{PATH}.json"),
        says=_says(len(found)),
        empty=empty,
        type_this=type_this,
    )
    return render("issues.html", frame=Frame(title="Issues · arc-proxy", here=PATH), view=view)


def issue_rows(source: Source, query: Mapping[str, str], now_ns: int) -> Iterator[dict[str, Any]]:
    """The issues of the same URL as `arc-proxy issues --json` writes them. Raises UsageError, StoreError."""
    asked = read_query(query)
    period = _period(source, asked, now_ns)
    store = source.store()
    found = _read(store, asked, period, now_ns)
    standings = read_standings(store, found, period.until_ns)
    return (issue_json(each, standings.get(each.key)) for each in found)


def _period(source: Source, asked: IssueQuery, now_ns: int) -> Period:
    since_ns, _ = source.period(asked.since, None, now_ns)
    return Period(since_ns=since_ns or 0, until_ns=now_ns)


def _read(store: Store, asked: IssueQuery, period: Period, now_ns: int) -> tuple[Issue, ...]:
    return read_issues(
        store,
        period,
        recent_ns=midnight_ns(now_ns),
        agent=asked.agent or None,
        limit=ISSUES_SHOWN,
        codes=asked.codes(),
    )


def _lines(
    store: Store, found: tuple[Issue, ...], runs: Mapping[str | None, int], until_ns: int, now_ns: int
) -> tuple[IssueLine, ...]:
    today = now_ns // DAY_NS
    by_day = read_issue_days(store, [each.key for each in found], today - DAYS + 1, today)
    standings = read_standings(store, found, until_ns)
    applied_ns = read_tries(store).applied_ns
    return tuple(
        IssueLine(
            number=each.key,
            title=clean(title(each.code, each.subject, each.cause)),
            href=issue_href(each.key),
            code=str(each.code),
            agent=clean(agent_name(each.agent)),
            severity=severity_mark(each.severity),
            often=how_often(each, runs.get(each.agent)),
            lately=standing_words(standings.get(each.key)) or "-",
            since_fix=since_fix_words(
                read_effect(store, each, applied_ns[each.fingerprint])
                if each.fingerprint in applied_ns
                else None
            ),
            bars=bars_of(by_day[each.key], today, step=4, height=20),
            last=moment_of(each.last_ns),
        )
        for each in found
    )


def _why_empty(store: Store, asked: IssueQuery, runs: int, now_ns: int) -> tuple[str, str]:
    """In words, and what to type."""
    whose = f" of {clean(asked.agent)}" if asked.agent else ""
    if runs:
        kind = " of this kind" if asked.code or asked.severity else ""
        return f"Nothing{kind} went wrong{whose} in this period, as far as it shows on the wire.", ""
    ever = read_run_totals(store, Period(since_ns=0, until_ns=now_ns))
    if any(now.runs for now, _ in ever.values()):
        return f"There is no run{whose} in this period.", ""
    return (
        "No call has been seen yet. Start with one of these:",
        "arc-proxy run -- python my_agent.py\narc-proxy demo",
    )


def _says(shown: int) -> str:
    if not shown:
        return "No issue here."
    return f"The worst {ISSUES_SHOWN}, the worst first." if shown == ISSUES_SHOWN else plural(shown, "issue")
