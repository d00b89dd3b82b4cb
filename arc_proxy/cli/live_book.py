"""The price book of a process that runs on."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import structlog

from arc_proxy.cli.book import OWN_PRICES, UPDATES, open_book
from arc_proxy.cli.folder import Folder
from arc_proxy.errors import ConfigError
from pricing.book import PriceBook, PricesFileError, load_book
from pricing.layers import layer_files


class LiveBook:
    """
    The book of a data folder, read again when one of its files has changed.

    A mistake in a file must not stop ingest: then the last book that could be read stays, or the one that
    ships. Any thread may ask.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._book: PriceBook | None = None
        self._state: tuple[tuple[str, int, int], ...] = ()

    def __call__(self) -> PriceBook:
        with self._lock:
            state = self._files()
            if self._book is None or state != self._state:
                self._book = self._read(self._book)
                self._state = state
            return self._book

    def _read(self, last: PriceBook | None) -> PriceBook:
        log = structlog.get_logger()
        try:
            book = open_book(self._folder)
        except ConfigError as error:
            log.error("prices.refused", error=str(error))
            return last or load_book()
        if last is not None:
            log.info("prices.read_again", version=book.version)
        return book

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        """Names, times and sizes: some microseconds, as this is asked with every look at the journal."""
        try:
            updates = layer_files(self._folder.path / UPDATES)
        except PricesFileError:
            updates = []
        return tuple(
            (path.name, found.st_mtime_ns, found.st_size)
            for path in (self._folder.path / OWN_PRICES, *updates)
            if (found := _stat(path)) is not None
        )


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
