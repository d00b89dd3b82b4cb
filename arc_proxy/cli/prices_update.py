"""`arc-proxy prices diff` and `prices update`: newer prices into the data folder, looked at first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_proxy.cli.book import UPDATES, open_book
from arc_proxy.cli.folder import Folder, find_folder, prepare
from arc_proxy.cli.options import AsJson, DataDir, given
from arc_proxy.cli.terminal import out, out_json, say, warn, width
from arc_proxy.errors import ArcError, UsageError
from arc_proxy.format import clean, plural
from arc_proxy.report.table import Column, Table, draw
from pricing.money import priced_units, usd_text

if TYPE_CHECKING:
    from pricing.book import PriceBook
    from pricing.moves import Move
    from pricing.sources.read import Source
    from pricing.update import Addition

UPDATES_OF_A_DAY_MAX = 99
ROWS_SHOWN_MAX = 1_000

_SOURCE = (
    "A wheel of genai-prices or arc-proxy, genai-prices' data.json, LiteLLM's table, or a price book's rows: "
    "a file, a folder with rates/, or a URL."
)


def diff(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=_SOURCE)],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show which prices a source would add or change, and by how much. Changes nothing."""
    today = datetime.now(UTC).date()
    book = open_book(find_folder(data_dir, os.environ))
    read = _read(source, None, today)
    found = _additions(book, read, today)
    if as_json:
        out_json(_summary(book, read, found) | {"changes": _changes(found)})
    else:
        _print(book, read, found)


