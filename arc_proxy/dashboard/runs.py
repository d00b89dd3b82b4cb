"""The runs of a period as a list: filters in the URL, a page at a time. Reads rows, and no bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from arc_proxy.dashboard.frame import Frame, Link, Moment, moment_of
from arc_proxy.dashboard.links import is_key, read_number, run_href
from arc_proxy.dashboard.rendering import render
from arc_proxy.dashboard.source import Source
from arc_proxy.errors import UsageError
from arc_proxy.export.rows import export_run
from arc_proxy.format import clean, count, cut, plural, spend, tokens
from arc_proxy.report.facets import ns_duration, run_spend, run_state
from arc_proxy.store.filters import RunFilter
from arc_proxy.store.read import iter_runs, list_run_trees, list_runs
from arc_proxy.store.views import Cursor, RunRow, RunTree

PATH = "/_arc/runs"
PAGE_RUNS = 50
EXPORT_RUNS_MAX = 100_000
NAME_CELLS_MAX = 16
DEFAULT_SINCE = "30d"
PERIODS = (("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"), ("all", "all"))
STATES = (("", "any state"), ("failed", "failed"), ("ok", "not failed"))
OUTCOMES = (("", "any outcome"), ("success", "success"), ("failure", "failure"))
_FIELDS = ("since", "until", "agent", "session", "state", "outcome", "framework", "model", "issue", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """
    What the URL asks for, as text; "" is not asked for. `tag`: `name=value`. `after`: the cursor of the last
    run of the page before.
    """

    since: str = DEFAULT_SINCE
    until: str = ""
    agent: str = ""
    session: str = ""
    state: str = ""
    outcome: str = ""
    framework: str = ""
    model: str = ""
    issue: str = ""
    tag: str = ""
    after: Cursor | None = None

    @property
    def is_narrowed(self) -> bool:
        return any(getattr(self, name) for name in _FIELDS[2:])

    def url(self, path: str = PATH) -> str:
        given = [(name, value) for name in _FIELDS if (value := getattr(self, name))]
        if self.after is not None:
            given.append(("after", "{}.{}".format(*self.after)))
        return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A row of the list, in words. `depth`: of a sub-agent's run, how deep below its parent's."""

    depth: int
    name: str
    run_id: str
    href: str
    agent: str
    started: Moment
    took: str
    calls: str
    errors: str
    tokens_in: str
    tokens_out: str
    cost: str
    models: str
    state: str
    is_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsView:
    query: RunQuery
    lines: tuple[RunLine, ...]
    periods: tuple[Link, ...]
    newer: str | None  # hrefs
    older: str | None
    formats: tuple[Link, ...]
    says: str
    states: tuple[tuple[str, str], ...] = STATES
    outcomes: tuple[tuple[str, str], ...] = OUTCOMES


def read_query(query: Mapping[str, str]) -> RunQuery:
    """Raises UsageError."""
    given = {name: query[name].strip() for name in _FIELDS if query.get(name, "").strip()}
    for name, known in (("state", STATES), ("outcome", OUTCOMES)):
        if given.get(name, "") not in dict(known):
            raise UsageError(f"{name}={given[name]!r}: known are {', '.join(filter(None, dict(known)))}.")
    if "issue" in given:
        read_number("issue", given["issue"])
    if "tag" in given and "=" not in given["tag"]:
        raise UsageError(f"tag={given['tag']!r}: expected name=value.")
    return RunQuery(**given, after=_cursor(query.get("after", "")))


def runs_page(source: Source, query: Mapping[str, str], now_ns: int) -> str:
    """The HTML. Raises UsageError, StoreError."""
    asked = read_query(query)
    wanted = _filter(source, asked, now_ns)
    store = source.store()
    if asked.is_narrowed:
        found = tuple(map(RunTree, list_runs(store, wanted, limit=PAGE_RUNS + 1, after=asked.after)))
    else:
        found = list_run_trees(store, wanted, limit=PAGE_RUNS + 1, after=asked.after)
    shown = found[:PAGE_RUNS]
    older = replace(asked, after=shown[-1].run.cursor).url() if len(found) > PAGE_RUNS else None
    view = RunsView(
        query=asked,
        lines=tuple(_line(depth, run, asked) for tree in shown for depth, run in tree.lines()),
        periods=tuple(
            Link(text, replace(asked, since=since, after=None).url(), since == asked.since)
            for since, text in PERIODS
        ),
        newer=replace(asked, after=None).url() if asked.after is not None else None,
        older=older,
        formats=tuple(
            Link(name, replace(asked, after=None).url(f"{PATH}.{name}")) for name in ("json", "csv")
        ),
        says=_says(len(shown), has_more=older is not None, asked=asked),
    )
    return render("runs.html", frame=Frame(title="Runs · arc-proxy", here=PATH), view=view)


def run_rows(source: Source, query: Mapping[str, str], now_ns: int) -> Iterator[dict[str, Any]]:
    """The runs of the same URL as `export runs` writes them, oldest first. Raises UsageError, StoreError."""
    asked = read_query(query)
    for number, run in enumerate(iter_runs(source.store(), _filter(source, asked, now_ns))):
        if number >= EXPORT_RUNS_MAX:
            return
        yield export_run(run)


def _filter(source: Source, asked: RunQuery, now_ns: int) -> RunFilter:
    since_ns, until_ns = source.period(asked.since, asked.until or None, now_ns)
    name, _, value = asked.tag.partition("=")
    return RunFilter(
        since_ns=since_ns,
        until_ns=until_ns,
        agent=asked.agent or None,
        session_id=asked.session or None,
        failed={"failed": True, "ok": False}.get(asked.state),
        outcome=asked.outcome or None,
        framework=asked.framework or None,
        model=asked.model or None,
        issue=int(asked.issue) if asked.issue else None,
        tags={name: value} if asked.tag else {},
    )


def _line(depth: int, run: RunRow, asked: RunQuery) -> RunLine:
    is_failed = run.failed if run.outcome is None else run.outcome == "failure"
    return RunLine(
        depth=depth,
        name=cut(clean(run.run_id), NAME_CELLS_MAX),
        run_id=clean(run.run_id),
        href=f"{run_href(run.run_id, run.agent)}&{urlencode([('from', asked.url())])}",
        agent=clean(run.agent or "-"),
        started=moment_of(run.started_ns),
        took=ns_duration(run.ended_ns - run.started_ns),
        calls=count(run.calls),
        errors=count(run.errors) if run.errors else "-",
        tokens_in=tokens(run.input_tokens),
        tokens_out=tokens(run.output_tokens),
        cost=spend(run_spend(run)),
        models=clean(", ".join(run.models) or "-"),
        state=clean(run_state(run)),
        is_failed=is_failed,
    )


def _says(shown: int, *, has_more: bool, asked: RunQuery) -> str:
    if not shown:
        return "No run here."
    if asked.after is None and not has_more:
        return plural(shown, "run")
    place = "next" if asked.after is not None else "latest"
    return f"The {place} {plural(shown, 'run')}, newest first."


def _cursor(text: str) -> Cursor | None:
    started, _, key = text.partition(".")
    if not text:
        return None
    if not (is_key(started) and is_key(key)):
        raise UsageError(f"after={text!r} is no place in the list of runs.")
    return (int(started), int(key))
