"""The limits of a data folder, kept while a console runs: journal by days and bytes, rows by months."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from arc_proxy.errors import ArcError
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.ingest.worker import wanted_from
from arc_proxy.journal.retention import prune_journal
from arc_proxy.store.engine import Store
from arc_proxy.store.prune import first_month_kept, prune

EVERY_S = 3600.0
FIRST_S = 60.0  # not while everything starts

_log = structlog.get_logger()


class Retention:
    """One thread runs `keep_forever`; `last` is what came of the last time, or what was in the way."""

    def __init__(
        self,
        journal: Path,
        store: Callable[[], Store],
        *,
        journal_days: int,
        journal_bytes_max: int,
        rows_months: int,
    ) -> None:
        self.last: dict[str, Any] = {}
        self._journal = journal
        self._store = store
        self._journal_days = journal_days
        self._journal_bytes_max = journal_bytes_max
        self._rows_months = rows_months
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def keep_forever(self) -> None:
        pause_s = FIRST_S
        while not self._stopping.wait(pause_s):
            pause_s = EVERY_S
            try:
                self.retain()
            except (ArcError, OSError) as error:
                _log.warning("retention.failed", error=str(error))
                self.last = {"error": str(error)}
            except Exception as error:  # noqa: BLE001  the thread's top: to die of a bug would fill the disk
                _log.error("retention.failed", **describe_bug(error))
                self.last = {"error": type(error).__name__}

    def retain(self) -> None:
        """
        Remove what is beyond the limits. Raises StoreError, OSError.

        The follower of this process holds `ingest.lock`, so nobody else prunes or ingests meanwhile.
        """
        store = self._store()
        journal = prune_journal(
            self._journal,
            wanted_from(store),
            now_ns=time.time_ns(),
            days=self._journal_days,
            bytes_max=self._journal_bytes_max,
        )
        rows = prune(store, first_month_kept(time.time_ns(), self._rows_months))
        self.last = {"at_ns": time.time_ns(), "segments": journal.segments, "calls": rows.calls}
        if journal.segments or rows.calls:
            _log.info("retention.done", segments=journal.segments, bytes=journal.bytes, calls=rows.calls)
