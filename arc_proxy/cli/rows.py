"""
The store of a data folder with all that its journal holds: asked of the running console, else done here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from arc_proxy.cli.folder import Folder
from arc_proxy.cli.instance import (
    ANSWER_S,
    ConsoleHangs,
    ConsoleUnreachable,
    Instance,
    await_console,
    find_instance,
)
from arc_proxy.cli.terminal import say, warn
from arc_proxy.errors import ArcError
from arc_proxy.format import plural

if TYPE_CHECKING:
    from analysis.failure import FailureCode
    from arc_proxy.ingest.worker import Caught
    from arc_proxy.store.engine import Store

CONSOLE_S = 60.0  # a console that was started over a large journal has some reading to do
_BAR_CELLS = 24
_REDRAW_S = 0.1


class NothingYet(ArcError):
    """The folder has neither rows nor a journal: no call has ever been seen."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(f"no call has been seen yet in {folder.path}.")


@contextmanager
def open_rows(
    folder: Folder, environ: Mapping[str, str], *, instance: Instance | None = None
) -> Iterator[Store]:
    """The store, brought up to the journal. Raises NothingYet, StoreError, IngestBusy."""
    from arc_proxy.settings import load_settings

    settings = load_settings(folder.path, {}, environ).settings
    target = settings.database_url or folder.path / "arc.db"
    has_journal = folder.journal.is_dir() and any(folder.journal.iterdir())
    if not has_journal and not settings.database_url and not (folder.path / "arc.db").exists():
        raise NothingYet(folder)
    instance = instance or find_instance(folder)
    is_current = instance is not None and _ask(instance, folder)
    from arc_proxy.store.engine import open_store

    store = open_store(target)
    try:
        if has_journal and not is_current:
            ingest(folder, store, settings.hints)
        yield store
    finally:
        store.close()


def ingest(folder: Folder, store: Store, hints: Collection[FailureCode]) -> None:
    """Read the journal into the store, here. With a console that is alive but silent, leave it at a word."""
    from arc_proxy.cli.book import open_book
    from arc_proxy.cli.log import log_to_stderr
    from arc_proxy.ingest.lock import IngestBusy
    from arc_proxy.ingest.worker import catch_up

    log_to_stderr()
    try:
        with progress_bar("reading the journal") as progress:
            caught = catch_up(
                folder.path,
                store,
                open_book(folder),
                purpose="report",
                progress=progress,
                clock=time.time_ns,
                derive=True,
                hints=hints,
            )
    except IngestBusy as error:
        warn(f"{error}; what follows may be a little behind")
        return
    if not caught.is_analysed:
        warn("some older runs are still to be looked at for failures; the next command, or `serve`, goes on")
    if caught.damaged_segments:
        damaged = plural(caught.damaged_segments, "damaged journal segment")
        warn(f"{damaged}; `arc-proxy doctor` says more")


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[Caught, int], None] | None]:
    """A bar on stderr, if a person looks and it takes more than a moment; None if nobody does."""
    if not sys.stderr.isatty():
        yield None
        return
    drawn_at = time.monotonic()
    is_drawn = False

    def draw(caught: Caught, to_read: int) -> None:
        nonlocal drawn_at, is_drawn
        if time.monotonic() - drawn_at < _REDRAW_S:
            return
        drawn_at, is_drawn = time.monotonic(), True
        share = min(1.0, caught.read_bytes / to_read) if to_read else 1.0
        bar = "#" * round(share * _BAR_CELLS)
        sys.stderr.write(f"\r{what} [{bar:<{_BAR_CELLS}}] {share:4.0%}  {caught.calls:,} calls ")
        sys.stderr.flush()

    try:
        yield draw
    finally:
        if is_drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _ask(instance: Instance, folder: Folder) -> bool:
    """Whether the console has the rows for us: caught up, as far as it could."""
    try:
        # What takes long is reading; whether anybody is there shows at once.
        await_console(instance, folder, "GET", "/_arc/api/status", timeout_s=ANSWER_S)
        answer = await_console(instance, folder, "POST", "/_arc/api/catch-up", timeout_s=CONSOLE_S)
    except ConsoleHangs as error:
        warn(f"{error}; what follows is what it had stored until then (`arc-proxy stop` ends it)")
        return True
    except ConsoleUnreachable as error:
        say(f"{error}; reading the journal here instead")
        return False
    if not answer["is_done"]:
        warn(f"the console has not read all of the journal yet: {answer.get('trouble') or 'it is busy'}")
    return True
