"""
Rows that stay current while somebody looks at them, for as long as he does.

A running console keeps them so by itself. Where none runs they are brought up to the journal here, each time
under the ingest lock and not longer, so that a proxy which is started meanwhile has it. What goes wrong is
waited out: a console that is replaced, a database that is locked, a folder where nothing has been seen yet.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TextIO

from arc_proxy.cli.folder import Folder
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.live_book import LiveBook
from arc_proxy.cli.terminal import say
from arc_proxy.errors import NewerDatabase, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from arc_proxy.store.engine import Store

LOOK_S = 1.0  # what comes within it is shown together
INGEST_S_MAX = 5.0  # of a large journal the rest is read after the next look
_POLLED = select.POLLERR | select.POLLHUP


class Following:
    """The store of a folder, opened when there is one. `close` it at the end."""

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        from arc_proxy.settings import load_settings

        settings = load_settings(folder.path, {}, environ).settings
        self._folder = folder
        self._target: str | Path = settings.database_url or folder.path / "arc.db"
        self._hints = settings.hints
        self._book = LiveBook(folder)
        self._store: Store | None = None
        self._trouble = ""

    def look(self, at: Callable[[Store], None]) -> None:
        """
        Have a look at rows that are current. One that is not possible now is left out, with a word why.
        Where the database is replaced, its keys are others: from then on `at` is given another Store.

        Raises NewerDatabase, ConfigError.
        """
        from arc_proxy.store.engine import is_replaced, open_store

        if self._store is not None and is_replaced(self._store):
            self.close()
        try:
            if self._store is None:
                if not self._is_begun():
                    self._say(
                        "no call has been seen yet; waiting. Start: arc-proxy serve, or arc-proxy run -- ..."
                    )
                    return
                self._store = open_store(self._target)
            if find_instance(self._folder) is None:
                self._ingest(self._store)
            at(self._store)
        except NewerDatabase:
            raise  # that does not pass
        except StoreError as error:
            self._say(f"the rows cannot be read now ({error}); waiting")
            return
        self._trouble = ""

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _is_begun(self) -> bool:
        """Whether there are rows, or anything that could become one."""
        journal = self._folder.journal
        has_journal = journal.is_dir() and any(journal.iterdir())
        return has_journal or not isinstance(self._target, os.PathLike) or self._target.exists()

    def _ingest(self, store: Store) -> None:
        from arc_proxy.ingest.lock import IngestBusy
        from arc_proxy.ingest.worker import catch_up

        # Whoever has the lock does the same.
        with contextlib.suppress(IngestBusy):
            catch_up(
                self._folder.path,
                store,
                self._book(),
                purpose="trace",
                deadline=time.monotonic() + INGEST_S_MAX,
                wait_s=0,
                derive=True,
                hints=self._hints,
            )

    def _say(self, trouble: str) -> None:
        """Once, however long it lasts."""
        if trouble != self._trouble:
            say(trouble)
        self._trouble = trouble


def pause(seconds: float, stream: TextIO | None = None) -> None:
    """Wait. Raises BrokenPipeError once nobody reads the stream (stdout) any more, written to or not."""
    stream = stream or sys.stdout
    if not _is_pipe(stream):
        time.sleep(seconds)
        return
    poller = select.poll()
    poller.register(stream.fileno(), 0)
    if any(event & _POLLED for _, event in poller.poll(seconds * 1000)):
        raise BrokenPipeError


def _is_pipe(stream: TextIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
