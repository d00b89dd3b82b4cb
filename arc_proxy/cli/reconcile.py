"""`arc-proxy reconcile`: a provider's bill against what passed through here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import AsJson, DataDir, Since, Until, given
from arc_proxy.cli.terminal import out, out_json, warn, width
from arc_proxy.cli.when import parse_period
from arc_proxy.errors import ArcError, UsageError
from arc_proxy.format import clean

if TYPE_CHECKING:
    from analysis.bill import BilledRow
    from analysis.bill_columns import Columns
    from analysis.reconcile import OurRow, Reconciliation

app = typer.Typer(add_completion=False)

_DAY_NS = 86_400 * 10**9
LINE_CHARACTERS_MAX = 64 * 1024 * 1024  # a page of an API is one line of JSON
_EPOCH = date(1970, 1, 1)


@app.command(cls=HelpCommand)
def reconcile(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Exports of usage or costs, or a CSV."),
    ],
    since: Since = "all",
    until: Until = None,
    provider: Annotated[
        str | None, given("--provider", "Only this provider; of a CSV, whose bill it is.", metavar="NAME")
    ] = None,
    columns: Annotated[
        str | None,
        given(
            "--columns",
            "What a CSV calls day, model, cost, input, output, requests, key, provider.",
            metavar="day=NAME,...",
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        given("--key", "A key or project of the bill that passes through here; repeatable.", metavar="NAME"),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Compare a provider's bill with the log, by UTC day and model, and say what the gap is made of.

    Reads OpenAI's usage and cost exports (the dashboard's CSV, pages of the usage and costs API), Anthropic's
    (the console's CSV, usage and cost reports), and any CSV with --columns. A usage and a cost export
    together explain more than either. Amounts of parts are by what a token of the model cost that day.
    """
    period = _whole_days(parse_period(since, until, time.time_ns()))
    billed = list(_billed(files, columns, provider, period))
    folder = find_folder(data_dir, os.environ)
    found = _compare(folder, billed, period, provider, frozenset(key or ()))
    unknown = sorted(set(key or ()) - set(found.keys))
    if unknown:
        named = ", ".join(found.keys)[:300] or "none"
        raise UsageError(f"the bill names no key {unknown[0]!r}; it has {named}.")
    if as_json:
        from arc_proxy.report.reconcile_lines import reconcile_json

        out_json(reconcile_json(found))
        return
    from arc_proxy.report.reconcile_lines import reconcile_lines

    for line in reconcile_lines(found, width()):
        out(line)


def _whole_days(period: tuple[int | None, int | None]) -> tuple[int | None, int | None]:
    """A bill knows days alone, so a period is widened to them."""
    since_ns, until_ns = period
    return (
        None if since_ns is None else since_ns // _DAY_NS * _DAY_NS,
        None if until_ns is None else -(-until_ns // _DAY_NS) * _DAY_NS,
    )


def _billed(
    files: list[Path], columns: str | None, provider: str | None, period: tuple[int | None, int | None]
) -> Iterator[BilledRow]:
    """Rows of all files in the period; UsageError names the file and the line of one that is none."""
    from analysis.bill import BillError
    from analysis.bill_columns import parse_columns

    try:
        named = parse_columns(columns) if columns else None
    except BillError as error:
        raise UsageError(f"--columns: {clean(str(error), 300)}.") from None
    for path in files:
        try:
            yield from _rows(path, named, provider, period)
        except BillError as error:
            raise UsageError(f"{path}: {clean(str(error), 400)}.") from None
        except UnicodeDecodeError:
            raise UsageError(f"{path}: it is not UTF-8 text.") from None
        except OSError as error:
            raise ArcError(f"cannot read {path}: {error.strerror}.") from None


def _rows(
    path: Path, columns: Columns | None, provider: str | None, period: tuple[int | None, int | None]
) -> Iterator[BilledRow]:
    from analysis.bill_file import read_bill

    since_ns, until_ns = period
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in read_bill(_lines(file), columns=columns, provider=provider or ""):
            begun_ns = (row.day - _EPOCH).days * _DAY_NS
            is_asked = provider is None or row.provider == provider
            if is_asked and (since_ns or 0) <= begun_ns and (until_ns is None or begun_ns < until_ns):
                yield row


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a file. BillError for one that is longer than any bill's: it may never end."""
    from analysis.bill import BillError

    while line := file.readline(LINE_CHARACTERS_MAX + 1):
        if len(line) > LINE_CHARACTERS_MAX:
            raise BillError(f"a line is longer than {LINE_CHARACTERS_MAX // 1024**2} Mi characters")
        yield line


def _compare(
    folder: Folder,
    billed: list[BilledRow],
    period: tuple[int | None, int | None],
    provider: str | None,
    keys: frozenset[str],
) -> Reconciliation:
    from analysis.reconcile import reconcile as compare
    from arc_proxy.cli.book import open_book

    book = open_book(folder)

    def name_of(seller: str, model: str) -> str:
        """The book's name, so that a snapshot and its alias are one model."""
        known = book.find(seller, model)
        return known.models[-1].id if known is not None else model.lower()

    return compare(billed, _ours(folder, period, provider), name_of=name_of, keys=keys)


def _ours(folder: Folder, period: tuple[int | None, int | None], provider: str | None) -> tuple[OurRow, ...]:
    from arc_proxy.cli.rows import NothingYet, open_rows
    from arc_proxy.store.billed import read_billable

    try:
        with open_rows(folder, os.environ) as store:
            return read_billable(store, since_ns=period[0], until_ns=period[1], provider=provider)
    except NothingYet as error:
        warn(str(error))
        return ()
