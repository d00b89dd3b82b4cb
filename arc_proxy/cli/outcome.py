"""`arc-proxy outcome`: what the traffic cannot tell, told by who knows."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from arc_proxy.cli.facts import write_fact
from arc_proxy.cli.folder import Folder, find_folder, prepare
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import DataDir, given
from arc_proxy.cli.terminal import say
from arc_proxy.errors import UsageError
from arc_proxy.journal.fact import FactType
from arc_proxy.prefix import is_name

app = typer.Typer(add_completion=False)


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"


@app.command(cls=HelpCommand)
def outcome(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id, whole.")],
    result: Annotated[Outcome, typer.Argument(metavar="success|failure", help="How it went.")],
    agent: Annotated[
        str | None,
        given("--agent", "Whose run, if two share the id.", metavar="NAME"),
    ] = None,
    score: Annotated[
        float | None, given("--score", "How well, 0 to 1.", metavar="NUMBER", min=0, max=1)
    ] = None,
    reason: Annotated[str | None, given("--reason", "Why, in your words.", metavar="TEXT")] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Report whether a run succeeded. It beats what the traffic suggests and may come before the run.

    A program does the same by `POST /_arc/api/runs/RUN/outcome`, with {"outcome": "success"} and the token
    that `arc-proxy open --token` prints, or by the header `x-arc-outcome` on the run's last call.
    """
    if not is_name(run):
        raise UsageError("a run id has 1 to 200 printable characters.")
    folder = find_folder(data_dir, os.environ)
    prepare(folder)
    write_fact(
        folder,
        FactType.OUTCOME,
        run_id=run,
        agent=agent,
        outcome=str(result),
        score=score,
        reason=reason,
        source="cli",
    )
    say(f"Noted: {run} was a {result}.")
    for longer in _longer_ids(folder, run):
        say(f"No run of exactly that id has been seen. If you mean this one, repeat it with {longer}")


def _longer_ids(folder: Folder, run: str) -> tuple[str, ...]:
    """The one run that this is the beginning of, where no run is named so; as far as the rows know by now."""
    from arc_proxy.settings import load_settings
    from arc_proxy.store.engine import open_store
    from arc_proxy.store.read import find

    database = load_settings(folder.path, {}, os.environ).settings.database_url or folder.path / "arc.db"
    if isinstance(database, Path) and not database.exists():
        return ()
    store = open_store(database, create=False)
    try:
        ids = {match.id for match in find(store, run, limit=2) if match.noun == "run"}
    finally:
        store.close()
    return tuple(ids) if len(ids) == 1 and run not in ids else ()
