"""
A run of an agent while it is open, and which one the code at hand belongs to. Standard library only.

`CURRENT` follows `await` and tasks by itself; `inherit` makes threads follow too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any

TEXT_MAX = 200  # longest name or id that is sent in a header
OPEN_MAX = 10_000

CURRENT: ContextVar[Run | None] = ContextVar("arc_proxy_run", default=None)
LATEST: ContextVar[Latest | None] = ContextVar("arc_proxy_latest", default=None)


class Run:
    """`subject` is the traced object or function: a call from it to itself stays in its run."""

    __slots__ = ("agent", "ended", "labels", "latest", "parent", "run_id", "started_ns", "subject", "tags")

    def __init__(
        self,
        agent: str,
        subject: object,
        *,
        parent: Run | None,
        labels: Mapping[str, str | None],
        tags: Mapping[str, str],
    ) -> None:
        self.run_id = make_run_id()
        self.agent = agent
        self.subject = subject
        self.parent = parent.run_id if parent else None
        self.labels = labels  # session_id, user, version
        self.tags = tags
        self.started_ns = time.monotonic_ns()
        self.ended = False
        self.latest: tuple[Latest, ...] = ()

    def headers(self) -> dict[str, str]:
        """
        The headers that make an HTTP request part of this run.

        What no header can carry is left out: it stands in the run's FACT, which the id leads to.
        """
        named = {
            "x-arc-run-id": self.run_id,
            "x-arc-agent": self.agent,
            "x-arc-parent-run-id": self.parent,
            "x-arc-session-id": self.labels.get("session_id"),
            "x-arc-user": self.labels.get("user"),
            "x-arc-version": self.labels.get("version"),
            "x-arc-tags": ",".join(f"{name}={value}" for name, value in self.tags.items()),
        }
        return {name: value for name, value in named.items() if value and is_sendable(value)}


class Latest:
    """The run that ended last, of one tracer's in one place; none, once two were open at once there."""

    __slots__ = ("_is_mixed", "_open", "run_id", "tracer")

    def __init__(self, tracer: object) -> None:
        self.tracer = tracer
        self.run_id: str | None = None
        self._is_mixed = False
        self._open: set[str] = set()

    def begin(self, run: Run) -> None:
        if len(self._open) >= OPEN_MAX:
            self._open.clear()  # generators that were made and never begun
        self._is_mixed |= bool(self._open) and run.parent not in self._open
        self._open.add(run.run_id)

    def end(self, run: Run) -> None:
        self._open.discard(run.run_id)
        self.run_id = None if self._is_mixed else run.run_id


class Inside:
    """Code in this block belongs to the run (or, with None, to no run)."""

    __slots__ = ("_run", "_token")

    def __init__(self, run: Run | None) -> None:
        self._run = run

    def __enter__(self) -> None:
        self._token: Token[Run | None] = CURRENT.set(self._run)

    def __exit__(self, *_error: object) -> None:
        try:
            CURRENT.reset(self._token)
        except ValueError:
            # A driver of its own making resumed us in another context: what holds there is not ours to undo.
            return


def current_run() -> Run | None:
    """The open run that this code belongs to."""
    run = CURRENT.get()
    # A worker thread or task that outlives the run that started it does other people's work by now.
    return None if run is None or run.ended else run


def inside(run: Run | None, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    with Inside(run):
        return work(*args, **kwargs)


def make_run_id() -> str:
    """A version 4 UUID (RFC 9562), without the import of `uuid`."""
    number = bytearray(os.urandom(16))
    number[6] = number[6] & 0x0F | 0x40
    number[8] = number[8] & 0x3F | 0x80
    digits = number.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_sendable(text: str) -> bool:
    """Whether a header carries it as it is. No line break passes, so none can smuggle a header in."""
    return len(text) <= TEXT_MAX and text.isascii() and text.isprintable()
