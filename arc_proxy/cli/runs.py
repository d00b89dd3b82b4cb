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
    from arc_proxy.store.views import RunRow

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
    """List the latest runs, newest first. `arc-proxy show ID` has one of them whole."""
    from arc_proxy.cli.rows import NothingYet, open_rows
    from arc_proxy.store.filters import RunFilter
    from arc_proxy.store.read import list_runs

    now_ns = time.time_ns()
    since_ns, until_ns = parse_period(since, until, now_ns)
    wanted = RunFilter(since_ns=since_ns, until_ns=until_ns, agent=agent, session_id=session, failed=failed)
    folder = find_folder(data_dir, os.environ)
    try:
        with open_rows(folder, os.environ) as store:
            found = list_runs(store, wanted, limit=limit)
    except NothingYet as error:
        say(f"{error} Try: arc-proxy run -- python my_agent.py")
        return
    if as_json:
        from arc_proxy.export.rows import export_run

        out_json_lines(map(export_run, found))
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


def runs_table(found: tuple[RunRow, ...], now_ns: int) -> Table:
    from arc_proxy.format import ago, spend, tokens
    from arc_proxy.report.facets import ns_duration, run_spend, run_state
    from arc_proxy.report.table import Column, Table

    columns = (
        Column("run", is_number=False, flex=True),
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
    )
    rows = tuple(
        (
            run.run_id,
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
        )
        for run in found
    )
    return Table(columns, rows)
