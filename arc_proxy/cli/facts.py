"""Writing a FACT into the journal, from a command."""

from __future__ import annotations

import time
from typing import Any

from arc_proxy.cli.folder import Folder
from arc_proxy.journal.fact import FactType, encode_fact
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter


def write_fact(folder: Folder, fact: FactType, **fields: Any) -> None:
    """It is in the kernel when this returns. Raises JournalError."""
    with SegmentWriter(folder.journal) as writer:
        content = encode_fact(fact, time.time_ns(), **fields)
        writer.append([Record(RecordKind.FACT, writer.make_id(), time.monotonic_ns(), content)])
