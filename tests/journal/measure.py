"""
What the journal costs, printed: `python tests/journal/measure.py [FOLDER]`. Judges nothing.

CPU of the calling thread, best of five, and the longest flush while the segment is synced each second.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from arc_proxy.journal.reader import JournalReader
from arc_proxy.journal.record import Record, RecordKind
from arc_proxy.journal.tape import Tape

RECORDS = 4_000
TICK = 50


def cpu_us(count: int, work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time_ns()
        work()
        return (time.thread_time_ns() - began) / count / 1000

    return min(once() for _ in range(5))


def longest_flush_ms(tape: Tape, record: Record, seconds: float) -> tuple[float, float]:
    """(longest, 99.9th percentile) of one flush of ten records at 200 a second."""
    flushes = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for _ in range(10):
            tape.offer(record)
        began = time.perf_counter_ns()
        tape.flush()
        flushes.append((time.perf_counter_ns() - began) / 1e6)
        time.sleep(0.005)
    flushes.sort()
    return flushes[-1], flushes[len(flushes) * 999 // 1000]


def slow_write(fd: int, data: bytes) -> int:
    time.sleep(0.1)
    return os.write(fd, data)


def main(folder: Path) -> None:
    tape = Tape(folder)
    exchange_id = tape.make_id()

    for size in (100, 800, 4096):
        record = Record(RecordKind.RESPONSE_BODY, exchange_id, 1, b"x" * size)

        def ticks(record: Record = record) -> None:
            for number in range(RECORDS):
                tape.offer(record)
                if number % TICK == 0:
                    tape.flush()

        def singly(record: Record = record) -> None:
            for _ in range(RECORDS // 10):
                tape.offer(record)
                tape.flush()

        print(f"{size:5} bytes   offer, flushed by {TICK}: {cpu_us(RECORDS, ticks):5.2f} us a record", end="")
        print(f"   offer and flush: {cpu_us(RECORDS // 10, singly):5.2f} us")
    longest, most = longest_flush_ms(tape, record, 15)
    print(f"flush of 41 KB while synced each second: longest {longest:.2f} ms, 99.9 % under {most:.2f} ms")
    tape.close()
    print(tape.counts())
    slow = Tape(folder, write=slow_write)
    longest, most = longest_flush_ms(slow, record, 15)
    print(f"on a disk of 100 ms a write: longest {longest:.2f} ms, 99.9 % under {most:.2f} ms")
    slow.close()
    print(slow.counts())

    count = sum(1 for _ in JournalReader(folder).read({}, 1 << 40))
    read_us = cpu_us(count, lambda: sum(1 for _ in JournalReader(folder).read({}, 1 << 40)))
    print(f"read: {read_us:.2f} us a record of {count}")


if __name__ == "__main__":
    where = Path(tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        main(where)
    finally:
        shutil.rmtree(where)
