"""`arc-proxy issues`: what goes wrong in agents, the worst first; and which of it is one trouble."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand, HelpGroup
from arc_proxy.cli.issues_merge import merge, split
from arc_proxy.cli.options import Agent, AsJson, DataDir, Since, Until
from arc_proxy.cli.terminal import out, out_json_lines, say, width
from arc_proxy.cli.when import parse_period
from arc_proxy.errors import UsageError

if TYPE_CHECKING:
    from analysis.effect import Effect
    from analysis.standing import Standing
    from arc_proxy.store.issues import Issue

app = typer.Typer(cls=HelpGroup, add_completion=False, invoke_without_command=True)
app.command(cls=HelpCommand)(merge)
app.command(cls=HelpCommand)(split)


@app.callback()
def issues(
    ctx: typer.Context,
    since: Since = "30d",
    until: Until = None,
    agent: Agent = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=1000, help="At most so many.")
    ] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    List what goes wrong in agents, the worst first: failures of one agent with one cause are one issue.

    Each has a number, how often it came, and whether it is new, back after a week without it, or rising per
    run of the agent. What an agent does not show on the wire is not in it: report outcomes to count that.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return
    from arc_proxy.cli.rows import NothingYet

    now_ns = time.time_ns()
    period = parse_period(since, until, now_ns)
    try:
        read = _read(find_folder(data_dir, os.environ), period, agent, limit, now_ns)
    except NothingYet as error:
        say(f"{error} Try: arc-proxy run -- python my_agent.py")
        return
    found, runs, standings, effects = read
    if as_json:
        from arc_proxy.report.jsonable import issue_json

        out_json_lines(issue_json(issue, standings.get(issue.key)) for issue in found)
        return
    from arc_proxy.report.issues_table import issues_table
    from arc_proxy.report.layout import period_words
    from arc_proxy.report.table import draw

    if not found:
        words = period_words(f"{since} to {until}" if until else since)
        whose = f" of {agent}" if agent else ""
        none = f"There is no run{whose} in this period ({words})."
        fine = f"Nothing went wrong{whose} that shows on the wire ({words})."
        say(fine if any(runs.values()) else none)
        return
    has_names = len({issue.agent for issue in found}) > 1
    table = issues_table(found, runs, now_ns, has_names=has_names, standings=standings, effects=effects)
    for line in draw(table, width()):
        out(line)


def _refuse_options(ctx: typer.Context) -> None:
    """In front of `merge` they are another command's, and a folder that is not heeded is another folder."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            sub = ctx.invoked_subcommand
            raise UsageError(f"write options of {sub} behind it: arc-proxy issues {sub} ... --data-dir DIR.")


def _read(
    folder: Folder, period: tuple[int | None, int | None], agent: str | None, limit: int, now_ns: int
) -> tuple[tuple[Issue, ...], dict[str | None, int], dict[int, Standing], dict[int, Effect]]:
    """The issues, by agent how many runs there were, and by issue how it stands and what its fix came to."""
    from arc_proxy.cli.rows import open_rows
    from arc_proxy.report.health import midnight_ns
    from arc_proxy.store.history import read_standings
    from arc_proxy.store.issues import read_issues
    from arc_proxy.store.report import read_run_totals
    from arc_proxy.store.totals import Period
    from arc_proxy.store.tried import read_effect, read_tries

    since_ns, until_ns = period
    asked = Period(since_ns=since_ns or 0, until_ns=now_ns if until_ns is None else min(until_ns, now_ns))
    with open_rows(folder, os.environ) as store:
        found = read_issues(store, asked, recent_ns=midnight_ns(now_ns), agent=agent, limit=limit)
        totals = read_run_totals(store, asked, agent=agent)
        applied_ns = read_tries(store).applied_ns
        effects = {
            issue.key: read_effect(store, issue, applied_ns[issue.fingerprint])
            for issue in found
            if issue.fingerprint in applied_ns
        }
        runs = {name: now.runs for name, (now, _) in totals.items()}
        return found, runs, read_standings(store, found, asked.until_ns), effects
