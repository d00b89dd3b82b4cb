"""`arc-proxy runs`: the latest runs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import Agent, AsJson, DataDir, Since, Until, given
from arc_proxy.cli.terminal import out, out_json_lines, say, width
from arc_proxy.cli.when import parse_period

if TYPE_CHECKING:
    from arc_proxy.report.table import Table
    from arc_proxy.store.views import RunTree

app = typer.Typer(add_completion=False)


@app.command(cls=HelpCommand)
def runs(
    since: Since = "7d",
    until: Until = None,
    agent: Agent = None,
    session: Annotated[str | None, given("--session", "Only this conversation's.", metavar="ID")] = None,
    failed: Annotated[
        bool | None,
        typer.Option("--failed/--ok", show_default=False, help="Only those that failed, or did not."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=10_000, help="At most so many.")
    ] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    List the latest runs, newest first, each with the runs of its sub-agents below it. `--failed`, `--ok` and
    `--json` list every run by itself. `arc-proxy show ID` has one of them whole.
    """
    from arc_proxy.cli.rows import NothingYet, open_rows
    from arc_proxy.store.filters import RunFilter
    from arc_proxy.store.read import list_run_trees, list_runs
    from arc_proxy.store.views import RunTree

    now_ns = time.time_ns()
    since_ns, until_ns = parse_period(since, until, now_ns)
    wanted = RunFilter(since_ns=since_ns, until_ns=until_ns, agent=agent, session_id=session, failed=failed)
    folder = find_folder(data_dir, os.environ)
    try:
        with open_rows(folder, os.environ) as store:
            if as_json or failed is not None:
                found = tuple(map(RunTree, list_runs(store, wanted, limit=limit)))
            else:
                found = list_run_trees(store, wanted, limit=limit)
    except NothingYet as error:
        say(f"{error} Try: arc-proxy run -- python my_agent.py")
        return
    if as_json:
        from arc_proxy.export.rows import export_run

        out_json_lines(export_run(tree.run) for tree in found)
        return
    if not found:
        from arc_proxy.format import clean
        from arc_proxy.report.layout import period_words

        say(
            "No run"
            + (f" of {clean(agent, 60)}" if agent else "")
            + f" in this period ({period_words(f'{since} to {until}' if until else since)})"
            + ("." if since == "all" else "; `--since all` looks further back.")
        )
        return
    from arc_proxy.report.table import draw

    for line in draw(runs_table(found, now_ns), width()):
        out(line)


def runs_table(found: tuple[RunTree, ...], now_ns: int) -> Table:
    from arc_proxy.format import ago, spend, tokens
    from arc_proxy.report.facets import branch, ns_duration, run_spend, run_state
    from arc_proxy.report.table import ID_CELLS, Column, Table

    lines = [line for tree in found for line in tree.lines()]
    sessions = {run.session_id for _, run in lines} - {None}
    columns = (
        Column("run", is_number=False, flex=True, keep=ID_CELLS),
        Column("agent", is_number=False, flex=True),
        Column("started", rank=1),
        Column("took", rank=3),
        Column("calls"),
        Column("errors"),
        Column("in", rank=4),
        Column("out", rank=4),
        Column("cost"),
        Column("models", is_number=False, flex=True, rank=5),
        Column("outcome", is_number=False, rank=2),
        *((Column("session", is_number=False, flex=True, rank=6),) if len(sessions) > 1 else ()),
    )
    rows = tuple(
        (
            branch(depth) + run.run_id,
            run.agent or "-",
            ago(run.started_ns, now_ns),
            ns_duration(run.ended_ns - run.started_ns),
            str(run.calls),
            str(run.errors),
            tokens(run.input_tokens),
            tokens(run.output_tokens),
            spend(run_spend(run)),
            ", ".join(run.models) or "-",
            run_state(run),
            *((run.session_id or "-",) if len(sessions) > 1 else ()),
        )
        for depth, run in lines
    )
    return Table(columns, rows)
