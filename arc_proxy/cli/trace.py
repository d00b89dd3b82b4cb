"""`arc-proxy trace`: runs and their steps, those that were and those that happen."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import Agent, DataDir, given
from arc_proxy.cli.terminal import out, out_json_lines, quiet_when_nobody_reads, say, style, width
from arc_proxy.cli.when import parse_moment
from arc_proxy.errors import UsageError

if TYPE_CHECKING:
    from arc_proxy.report.happening import Happening
    from arc_proxy.report.timeline import Line, Screen
    from arc_proxy.report.watch import Watch
    from arc_proxy.store.engine import Store
    from arc_proxy.store.timeline import RunTrace
    from arc_proxy.store.views import RunRow, RunTree

app = typer.Typer(add_completion=False)

RUNS_SHOWN = 5
RUNS_SHOWN_SINCE = 50
RUNS_MAX = 200  # with those of their sub-agents
STEPS_SHOWN = 20
STEPS_SHOWN_OF_ONE = 500
PAGES_MAX = 5  # read with one look; what is left comes with the next

_STYLES = {
    "heading": ("dim",),
    "run": ("bold",),
    "bad step": ("yellow",),
    "failure": ("red",),
    "end": ("dim",),
    "beside": ("dim",),
}


@app.command(cls=HelpCommand)
def trace(
    live: Annotated[
        bool, typer.Option("--live", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    run: Annotated[
        str | None, given("--run", "Only this run and its sub-agents'; its id, whole.", metavar="RUN")
    ] = None,
    agent: Agent = None,
    since: Annotated[
        str | None,
        given(
            "--since", "Runs from when: 10m, 24h back, 2026-11-25, or all; else the latest 5.", metavar="WHEN"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object per line: run, step, failure, end.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """
    Show the latest runs step by step: tools, model, tokens, cost, time, and what failed. `-f` goes on with
    what happens.

    A step is shown when it has ended, what failed in it when that has been found, a moment later. Where more
    happens than can be read, at most 10 lines a second stand for it: one for each run, or for each agent, and
    each says how many steps it sums up. `--json` has every step by itself.
    """
    folder = find_folder(data_dir, os.environ)
    since_ns = parse_moment(since, time.time_ns()) if since else None
    shown = _Shown(run, agent, since_ns, is_bounded=since is None, as_json=as_json)
    if live:
        # Ctrl-C is how it ends: no failure, wherever it was.
        try:
            _follow(folder, shown)
        except KeyboardInterrupt:
            return
    else:
        _once(folder, shown)


class _Shown:
    """What was asked for, and how it is printed."""

    def __init__(
        self, run_id: str | None, agent: str | None, since_ns: int | None, *, is_bounded: bool, as_json: bool
    ) -> None:
        self.run_id = run_id
        self.agent = agent
        self.since_ns = since_ns
        self.runs_max = RUNS_SHOWN if is_bounded else RUNS_SHOWN_SINCE
        self.steps_max = STEPS_SHOWN if run_id is None else STEPS_SHOWN_OF_ONE
        self.as_json = as_json
        self.has_heading = False
        self._of_run: set[str] = {run_id} if run_id is not None else set()

    def wants(self, run: RunRow) -> bool:
        """Sub-agents' runs are known by their parents', which come before them."""
        if self.agent is not None and (run.agent or "") != self.agent:
            return False
        if self.run_id is None or run.run_id in self._of_run:
            return True
        if run.parent_run_id in self._of_run:
            self._of_run.add(run.run_id)
            return True
        return False

    def lines(self, lines: Iterable[Line]) -> None:
        from arc_proxy.report.timeline import heading

        for part, text in lines:
            if not self.has_heading:
                self.has_heading = True
                out(style(heading(width())[1], *_STYLES["heading"]))
            out(style(text, *_STYLES.get(part, ())))

    def json(self, happenings: Iterable[Happening]) -> None:
        from arc_proxy.report.happening import happening_json

        out_json_lines(map(happening_json, happenings))


def _once(folder: Folder, shown: _Shown) -> None:
    from arc_proxy.cli.rows import NothingYet, open_rows

    try:
        with open_rows(folder, os.environ) as store:
            if not _print_latest(store, shown):
                _say_nothing(shown)
    except NothingYet as error:
        say(f"{error} Try: arc-proxy run -- python my_agent.py")


def _follow(folder: Folder, shown: _Shown) -> None:
    from arc_proxy.cli.following import LOOK_S, Following, pause
    from arc_proxy.cli.log import log_to_stderr
    from arc_proxy.report.timeline import Screen

    log_to_stderr()
    watch: Watch | None = None
    watched: Store | None = None
    screen = Screen()

    def look(store: Store) -> None:
        nonlocal watch, watched, screen
        if watch is None or store is not watched:
            watch, watched, screen = _begin(store, shown), store, Screen()
        else:
            _print_news(store, shown, watch, screen)

    following = Following(folder, os.environ)
    try:
        with quiet_when_nobody_reads():
            while True:
                following.look(look)
                sys.stdout.flush()
                pause(LOOK_S)
    finally:
        following.close()


def _begin(store: Store, shown: _Shown) -> Watch:
    """Print what was, and remember where it ends."""
    from arc_proxy.report.watch import Watch
    from arc_proxy.store.timeline import read_marks

    # Before: what comes in between is shown twice to none, since the watch is told what has been shown.
    watch = Watch(read_marks(store), shown.wants)
    traces = _print_latest(store, shown)
    watch.shown(traces)
    if not traces:
        say(f"{_nothing(shown)} Waiting.")
    return watch


def _print_news(store: Store, shown: _Shown, watch: Watch, screen: Screen) -> None:
    from arc_proxy.store.timeline import read_news

    found: list[Happening] = []
    for _ in range(PAGES_MAX):
        news = read_news(store, watch.marks, again=watch.awaited, running=watch.running)
        found += watch.take(news)
        if not news.has_more:
            break
    if shown.as_json:
        shown.json(found)
    else:
        shown.lines(screen.lines(found, width(), time.time_ns()))


def _print_latest(store: Store, shown: _Shown) -> tuple[RunTrace, ...]:
    """The timeline of the latest runs, the oldest of them first, each with its sub-agents' below."""
    from arc_proxy.report.happening import happenings_of
    from arc_proxy.report.timeline import trace_lines
    from arc_proxy.store.timeline import read_traces

    trees, has_more = _trees(store, shown)
    every = [
        (depth + (tree.run.parent_run_id is not None), run) for tree in trees for depth, run in tree.lines()
    ]
    placed = every[-RUNS_MAX:]
    if has_more or len(placed) < len(every):
        say("Earlier runs are left out; `arc-proxy runs` lists them.")
    traces = read_traces(store, [run for _, run in placed], calls_max=shown.steps_max)
    for (depth, run), trace in zip(placed, traces, strict=True):
        shown.wants(run)
        if shown.as_json:
            shown.json(happenings_of(trace))
        else:
            shown.lines(trace_lines(happenings_of(trace), width(), time.time_ns(), depth=depth))
    return traces