def update(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE", show_default=False, help=f"{_SOURCE} Without it, the newest published wheel."
        ),
    ] = None,
    index: Annotated[
        str | None,
        given("--index", "Where the newest wheel is asked for, else PyPI; also price_index.", metavar="URL"),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take doubtful rows too: moves above 2x, prices of 0.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Add newer prices to the book, in the data folder. Shows the difference first.

    Rows are only ever added, dated; deleting the file takes them back. A running proxy takes them up by
    itself. Calls that are stored keep their cost until `arc-proxy db recost`.
    """
    from arc_proxy.settings import load_settings
    from pricing.update import is_older

    today = datetime.now(UTC).date()
    folder = find_folder(data_dir, os.environ)
    settings = load_settings(folder.path, {"price_index": index}, os.environ).settings
    book = open_book(folder)
    read = _read(source, settings.price_index, today)
    found = _additions(book, read, today)
    if not as_json:
        _print(book, read, found)
    later = is_older(book, read)
    if later and found and not yes:
        raise UsageError(
            f"{read.title} is older than {later}, which the book has: its prices would pass for newer ones. "
            "--yes takes them all the same."
        )
    taken = [each for each in found if not each.obstacle and (yes or not each.doubt)]
    refused = [each for each in found if each not in taken]
    for each in refused:
        warn(f"not taken: {_name(each)}: {each.obstacle or each.doubt}")
    if any(not each.obstacle for each in refused):
        say("If these are right, --yes takes them too.")
    path = _write(folder, book, read, taken, today) if taken and not dry_run else None
    if as_json:
        after = open_book(folder).version
        done = {"file": str(path) if path else None, "version": after, "added": len(taken) if path else 0}
        out_json(_summary(book, read, found) | done | {"changes": _changes(found, taken)})
    elif path is not None:
        out(f"{plural(len(taken), 'row')} added in {path}. The book is {open_book(folder).version} now.")
        say("A running proxy takes it up by itself. For calls that are stored: arc-proxy db recost")
    elif not taken:
        out("Nothing was added.")


def _read(source: str | None, index: str | None, today: date) -> Source:
    """Raises UsageError for a source that is none, ArcError for one that cannot be had."""
    from arc_proxy.cli.fetch import fetch, fetch_newest_wheel, is_url, shown_url
    from pricing.checked import SourceError
    from pricing.sources.read import SOURCE_BYTES_MAX, read_source

    if source is None:
        assert index is not None  # whoever may leave the source out says where to ask instead
        shown, content = shown_url(index), fetch_newest_wheel(index, bytes_max=SOURCE_BYTES_MAX)
    elif is_url(source):
        shown, content = shown_url(source), fetch(source, bytes_max=SOURCE_BYTES_MAX)
    else:
        shown, content = source, _read_files(Path(source), SOURCE_BYTES_MAX)
    try:
        return read_source(content, recorded=today)
    except SourceError as error:
        raise UsageError(f"{shown} is no source of prices: {clean(str(error), 300)}.") from None


def _read_files(path: Path, bytes_max: int) -> bytes:
    """A file, or the rows of all providers of a folder."""
    rates = sorted((path / "rates").glob("*.jsonl"))
    if not rates:
        return _read_file(path, bytes_max)
    return b"".join(_read_file(each, bytes_max).rstrip(b"\n") + b"\n" for each in rates)


def _read_file(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)  # one more: the reader refuses what is too large
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ArcError(f"cannot read {path}: {why}.") from None
    return content


def _additions(book: PriceBook, source: Source, today: date) -> tuple[Addition, ...]:
    from pricing.update import additions

    return additions(book, source, recorded=today)


def _write(folder: Folder, book: PriceBook, source: Source, taken: Iterable[Addition], today: date) -> Path:
    """A new file of this user's alone, whole or not there. Raises ArcError."""
    from pricing.update import layer

    content = layer(book, source, taken, recorded=today)
    _read_back(content, source)
    prepare(folder)
    updates = folder.path / UPDATES
    draft = updates / f".{os.getpid()}"
    try:
        updates.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return _link(draft, updates, today)
    except OSError as error:
        raise ArcError(f"cannot write to {updates}: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _read_back(content: bytes, source: Source) -> None:
    """A file that could not be read again would leave no price book at all. Raises UsageError."""
    from pricing.checked import SourceError
    from pricing.layers import LAYER_BYTES_MAX
    from pricing.rows import read_rows

    try:
        read_rows(content)
    except SourceError as error:
        raise UsageError(f"{source.title} cannot be kept: {clean(str(error), 300)}.") from None
    if len(content) > LAYER_BYTES_MAX:
        raise UsageError(f"{source.title} has more than {LAYER_BYTES_MAX // 1024**2} MiB of rows.")


def _link(draft: Path, updates: Path, today: date) -> Path:
    """Under the day's first free number; two updates at once take one each."""
    for number in range(1, UPDATES_OF_A_DAY_MAX + 1):
        path = updates / f"{today.isoformat()}.{number:02}.jsonl"
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            continue
        return path
    raise ArcError(f"{updates} has {UPDATES_OF_A_DAY_MAX} files of today already.")


def _print(book: PriceBook, source: Source, found: Iterable[Addition]) -> None:
    every = [row for each in found for row in _rows(each)]
    rows = every[:ROWS_SHOWN_MAX]
    if rows:
        columns = (
            Column("", is_number=False),
            Column("model", is_number=False, flex=True, keep=24),
            Column("since", rank=1),
            Column("bucket", is_number=False, flex=True),
            Column("old"),
            Column("new"),
            Column("ratio"),
        )
        for line in draw(Table(columns, tuple(rows)), width()):
            out(line)
        say("USD per million tokens; per thousand uses of tools, per request.")
    if len(every) > len(rows):
        say(f"{len(every) - len(rows):,} more lines; --json has all.")
    kinds = [str(each.kind) for each in found]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    out(f"{source.title} against {book.version}: {counts or 'no row differs'}.")


def _rows(addition: Addition) -> Iterable[tuple[str, ...]]:
    since = addition.rate.since.isoformat() if addition.rate.since else "-"
    first = (str(addition.kind), _name(addition), since)
    for move in addition.moves:
        over = f" >{move.over:,}" if move.over else ""
        ratio = "" if move.ratio is None else f"x{move.ratio:.3g}"
        yield (*first, move.bucket + over, _usd(move.bucket, move.old), _usd(move.bucket, move.new), ratio)
    if not addition.moves:
        yield (*first, "other dates or hours", "", "", "")


def _name(addition: Addition) -> str:
    rate = addition.rate
    tier = "" if rate.tier == "standard" else f":{rate.tier}"
    return f"{rate.provider}/{rate.model}{tier}" + (" (some hours)" if rate.hours else "")


def _usd(bucket: str, amount: int | None) -> str:
    if amount is None:
        return "-"
    if bucket.startswith("uplift:"):
        return f"x{amount / 1000:g}"
    scale, _ = priced_units(bucket)
    return usd_text(amount * scale)


def _summary(book: PriceBook, source: Source, found: Iterable[Addition]) -> dict[str, Any]:
    return {"source": source.title, "book": book.version, "rows": len(tuple(found))}


def _changes(found: Iterable[Addition], taken: Iterable[Addition] | None = None) -> list[dict[str, Any]]:
    kept = None if taken is None else set(map(id, taken))
    return [
        {
            "kind": str(each.kind),
            "provider": each.rate.provider,
            "model": each.rate.model,
            "tier": each.rate.tier,
            "since": each.rate.since.isoformat() if each.rate.since else None,
            "source": each.rate.source,
            "doubt": each.obstacle or each.doubt or None,
            **({} if kept is None else {"taken": id(each) in kept}),
            "moves": [_move_json(move) for move in each.moves],
        }
        for each in found
    ]


def _move_json(move: Move) -> dict[str, Any]:
    ratio = None if move.ratio is None else round(move.ratio, 6)
    return {"bucket": move.bucket, "over": move.over, "old": move.old, "new": move.new, "ratio": ratio}
