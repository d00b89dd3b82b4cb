"""`arc-proxy savings`: what cheaper models would make of an agent's calls."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import AsJson, DataDir, Since, Until
from arc_proxy.cli.terminal import out, out_json, say, width
from arc_proxy.cli.when import parse_period

if TYPE_CHECKING:
    from arc_proxy.report.savings_model import Savings

app = typer.Typer(add_completion=False)


@app.command(cls=HelpCommand)
def savings(
    agent: Annotated[
        str | None, typer.Argument(metavar="AGENT", show_default=False, help="Only this agent's calls.")
    ] = None,
    since: Since = "30d",
    until: Until = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Every candidate, and all that were ruled out.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Name cheaper models for what an agent does: those that can take its calls, and what a month would cost.

    Before 100 calls on 3 days it compares prices alone. A range covers how differently models count tokens
    and how days differ; what is not known of a model is said. Nothing is sent anywhere.
    """
    period = parse_period(since, until, time.time_ns())
    found = _read(find_folder(data_dir, os.environ), period, agent)
    if as_json:
        from arc_proxy.report.savings_json import savings_json

        out_json(savings_json(found))
        return
    from arc_proxy.report.layout import period_words
    from arc_proxy.report.savings_lines import empty_words, savings_lines

    if not found.agents:
        say(empty_words(found, period_words(f"{since} to {until}" if until else since), agent))
    for line in savings_lines(found, width(), show_all=show_all):
        out(line)


def _read(folder: Folder, period: tuple[int | None, int | None], agent: str | None) -> Savings:
    from arc_proxy.cli.book import open_book
    from arc_proxy.cli.rows import NothingYet, open_rows
    from arc_proxy.report.savings import build_savings, empty_savings

    now_ns = time.time_ns()
    since_ns, until_ns = period
    try:
        with open_rows(folder, os.environ) as store:
            return build_savings(
                store, open_book(folder), since_ns=since_ns, until_ns=until_ns, now_ns=now_ns, agent=agent
            )
    except NothingYet:
        return empty_savings(now_ns)
