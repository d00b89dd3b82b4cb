"""`arc-proxy export calls|runs|failures`: rows for other programs."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from arc_proxy.cli.folder import Folder, find_folder, read_secret
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import Agent, DataDir, Since, Until, given
from arc_proxy.cli.terminal import quiet_when_nobody_reads, say, warn
from arc_proxy.cli.when import parse_period
from arc_proxy.errors import ArcError, UsageError
from arc_proxy.format import plural

if TYPE_CHECKING:
    from arc_proxy.store.engine import Store

app = typer.Typer(add_completion=False)


class Noun(StrEnum):
    CALLS = "calls"
    RUNS = "runs"
    FAILURES = "failures"


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    HAR = "har"


@app.command(cls=HelpCommand)
def export(
    noun: Annotated[Noun, typer.Argument(metavar="calls|runs|failures", help="What to write.")],
    form: Annotated[
        Format, typer.Option("--format", help="har: calls only, with bodies, from the journal.")
    ] = Format.JSONL,
    since: Since = "all",
    until: Until = None,
    agent: Agent = None,
    run: Annotated[str | None, given("--run", "Only this run's.", metavar="ID")] = None,
    session: Annotated[str | None, given("--session", "Only this conversation's.", metavar="ID")] = None,
    output: Annotated[
        Path | None, given("--output", "A file, with mode 0600; else stdout.", metavar="FILE")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Write calls, runs or what went wrong in them, oldest first, as JSON Lines, CSV or HAR.

    JSON Lines has one object per line, whose fields are never renamed. CSV is safe to open in a spreadsheet.
    """
    if noun is not Noun.CALLS and form is Format.HAR:
        raise UsageError("HAR holds calls: arc-proxy export calls --format har")
    from arc_proxy.cli.rows import NothingYet, open_rows

    period = parse_period(since, until, time.time_ns())
    names = {"agent": agent, "run_id": run, "session_id": session}
    wanted = {"since_ns": period[0], "until_ns": period[1], **names}
    folder = find_folder(data_dir, os.environ)
    with _sink(output) as out:
        try:
            with open_rows(folder, os.environ) as store:
                written = _write(store, folder, noun, form, wanted, out)
        except NothingYet as error:
            say(str(error))
            written = 0
    if output is not None:
        say(f"{plural(written, str(noun)[:-1])} in {output}")


def _write(
    store: Store, folder: Folder, noun: Noun, form: Format, wanted: dict[str, Any], out: BinaryIO
) -> int:
    from arc_proxy.export.csv import write_csv
    from arc_proxy.export.jsonl import write_jsonl
    from arc_proxy.export.rows import export_call, export_failure, export_run, fields_of
    from arc_proxy.store.failures import iter_failures
    from arc_proxy.store.filters import CallFilter, RunFilter
    from arc_proxy.store.read import iter_calls, iter_runs

    if form is Format.HAR:
        return _write_har(store, folder, CallFilter(**wanted), out)
    match noun:
        case Noun.CALLS:
            rows = map(export_call, iter_calls(store, CallFilter(**wanted)))
        case Noun.RUNS:
            rows = map(export_run, iter_runs(store, RunFilter(**wanted)))
        case Noun.FAILURES:
            rows = map(export_failure, iter_failures(store, RunFilter(**wanted)))
    if form is Format.JSONL:
        return write_jsonl(rows, out)
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        return write_csv(rows, fields_of(str(noun)[:-1]), text)
    finally:
        text.detach()


def _write_har(store: Store, folder: Folder, wanted: Any, out: BinaryIO) -> int:
    from arc_proxy import __version__
    from arc_proxy.cut import Fingerprints
    from arc_proxy.export.har import write_har
    from arc_proxy.store.read import iter_calls

    written = write_har(
        (call.call_id for call in iter_calls(store, wanted)),
        folder.journal,
        out,
        version=__version__,
        fingerprints=Fingerprints(read_secret(folder)),
    )
    if written.missing:
        warn(f"{plural(written.missing, 'call')} left out: the journal no longer has their bytes")
    return written.entries


@contextmanager
def _sink(output: Path | None) -> Iterator[BinaryIO]:
    """A file that is whole or not there; else stdout."""
    if output is None:
        with quiet_when_nobody_reads():
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ArcError(f"cannot write {output}: {error.strerror}.") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
