"""Writing a FACT into the journal, from a command or from the console."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from arc_proxy.cli.folder import Folder
from arc_proxy.journal.fact import FactType, encode_fact
from arc_proxy.journal.record import Record, RecordKind, id_text
from arc_proxy.journal.writer import SegmentWriter

if TYPE_CHECKING:
    from arc_proxy.store.issues import Issue


class FactWriter:
    """
    Facts in segments of their own, which needs no lock: every process may write some. Any thread may.

    `close` it at the end.
    """

    def __init__(self, folder: Folder) -> None:
        self._writer = SegmentWriter(folder.journal)

    def write(self, fact: FactType, *, fact_id: bytes | None = None, **fields: Any) -> str:
        """
        Its id; it is in the kernel when this returns. Raises JournalError.

        `fact_id`: one of the caller's own, for a fact that may be written again and is to be stored once.
        """
        content = encode_fact(fact, time.time_ns(), **fields)
        record_id = fact_id or self._writer.make_id()
        self._writer.append([Record(RecordKind.FACT, record_id, time.monotonic_ns(), content)])
        return id_text(record_id)

    def close(self) -> None:
        self._writer.close()


def write_fact(folder: Folder, fact: FactType, **fields: Any) -> None:
    """It is in the kernel when this returns. Raises JournalError."""
    writer = FactWriter(folder)
    try:
        writer.write(fact, **fields)
    finally:
        writer.close()


def about_fix(issue: Issue) -> dict[str, Any]:
    """The fields of a fact about an issue's fix."""
    return {
        "fingerprint": issue.fingerprint,
        "agent": issue.agent,
        "code": str(issue.code),
        "issue": issue.key,
    }
