"""`arc-proxy report`: the card of each agent, and the tables."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import find_instance, standing_counts
from arc_proxy.cli.options import Agent, AsJson, DataDir, Since, Until, given
from arc_proxy.cli.terminal import out, out_json, say, width
from arc_proxy.cli.when import parse_period

if TYPE_CHECKING:
    from analysis.budget import Budgets
    from arc_proxy.report.document import Document
    from arc_proxy.report.model import Report
    from arc_proxy.report.threshold import Threshold
    from arc_proxy.store.engine import Store

app = typer.Typer(add_completion=False)

EXIT_THRESHOLD = 3
# What a program reads, or a build is judged by, must not hang on how many cards a screen has room for.
HEALTHS_JUDGED_MAX = 200
# Into so many projects, by spend, is looked where they are asked for: three tables each on a screen.
PROJECTS_SHOWN_MAX = 5
PROJECTS_READ_MAX = 50


class By(StrEnum):
    AGENT = "agent"
    MODEL = "model"
    DAY = "day"
    TOOL = "tool"
    PROMPT = "prompt"
    PROJECT = "project"
    VERSION = "version"


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "md"
    HTML = "html"


@app.command(cls=HelpCommand)
def report(
    since: Since = "30d",
    until: Until = None,
    agent: Agent = None,
    by: Annotated[
        list[By] | None,
        given(
            "--by",
            "Which tables; else agent and model. project also shows what sub-agents, tools and MCP servers "
            "took. May be given again.",
            metavar="agent|model|day|tool|prompt|project|version",
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="html is a page that needs nothing beside it.")
    ] = Format.TEXT,
    explain: Annotated[
        bool, typer.Option("--explain", help="The runs and weights behind each reliability.")
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        given(
            "--fail-on",
            "Exit with 3 if an agent passes this: reliability<B, errors>5%, cost-per-run>0.05 ... "
            "May be given again.",
            metavar="CONDITION",
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Show what each agent's runs cost and how many failed: the card, and tables per agent and model.

    The numbers are as good as the marks beside them say: ~ for what was estimated, "at least" or ≥ where
    part of a price or of the usage is missing, and calls without any are named beside the sum.
    """
    from arc_proxy.report.threshold import parse_threshold

    thresholds = tuple(map(parse_threshold, fail_on or ()))
    period = parse_period(since, until, time.time_ns())
    chosen = tuple(by or (By.AGENT, By.MODEL))
    form = Format.JSON if as_json else form
    words = f"{since} to {until}" if until else since
    folder = find_folder(data_dir, os.environ)
    is_judged = bool(thresholds) or form is Format.JSON
    projects_max = PROJECTS_READ_MAX if form is Format.JSON else PROJECTS_SHOWN_MAX
    found = _read(folder, period, agent, chosen, HEALTHS_JUDGED_MAX if is_judged else None, projects_max)
    _print(folder, found, form, words, agent, tuple(map(str, chosen)), explain=explain)
    _judge(found, thresholds)


def _read(
    folder: Folder,
    period: tuple[int | None, int | None],
    agent: str | None,
    by: tuple[By, ...],
    healths_max: int | None,
    projects_max: int,
) -> Report:
    from arc_proxy.cli.budgets import budgets_in_force
    from arc_proxy.cli.rows import NothingYet, open_rows
    from arc_proxy.report.model import empty_report

    try:
        with open_rows(folder, os.environ) as store:
            budgets = budgets_in_force(folder, os.environ)
            return report_of(store, folder, period, agent, budgets, by, healths_max, projects_max)
    except NothingYet:
        return empty_report(time.time_ns())


def report_of(
    store: Store,
    folder: Folder,
    period: tuple[int | None, int | None],
    agent: str | None,
    budgets: Budgets,
    by: tuple[By, ...] = (),
    healths_max: int | None = None,
    projects_max: int = PROJECTS_SHOWN_MAX,
) -> Report:
    from arc_proxy.cli.book import open_book
    from arc_proxy.report.build import HEALTHS_MAX, build_report

    since_ns, until_ns = period
    return build_report(
        store,
        open_book(folder),
        since_ns=since_ns,
        until_ns=until_ns,
        now_ns=time.time_ns(),
        agent=agent,
        days=By.DAY in by,
        versions=By.VERSION in by,
        projects_max=projects_max if By.PROJECT in by else 0,
        healths_max=HEALTHS_MAX if healths_max is None else healths_max,
        budgets=budgets,
        standing=standing_counts(find_instance(folder)),
    )


def _print(
    folder: Folder,
    found: Report,
    form: Format,
    words: str,
    agent: str | None,
    by: tuple[str, ...],
    *,
    explain: bool,
) -> None:
    firing, warnings = _alerts(folder, agent)
    if form is Format.JSON:
        from arc_proxy.report.jsonable import report_json

        out_json(report_json(found) | {"alerts": firing})
        return
    from arc_proxy.report.document import as_markdown, as_text
    from arc_proxy.report.layout import document_of

    document: Document = document_of(
        found, words, agent=agent, by=by, explain=explain, warnings=warnings, mark=folder.mark
    )
    if form is Format.HTML:
        from arc_proxy.dashboard.page import make_page, render_page

        out(render_page(make_page(document), alone=True))
        return
    for line in as_markdown(document) if form is Format.MARKDOWN else as_text(document, width()):
        out(line)


def _alerts(folder: Folder, agent: str | None) -> tuple[list[dict[str, Any]], list[str]]:
    """
    What fires, as JSON and, of that agent, as warnings. Without a proxy that runs nobody knows what fires
    now.
    """
    if find_instance(folder) is None:
        return [], []
    from arc_proxy.alerts.kept import read_kept
    from arc_proxy.alerts.shown import firing_json, warning_lines

    kept = read_kept(folder.path)
    return firing_json(kept), list(warning_lines(kept, time.time_ns(), agent))


def _judge(found: Report, thresholds: tuple[Threshold, ...]) -> None:
    from arc_proxy.report.threshold import breaches

    passed = list(breaches(found, thresholds))
    for sentence in passed:
        say(sentence)
    if passed:
        raise typer.Exit(EXIT_THRESHOLD)


def cards_since(store: Store, folder: Folder, started_ns: int, name: str) -> list[str]:
    """
    Cards of the agents that made calls since a moment, each over the usual period; none if none did.

    An agent of this name comes first. Others come up where a program names its agents itself.
    """
    from arc_proxy.cli.budgets import budgets_in_force
    from arc_proxy.report import card as cards
    from arc_proxy.report.summary import make_card
    from arc_proxy.store.report import read_use
    from arc_proxy.store.totals import Period

    now_ns = time.time_ns()
    active = [use.agent for use in read_use(store, Period(since_ns=started_ns, until_ns=now_ns)).agents]
    active.sort(key=lambda each: each != name)
    if not active:
        return []
    budgets = budgets_in_force(folder, os.environ)
    lines: list[str] = []
    for agent in active[:3]:
        shown = report_of(store, folder, parse_period("30d", None, now_ns), agent or "", budgets)
        for each in shown.agents:
            lines += ["", *cards.draw(make_card(each), width())]
    return lines
