"""
Where tunnels that are open for long are put away: a file for each, beside the segments of its writer.

    journal/<writer>/<exchange id in hex>-<segment>-<offset>.tunnel     0600, see `opened.Opened.state`

A state holds what was said, and the ends of frames as they came, so it lies where the raw bytes lie and is
kept no longer than they are needed. Its name says up to where the journal was read; the resume point in the
store names the same place, so a state is written before the point and removed once a later point is stored.
One that no point names was left behind by a crash, and is swept.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from arc_proxy.ingest.opened import Position

_SUFFIX = ".tunnel"


class Shelf:
    """Of one journal."""

    def __init__(self, journal_dir: Path) -> None:
        self._journal_dir = journal_dir
        self._obsolete: list[Path] = []
        self._paths: dict[bytes, Path] = {}

    def sweep(self, held: Mapping[str, Mapping[bytes, Position]]) -> None:
        """Remove what no resume point names. `held`: per writer, exchanges and up to where they were read."""
        if not self._journal_dir.is_dir():
            return
        for folder in self._journal_dir.iterdir():
            wanted = {self._path(folder.name, *each) for each in held.get(folder.name, {}).items()}
            for path in folder.glob(f"*{_SUFFIX}*") if folder.is_dir() else ():
                if path not in wanted:
                    with contextlib.suppress(OSError):  # the next one may
                        path.unlink()

    def put(self, writer: str, exchange_id: bytes, at: Position, content: bytes) -> None:
        """Raises OSError."""
        path = self._path(writer, exchange_id, at)
        draft = path.with_suffix(f"{_SUFFIX}.tmp")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        draft.replace(path)
        self._forget(exchange_id, but=path)
        self._paths[exchange_id] = path

    def get(self, writer: str, exchange_id: bytes, at: Position) -> bytes | None:
        """What was put there, None if nothing was. Raises OSError."""
        path = self._path(writer, exchange_id, at)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        self._paths[exchange_id] = path
        return content

    def keep_only(self, exchange_ids: Iterable[bytes]) -> None:
        """The tunnels that are still open."""
        for exchange_id in self._paths.keys() - set(exchange_ids):
            self._forget(exchange_id)
            del self._paths[exchange_id]

    def stored(self) -> None:
        """The resume points handed out last are in the store: what they do not name may go."""
        obsolete, self._obsolete = self._obsolete, []
        for path in obsolete:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _forget(self, exchange_id: bytes, but: Path | None = None) -> None:
        known = self._paths.get(exchange_id)
        if known is not None and known != but:
            self._obsolete.append(known)

    def _path(self, writer: str, exchange_id: bytes, at: Position) -> Path:
        return self._journal_dir / writer / f"{exchange_id.hex()}-{at[0]}-{at[1]}{_SUFFIX}"
