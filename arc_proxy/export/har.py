"""
HAR 1.2 out of the journal: the calls that were chosen, one entry each, written as they are found.

A call's id names its writer and its time, so only the segments that may hold it are read. A call whose
records retention has removed is left out and counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arc_proxy.cut import Fingerprints
from arc_proxy.errors import JournalError
from arc_proxy.export.har_entry import as_har_entry
from arc_proxy.export.jsonl import to_json
from arc_proxy.ingest.assemble import Assembler, Exchange
from arc_proxy.ingest.intake import read_again
from arc_proxy.ingest.tunnel import MessageTunnel
from arc_proxy.journal.reader import JournalReader
from arc_proxy.journal.record import id_bytes, id_wall_ms
from arc_proxy.journal.segment import HEADER_BYTES, decode_header, list_segments, writer_name

# An exchange's id is made a moment before its first record is written, and clocks are set back.
_MARGIN_MS = 3_600_000
_THE_END = (1 << 62, 0)


@dataclass(frozen=True, slots=True)
class HarWritten:
    entries: int
    missing: int  # calls whose records the journal no longer has


def write_har(
    call_ids: Iterable[str], journal_dir: Path, out: BinaryIO, *, version: str, fingerprints: Fingerprints
) -> HarWritten:
    """
    Write the exchanges of these calls; `version` is arc-proxy's own, for the file's `creator`, and
    `fingerprints` makes the marks that stand for credentials.

    Calls of one exchange (the responses of one WebSocket) are one entry. Raises OSError where `out` does.
    """
    wanted = {id_bytes(call_id.partition(".")[0]) for call_id in call_ids}
    creator = to_json({"name": "arc-proxy", "version": version})
    out.write(b'{"log":{"version":"1.2","creator":%b,"pages":[],"entries":[' % creator)
    entries = 0
    for exchange in find_exchanges(wanted, journal_dir):
        out.write(b",\n" if entries else b"\n")
        out.write(to_json(as_har_entry(exchange, fingerprints)))
        entries += 1
    out.write(b"\n]}}\n")
    return HarWritten(entries, len(wanted) - entries)


def find_exchanges(wanted: Iterable[bytes], journal_dir: Path) -> Iterator[Exchange]:
    """The exchanges of these ids that the journal still has, open ones as far as they got."""
    by_writer: dict[str, set[bytes]] = defaultdict(set)
    for exchange_id in wanted:
        by_writer[writer_name(int.from_bytes(exchange_id[6:10], "big"))].add(exchange_id)
    reader = JournalReader(journal_dir)
    for writer, ids in sorted(by_writer.items()):
        assembler = Assembler(make_tunnel=MessageTunnel)
        first = at = (_first_segment(journal_dir / writer, min(map(id_wall_ms, ids))), 0)
        waiting = set(ids)
        for record, wall_ns, after in reader.read_between(writer, first, _THE_END):
            if record.exchange_id in waiting:
                exchange = assembler.feed(writer, record, wall_ns, at, after)
                if exchange is not None:
                    waiting.discard(exchange.exchange_id)
                    yield read_again(reader, exchange) if exchange.spilled else exchange
            at = after
            if not waiting:
                break
        for exchange in assembler.interrupt(writer):
            yield read_again(reader, exchange) if exchange.spilled else exchange


def _first_segment(writer_dir: Path, wall_ms: int) -> int:
    """The last segment that was begun before that time, 0 to begin with the first."""
    found = 0
    for seq, path in list_segments(writer_dir):
        try:
            with path.open("rb") as file:
                header = decode_header(file.read(HEADER_BYTES))
        except (OSError, JournalError):
            continue
        # An import's segments tell no time.
        if header.wall_ns == 0 or header.wall_ns // 1_000_000 > wall_ms - _MARGIN_MS:
            break
        found = seq
    return found
