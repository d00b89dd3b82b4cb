"""
What can go wrong, sorted by who has to act.

* ArcError
  + ConfigError       the operator: a setting is wrong; exit 2 before any socket opens
  + UsageError        the person at the keyboard: no such run, a bad --since; exit 2
  + ImportRefused     a file to import has the wrong structure; nothing of it was taken
  + JournalError      the disk: capture stops and is counted, traffic does not
    - CorruptRecord   bytes changed under us before the tail; never expected
  + WireError         the provider sent something that our parser does not know
  + StoreError        the database refused: locked too long, read-only, unreachable
    - NewerDatabase   written by a later arc-proxy; this one must not touch it
    - RowRefused      it takes one of the rows for wrong; waiting will not help, leaving that row out will

A provider's HTTP 429 or 500 is not an exception here. It is data: see `journal.record.Ended`.
A price that is not known is not one either: `pricing` answers with the grade "unknown".
"""

from __future__ import annotations


class ArcError(Exception):
    """The root: `str(error)` is a sentence for the person who has to act."""


class ConfigError(ArcError):
    """A setting is wrong. Says which one, where it came from and what would be right."""


class UsageError(ArcError):
    """A command was given something that it cannot use."""


class ImportRefused(ArcError):
    """A file to import is not what it claims to be. Nothing of it was taken."""

    def __init__(self, reason: str, *, entry: int | None = None) -> None:
        super().__init__(reason if entry is None else f"entry {entry}: {reason}")
        self.entry = entry


class JournalError(ArcError):
    """The journal cannot be written or read."""


class CorruptRecord(JournalError):
    """A frame before the tail fails its checksum: the bytes changed after they were written."""

    def __init__(self, reason: str, *, offset: int) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.offset = offset


class WireError(ArcError):
    """Bytes of a provider that our parser does not know. The call is kept without what they say."""


class StoreError(ArcError):
    """The database refused."""


class NewerDatabase(StoreError):
    """The database was written by a later version of arc-proxy."""


class RowRefused(StoreError):
    """The database takes one of the rows for wrong. Nothing of the transaction was kept."""
