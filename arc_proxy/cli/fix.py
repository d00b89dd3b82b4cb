"""`arc-proxy fix ISSUE`: what to change about an issue. It prints, and never edits."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.issues_merge import find_issue
from arc_proxy.cli.options import KEY_MAX, AsJson, DataDir
from arc_proxy.cli.terminal import out, out_json, say, width
from arc_proxy.journal.fact import FactType

if TYPE_CHECKING:
    from arc_proxy.store.issues import Issue

app = typer.Typer(add_completion=False)


@app.command(cls=HelpCommand)
def fix(
    which: Annotated[
        int,
        typer.Argument(min=1, max=KEY_MAX, metavar="ISSUE", help="Its number, as `arc-proxy issues` has it."),
    ],
    applied: Annotated[
        bool, typer.Option("--applied", help="You changed it: from now on the issue says whether it helped.")
    ] = False,
    useful: Annotated[
        bool | None,
        typer.Option("--useful/--not-useful", show_default=False, help="Whether the fix was of use to you."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Print what to change about an issue: what happened, why, the change, and how to tell whether it helped.

    In the words of the framework that made the calls. From three failures on it is a few lines of code to
    guard with, from ten on, or where it stops runs, a larger change. Nothing is edited, nothing is sent.
    """
    from arc_proxy.cli.rows import open_rows
    from arc_proxy.report.fix import agent_runs, fix_json, fix_lines, read_fix, standing_lines, tried_lines
    from arc_proxy.store.history import read_standings
    from arc_proxy.store.tried import read_effect, read_tries

    folder = find_folder(data_dir, os.environ)
    with open_rows(folder, os.environ) as store:
        issue = find_issue(store, which)
        if applied or useful is not None:
            _note(folder, issue, applied=applied, useful=useful)
            return
        found = read_fix(store, issue, agent_runs(store, issue, time.time_ns()))
        standing = read_standings(store, [issue], time.time_ns())[issue.key]
        tries = read_tries(store)
        applied_ns = tries.applied_ns.get(issue.fingerprint)
        became = None if applied_ns is None else read_effect(store, issue, applied_ns)
    if as_json:
        out_json(fix_json(issue, found, standing, applied_ns, became))
        return
    for line in fix_lines(issue, found, width()):
        out(line)
    out()
    for line in standing_lines(standing, time.time_ns(), width()):
        out(line)
    for line in tried_lines(issue, tries, became, time.time_ns(), width()):
        out(line)


def _note(folder: Folder, issue: Issue, *, applied: bool, useful: bool | None) -> None:
    from arc_proxy.cli.facts import about_fix, write_fact

    about = about_fix(issue)
    if applied:
        write_fact(folder, FactType.FIX_APPLIED, **about)
        say(f"Noted. From now on `arc-proxy fix {issue.key}` says whether issue {issue.key} comes again.")
    if useful is not None:
        write_fact(folder, FactType.FIX_VOTE, **about, is_useful=useful)
        say(f"Noted: {'useful' if useful else 'not useful'}.")