def _trees(store: Store, shown: _Shown) -> tuple[list[RunTree], bool]:
    """Oldest first, and whether there are more."""
    from arc_proxy.store.filters import RunFilter
    from arc_proxy.store.read import list_run_trees, list_runs
    from arc_proxy.store.views import RunTree

    wanted = RunFilter(since_ns=shown.since_ns, agent=shown.agent, run_id=shown.run_id)
    if shown.agent is not None:
        found = tuple(map(RunTree, list_runs(store, wanted, limit=shown.runs_max + 1)))
    else:
        found = list_run_trees(store, wanted, limit=shown.runs_max + 1)
    return list(found[: shown.runs_max][::-1]), len(found) > shown.runs_max


def _say_nothing(shown: _Shown) -> None:
    """Of a run that was asked for by its id, that is a mistake."""
    if shown.run_id is not None:
        raise UsageError(f"{_nothing(shown)} `arc-proxy runs` lists runs.")
    say(_nothing(shown))


def _nothing(shown: _Shown) -> str:
    from arc_proxy.format import clean

    if shown.run_id is not None:
        return f"No run is called {clean(shown.run_id, 60)}."
    of = f" of {clean(shown.agent, 60)}" if shown.agent is not None else ""
    return f"No run{of} has been seen" + (" in this time." if shown.since_ns is not None else " yet.")
