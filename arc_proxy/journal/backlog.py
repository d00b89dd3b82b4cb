"""
What passes from the tape's loop to its thread: frames that wait for the disk, and what was lost.

Safe for two threads. The locks are held for moments, never over a system call. Standard library only.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from arc_proxy.journal.frame import whole_frames


class Backlog:
    """Frames in the order they were offered. What is being written still counts as waiting."""

    def __init__(self) -> None:
        self.bytes = 0
        self._frames: deque[bytes] = deque()
        self._taken = b""
        self._lock = threading.Lock()

    def put(self, frames: Sequence[bytes]) -> None:
        """Each item is one frame or a run of whole ones."""
        with self._lock:
            self._frames.extend(frames)
            self.bytes += sum(map(len, frames))

    def take(self, bytes_max: int) -> bytes:
        """About `bytes_max` bytes of frames, at least one item; empty if none waits. `settle` must follow."""
        taken, size = [], 0
        with self._lock:
            while self._frames and size < bytes_max:
                taken.append(self._frames.popleft())
                size += len(taken[-1])
            self._taken = b"".join(taken)
        return self._taken

    def settle(self, rest: bytes = b"") -> None:
        """What was taken is written, but for `rest`, which goes back to the front."""
        with self._lock:
            if rest:
                self._frames.appendleft(rest)
            self.bytes += len(rest) - len(self._taken)
            self._taken = b""

    def clear(self) -> tuple[int, int]:
        """Give up what waits, a write that hangs included. Returns how many records and bytes that were."""
        with self._lock:
            dropped = self._taken + b"".join(self._frames)
            self._frames.clear()
        return whole_frames(dropped)[1], len(dropped)


@dataclass(slots=True)
class Losses:
    """Sums since the writer began."""

    lost_calls: int = 0  # not even the request head was kept
    lost_records: int = 0
    lost_bytes: int = 0
    lost_segments: int = 0  # deleted while they were written
    unsecured_calls: int = 0
    slow_writes: int = 0
    write_errors: int = 0


class Ledger:
    """Counts losses from both threads."""

    def __init__(self) -> None:
        self.has_news = False  # something changed since it was last written down
        self.written_ns = 0  # mono, when that was
        self._losses = Losses()
        self._lock = threading.Lock()

    def add(self, **losses: int) -> None:
        """Add to the named fields of `Losses`."""
        with self._lock:
            for name, count in losses.items():
                setattr(self._losses, name, getattr(self._losses, name) + count)
            self.has_news = True

    def counts(self, *, is_secure: bool) -> dict[str, int]:
        with self._lock:
            return {"is_secure": is_secure, **asdict(self._losses)}

    def encode(self, now: int, *, is_secure: bool) -> bytes:
        """The content of a COUNTS record."""
        self.written_ns = now
        self.has_news = False
        return json.dumps(self.counts(is_secure=is_secure), separators=(",", ":")).encode()
