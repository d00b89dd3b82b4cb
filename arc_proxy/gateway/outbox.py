"""
Records first, then the client's bytes: what one turn of the event loop sends, behind one write of the tape.

Several streams' pieces that come in one turn share that write. Bytes wait for nothing else: the turn ends
before the loop looks at its sockets again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from arc_proxy.journal.tape import Tape

# A record that no client's bytes follow (a request's) may wait this long for others to share a write.
IDLE_FLUSH_S = 0.02


class Outbox:
    def __init__(self, loop: asyncio.AbstractEventLoop, tape: Tape) -> None:
        self._loop = loop
        self._tape = tape
        self._waiting: list[tuple[Callable[[bytes], None], bytes]] = []
        self._idle_flush: asyncio.TimerHandle | None = None

    def send(self, deliver: Callable[[bytes], None], data: bytes) -> None:
        """Call `deliver(data)` at the end of this turn, once the records offered so far are written."""
        if not self._waiting:
            self._loop.call_soon(self._end_turn)
        self._waiting.append((deliver, data))

    def nudge(self) -> None:
        """Records were offered that nothing follows: write them soon."""
        if self._idle_flush is None:
            self._idle_flush = self._loop.call_later(IDLE_FLUSH_S, self._flush_idle)

    def close(self) -> None:
        """Deliver what waits, now."""
        if self._idle_flush is not None:
            self._idle_flush.cancel()
        self._end_turn()

    def _end_turn(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            self._tape.flush()
        finally:
            for deliver, data in waiting:
                deliver(data)

    def _flush_idle(self) -> None:
        self._idle_flush = None
        self._tape.flush()
