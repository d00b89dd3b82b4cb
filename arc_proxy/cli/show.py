"""`arc-proxy show ID`: one run or one call."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import AsJson, DataDir
from arc_proxy.cli.terminal import out, out_json, width
from arc_proxy.errors import UsageError
from arc_proxy.format import clean

if TYPE_CHECKING:
    from arc_proxy.report.warning_model import AnyWarning
    from arc_proxy.store.engine import Store
    from arc_proxy.store.views import Match

app = typer.Typer(add_completion=False)

_SHOWN_MATCHES = 10
_SESSION_RUNS_MAX = 1000


@app.command(cls=HelpCommand)
def show(
    which: Annotated[
        str, typer.Argument(metavar="ID", help="A run, call or session, or the beginning of its id.")
    ],
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Of a call: whole messages, headers, every piece; of a run: attempts, auxiliary calls.",
        ),
    ] = False,
    agent: Annotated[
        str | None,
        typer.Option("--agent", metavar="NAME", show_default=False, help="Whose, if two share the id."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show one run with its calls, or one call with its messages, tokens and the sum of its cost."""
    from arc_proxy.cli.rows import open_rows

    folder = find_folder(data_dir, os.environ)
    which = which.removesuffix("…").removesuffix("...")  # as copied from a table that had to cut it
    with open_rows(folder, os.environ) as store:
        match = _one(store, which, agent)
        if as_json:
            out_json(_json(store, folder, match))
        else:
            for line in _text(store, folder, match, full):
                out(line)


def _text(store: Store, folder: Folder, match: Match, full: bool) -> Iterator[str]:
    from arc_proxy.cli.runs import runs_table
    from arc_proxy.report.detail import call_lines, run_lines, session_lines
    from arc_proxy.report.table import draw
    from arc_proxy.store.filters import RunFilter
    from arc_proxy.store.read import list_run_trees, read_call, read_run

    if match.noun == "call":
        call = read_call(store, match.key)
        yield from call_lines(call, width(), full=full) if call else ()
    elif match.noun == "run":
        run = read_run(store, match.key)
        if run is not None:
            now_ns = time.time_ns()
            warnings = _warnings(store, folder, match, now_ns)
            yield from run_lines(run, width(), now_ns, full=full, warnings=warnings)
    else:
        of_session = RunFilter(session_id=match.id)
        runs = list_run_trees(store, of_session, limit=_SESSION_RUNS_MAX, oldest_first=True)
        yield from session_lines(match.id, runs)
        yield ""
        yield from draw(runs_table(runs, time.time_ns()), width())


def _warnings(store: Store, folder: Folder, match: Match, now_ns: int) -> tuple[AnyWarning, ...]:
    from arc_proxy.cli.book import open_book
    from arc_proxy.cli.budgets import budgets_in_force
    from arc_proxy.report.warnings import run_warnings

    budgets = budgets_in_force(folder, os.environ)
    return run_warnings(store, open_book(folder), match.key, budgets, now_ns)


def _json(store: Store, folder: Folder, match: Match) -> Any:
    from arc_proxy.export.rows import export_run
    from arc_proxy.report.jsonable import call_detail_json, run_detail_json
    from arc_proxy.store.filters import RunFilter
    from arc_proxy.store.read import iter_runs, read_call, read_run

    if match.noun == "call":
        call = read_call(store, match.key)
        return call_detail_json(call) if call else None
    if match.noun == "run":
        run = read_run(store, match.key)
        return run_detail_json(run, _warnings(store, folder, match, time.time_ns())) if run else None
    return {
        "session_id": match.id,
        "runs": [export_run(run) for run in iter_runs(store, RunFilter(session_id=match.id))],
    }


def _one(store: Store, which: str, agent: str | None) -> Match:
    from arc_proxy.store.read import find

    matches = [each for each in find(store, which, limit=_SHOWN_MATCHES + 1) if agent in (None, each.agent)]
    if not matches:
        raise UsageError(
            f"no run, call or session begins with {clean(which, 60)!r}; `arc-proxy runs` lists runs."
        )
    if len(matches) == 1:
        return matches[0]
    listed = [f"  {each.noun:<8}{clean(each.id, 60)}" + _of(each) for each in matches[:_SHOWN_MATCHES]]
    more = "\n  ..." if len(matches) > _SHOWN_MATCHES else ""
    raise UsageError(
        f"{clean(which, 60)!r} may mean any of these; give more of it, or --agent:\n"
        + "\n".join(listed)
        + more
    )


def _of(match: Match) -> str:
    return f"   of {clean(match.agent, 40)}" if match.agent else ""
