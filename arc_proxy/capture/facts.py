"""Where a traced program writes its FACTs: a journal writer of its own. Standard library only."""

from __future__ import annotations

import os
import time
from typing import Any

from arc_proxy.capture.guard import harmless


class FactLog:
    """
    Writes each fact at once, in the order of the calls, from any thread.

    Nothing is written while the data folder has no journal: then no arc-proxy has ever run here, and a traced
    program does not make folders.
    """

    def __init__(self, data_dir: str) -> None:
        self._journal_dir = os.path.join(data_dir, "journal")  # noqa: PTH118  pathlib is a slow import
        self._writer: Any = None  # safe for threads, and another writer in a forked child

    @harmless
    def write(self, fact: str, **fields: Any) -> None:
        """Fields that are None are left out."""
        if not os.path.isdir(self._journal_dir):  # noqa: PTH112
            return
        # The journal costs 20 ms of imports: the first fact pays for them, not `import arc_proxy.trace`.
        from arc_proxy.journal.fact import FactType, encode_fact
        from arc_proxy.journal.record import Record, RecordKind

        if self._writer is None:
            self._writer = _open_writer(self._journal_dir)
        content = encode_fact(FactType(fact), time.time_ns(), **fields)
        record = Record(RecordKind.FACT, self._writer.make_id(), time.monotonic_ns(), content)
        self._writer.append([record])


def _open_writer(journal_dir: str) -> Any:
    from pathlib import Path

    from arc_proxy.journal.writer import SegmentWriter

    return SegmentWriter(Path(journal_dir))
