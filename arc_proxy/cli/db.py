"""`arc-proxy db`: care for the database."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_proxy.cli.folder import Folder, find_folder, prepare
from arc_proxy.cli.help import HelpCommand, HelpGroup
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.options import AsJson, DataDir, Since, Until, given
from arc_proxy.cli.terminal import out, out_json, say, width
from arc_proxy.cli.when import parse_period
from arc_proxy.errors import ArcError
from arc_proxy.format import plural, size

if TYPE_CHECKING:
    from arc_proxy.ingest.recost import Recosted
    from arc_proxy.settings import Settings
    from arc_proxy.store.engine import Store

app = typer.Typer(cls=HelpGroup, add_completion=False, no_args_is_help=True)


@app.callback()
def db() -> None:
    """
    Care for the database.

    It is a projection of the journal: what is in the journal can always be derived again.
    """


@app.command(cls=HelpCommand)
def upgrade(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Bring the tables up to this version. Every command that opens the database does so too."""
    from arc_proxy.store.engine import known_revisions

    with _store(find_folder(data_dir, os.environ)) as (store, _):
        name = store.name
    if as_json:
        out_json({"database": name, "revision": known_revisions()[-1]})
    else:
        out(f"{name} is at revision {known_revisions()[-1]}.")


@app.command(cls=HelpCommand)
def rebuild(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Derive again every call whose records are still in the journal; older rows stay as they are."""
    from arc_proxy.cli.book import open_book
    from arc_proxy.cli.log import log_to_stderr
    from arc_proxy.cli.rows import progress_bar
    from arc_proxy.ingest.worker import rebuild as derive_again

    folder = find_folder(data_dir, os.environ)
    _refuse_while_served(folder, "db rebuild")
    log_to_stderr()
    with _store(folder) as (store, settings), progress_bar("rebuilding") as progress:
        caught = derive_again(
            folder.path, store, open_book(folder), progress=progress, derive=True, hints=settings.hints
        )
    if as_json:
        out_json({"calls": caught.calls, "facts": caught.facts, "open_calls": caught.open_calls})
    else:
        out(f"{plural(caught.calls, 'call')} and {plural(caught.facts, 'fact')} derived from the journal.")


@app.command(cls=HelpCommand)
def regroup(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """
    Find the run of every stored call anew, by the rules of this version.

    Ids that runs had before go on leading to them. Stopped, it goes on where it was the next time.
    """
    from arc_proxy.cli.rows import progress_bar
    from arc_proxy.ingest.regroup import regroup as place_anew
    from arc_proxy.ingest.worker import Caught

    folder = find_folder(data_dir, os.environ)
    _refuse_while_served(folder, "db regroup")
    with _store(folder) as (store, _), progress_bar("regrouping") as draw:
        done = place_anew(
            folder.path,
            store,
            progress=draw and (lambda calls, of: draw(Caught(calls=calls, read_bytes=calls), of)),
        )
    if as_json:
        out_json({"calls": done.calls, "moved_calls": done.moved})
    else:
        out(f"{plural(done.calls, 'call')} regrouped, {plural(done.moved, 'call')} moved to another run.")


@app.command(cls=HelpCommand)
def recost(
    since: Since = "all",
    until: Until = None,
    yes: Annotated[bool, typer.Option("--yes", help="Store it, without asking.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Price stored calls again, by the prices that are known now, prices.toml included.

    First says what would change, by model; then asks, or stores it with --yes. Tokens stay what they were.
    """
    from arc_proxy.cli.book import open_book
    from arc_proxy.cli.rows import progress_bar
    from arc_proxy.ingest.recost import recost as price_again
    from arc_proxy.ingest.worker import Caught
    from arc_proxy.store.read import count_calls

    since_ns, until_ns = parse_period(since, until, time.time_ns())
    folder = find_folder(data_dir, os.environ)
    _refuse_while_served(folder, "db recost")
    book = open_book(folder)
    with _store(folder) as (store, _):
        total = count_calls(store)

        def pass_over(*, apply: bool) -> Recosted:
            with progress_bar("pricing") as draw:
                return price_again(
                    folder.path,
                    store,
                    book,
                    since_ns=since_ns,
                    until_ns=until_ns,
                    apply=apply,
                    progress=draw and (lambda calls: draw(Caught(calls=calls, read_bytes=calls), total)),
                )

        found = pass_over(apply=False)
        if not as_json:
            _say_what_changes(found)
        stored = bool(found.changed) and (yes or (not as_json and _agreed()))
        if stored:
            pass_over(apply=True)
    if as_json:
        out_json(_recost_json(found, stored=stored))
    elif found.changed:
        out("Stored." if stored else "Nothing was stored; --yes stores it.")


def _agreed() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Store this?", err=True)


def _say_what_changes(found: Recosted) -> None:
    from arc_proxy.format import money
    from arc_proxy.report.table import Column, Table, draw

    out(f"{plural(found.changed, 'call')} of {found.calls:,} cost something else by the prices of now.")
    if not found.changed:
        return
    columns = (
        Column("model", is_number=False, flex=True),
        Column("provider", is_number=False, rank=1),
        Column("calls"),
        Column("before"),
        Column("unpriced before", rank=2),
        Column("after"),
        Column("unpriced after", rank=2),
    )
    rows = tuple(
        (
            model,
            provider,
            f"{change.calls:,}",
            "unknown" if change.unknown_before == change.calls else money(change.nanousd_before),
            str(change.unknown_before),
            "unknown" if change.unknown_after == change.calls else money(change.nanousd_after),
            str(change.unknown_after),
        )
        for (provider, model), change in sorted(found.models.items(), key=lambda each: -each[1].calls)
    )
    out()
    for line in draw(Table(columns, rows), width()):
        out(line)
    out()


def _known(nanousd: int, unknown: int, calls: int) -> str | None:
    """Null where nothing of it is known, which is not the same as none."""
    from arc_proxy.export.rows import usd

    return None if unknown == calls else usd(nanousd)


def _recost_json(found: Recosted, *, stored: bool) -> dict[str, Any]:
    return {
        "calls": found.calls,
        "changed": found.changed,
        "stored": stored,
        "models": [
            {
                "provider": provider,
                "model": model,
                "calls": change.calls,
                "cost_usd_before": _known(change.nanousd_before, change.unknown_before, change.calls),
                "unpriced_before": change.unknown_before,
                "cost_usd_after": _known(change.nanousd_after, change.unknown_after, change.calls),
                "unpriced_after": change.unknown_after,
            }
            for (provider, model), change in sorted(found.models.items())
        ],
    }


@app.command(cls=HelpCommand)
def prune(
    months: Annotated[
        int | None, given("--months", "Whole months of rows to keep; else rows_months.", metavar="N", min=0)
    ] = None,
    days: Annotated[
        int | None, given("--days", "Days of the journal to keep; else journal_days.", metavar="N", min=0)
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Remove what is older than the limits, and give the space back. `serve` does this every hour."""
    from arc_proxy.ingest.lock import hold_ingest_lock
    from arc_proxy.ingest.worker import wanted_from
    from arc_proxy.journal.retention import prune_journal
    from arc_proxy.store.prune import first_month_kept
    from arc_proxy.store.prune import prune as prune_rows

    folder = find_folder(data_dir, os.environ)
    _refuse_while_served(folder, "db prune")
    now_ns = time.time_ns()
    with _store(folder) as (store, settings), hold_ingest_lock(folder.path, purpose="db prune", wait_s=5):
        journal = prune_journal(
            folder.journal,
            wanted_from(store),
            now_ns=now_ns,
            days=settings.journal_days if days is None else days,
            bytes_max=int(settings.journal_bytes_max),
        )
        kept = first_month_kept(now_ns, settings.rows_months if months is None else months)
        rows = prune_rows(store, kept)
    if as_json:
        out_json(
            {
                "segments": journal.segments,
                "journal_bytes": journal.bytes,
                "calls": rows.calls,
                "runs": rows.runs,
                "database_bytes": rows.bytes_before - rows.bytes_after,
            }
        )
        return
    out(
        f"Removed {plural(rows.calls, 'call')} and {plural(rows.runs, 'run')} of the database "
        f"({size(max(0, rows.bytes_before - rows.bytes_after))}), "
        f"{plural(journal.segments, 'segment')} of the journal ({size(journal.bytes)})."
    )


@app.command(cls=HelpCommand)
def rollup(
    check: Annotated[bool, typer.Option("--check", help="Only compare the sums with the rows.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make the sums by hour and day anew from the rows. With --check exit with 1 where they differ."""
    from arc_proxy.store.rollup import check as compare
    from arc_proxy.store.rollup import rebuild as make_anew

    with _store(find_folder(data_dir, os.environ)) as (store, _):
        if not check:
            make_anew(store)
        differing = compare(store)
    if as_json:
        out_json({"differing_sums": len(differing)})
    else:
        out("The sums agree with the rows." if not differing else f"{plural(len(differing), 'sum')} differ.")
        for each in differing[:20]:
            say(f"  {each}")
    if differing:
        raise typer.Exit(1)


@contextmanager
def _store(folder: Folder) -> Iterator[tuple[Store, Settings]]:
    from arc_proxy.settings import load_settings
    from arc_proxy.store.engine import open_store

    settings = load_settings(folder.path, {}, os.environ).settings
    target: str | Path = settings.database_url or folder.path / "arc.db"
    if isinstance(target, Path):
        prepare(folder)
    store = open_store(target)
    try:
        yield store, settings
    finally:
        store.close()


def _refuse_while_served(folder: Folder, what: str) -> None:
    instance = find_instance(folder)
    if instance is not None:
        raise ArcError(
            f"the console of {instance.url} writes this database. For {what}: arc-proxy stop, then again."
        )
