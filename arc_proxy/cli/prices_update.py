"""`arc-proxy prices diff` and `prices update`: what another edition of the book changes, and taking it."""

from __future__ import annotations

import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from arc_proxy.cli.folder import Folder, find_folder, prepare
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.options import AsJson, DataDir
from arc_proxy.cli.terminal import out, out_json, say, width
from arc_proxy.errors import ArcError, UsageError
from arc_proxy.format import clean, plural
from arc_proxy.report.table import Column, Table, draw
from pricing.book import edition_folder
from pricing.edition import (
    EDITION_BYTES_MAX,
    EditionError,
    Move,
    Shelves,
    added,
    moves,
    read_edition,
    write_edition,
)
from pricing.explain import usd_text

DOWNLOAD_S_MAX = 60.0
SHOWN_MAX = 40
_CHUNK = 256 * 1024

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="A wheel of arc-proxy, its URL, or a folder with rates/.")
]


class RefusedMoves(ArcError):
    """Prices would move by more than a price does."""


def register(app: typer.Typer) -> None:
    app.command(cls=HelpCommand)(diff)
    app.command(cls=HelpCommand)(update)


def diff(source: Source, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show which prices of today another edition of the book would change. Changes nothing."""
    folder = find_folder(data_dir, os.environ)
    _, _, found = _compare(folder, source)
    if as_json:
        out_json({"source": _shown(source), "moves": list(map(_move_json, found))})
    else:
        _print(found)


def update(
    source: Source,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take prices that more than double, or fall below a half, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, and store nothing.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Add the rows of another edition of the book to those that are here, under the data folder.

    Rows are only ever added. Shows what changes first. Calls keep the cost that they have: `arc-proxy db
    recost` prices them anew.
    """
    folder = find_folder(data_dir, os.environ)
    old, new, found = _compare(folder, source)
    drastic = [move for move in found if move.is_drastic]
    if not as_json:
        _print(found)
    if drastic and not yes:
        raise RefusedMoves(
            f"{plural(len(drastic), 'price')} would more than double or fall below a half, such as "
            f"{_said(drastic[0])}. Nothing was stored; --yes takes them."
        )
    whole = added(old, new)
    is_new = any(whole[name] != old.get(name) for name in whole)
    version = None
    if is_new and not dry_run:
        prepare(folder)
        version = write_edition(folder.path / "prices", whole)
    if as_json:
        out_json({"source": _shown(source), "version": version, "moves": list(map(_move_json, found))})
    elif version is None:
        out("Nothing was stored." if is_new else "Every row of it is here already.")
    else:
        out(f"Price book {version} is in {folder.path / 'prices'}.")
        if find_instance(folder) is not None:
            say("The proxy that runs takes it when it starts again: arc-proxy stop, then serve.")


def _compare(folder: Folder, source: str) -> tuple[Shelves, Shelves, list[Move]]:
    old = read_edition(edition_folder(folder.path))
    try:
        with _fetched(source) as path:
            new = read_edition(path)
    except EditionError as error:
        raise UsageError(f"{clean(str(error))}.") from None
    except OSError as error:
        raise UsageError(f"{clean(_shown(source))} cannot be read: {error.strerror or error}.") from None
    return old, new, list(moves(old, new, datetime.now(UTC)))


@contextmanager
def _fetched(source: str) -> Iterator[Path]:
    """The file or folder itself, or what a URL gives, for as long as the block lasts."""
    if not source.startswith(("http://", "https://")):
        path = Path(source)
        if not path.exists():
            raise UsageError(f"there is no file or folder {clean(source, 200)}.")
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edition.whl"
        try:
            with urllib.request.urlopen(source, timeout=DOWNLOAD_S_MAX) as answer, path.open("wb") as file:  # noqa: S310  http and https alone, see above
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    if file.tell() > EDITION_BYTES_MAX:
                        raise UsageError(f"{_shown(source)} is larger than a price book can be.")
        except urllib.error.HTTPError as error:
            raise UsageError(f"{_shown(source)} answers {error.code}.") from None
        except (urllib.error.URLError, ValueError) as error:
            raise UsageError(
                f"{_shown(source)} cannot be reached: {getattr(error, 'reason', error)}."
            ) from None
        yield path


def _shown(source: str) -> str:
    """Without what may be a credential."""
    if not source.startswith(("http://", "https://")):
        return source
    parts = urllib.parse.urlsplit(source)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _print(found: Sequence[Move]) -> None:
    if not found:
        out("No price of today changes.")
        return
    columns = (
        Column("provider", is_number=False, rank=1),
        Column("model", is_number=False, flex=True),
        Column("tier", is_number=False, rank=2),
        Column("bucket", is_number=False),
        Column("before"),
        Column("after"),
        Column("change"),
    )
    rows = tuple(
        (move.provider, move.model, move.tier, move.bucket, _usd(move.before), _usd(move.after), _ratio(move))
        for move in sorted(found, key=lambda move: (not move.is_drastic, move.before is None))[:SHOWN_MAX]
    )
    for line in draw(Table(columns, rows), width()):
        out(line)
    if len(found) > SHOWN_MAX:
        out(f"... {plural(len(found) - SHOWN_MAX, 'more price')} (--json has all)")
    say("USD per million tokens; fees of tools and requests per million uses.")


def _usd(picousd: int | None) -> str:
    return "-" if picousd is None else usd_text(picousd * 1_000_000)


def _ratio(move: Move) -> str:
    if move.before is None:
        return "new"
    return "-" if move.before == 0 else f"{move.after / move.before - 1:+.0%}"


def _said(move: Move) -> str:
    name = f"{move.bucket} of {move.provider} {move.model}"
    return f"{clean(name, 120)} from ${_usd(move.before)} to ${_usd(move.after)} a million"


def _move_json(move: Move) -> dict[str, Any]:
    return {
        "provider": move.provider,
        "model": move.model,
        "tier": move.tier,
        "bucket": move.bucket,
        "before_picousd": move.before,
        "after_picousd": move.after,
        "is_drastic": move.is_drastic,
    }
