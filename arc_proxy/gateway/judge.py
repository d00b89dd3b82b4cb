"""
Asks the console whether a call may go on, over one Unix socket that all connections of a worker share.

Only where guards are enforced. Whatever goes wrong, the call goes on: a console that is slow, gone or wrong
costs at most `WAIT_S`, and is counted.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import cast

from arc_proxy.gateway.refusal import NO_RETRY, Refusal, Shape
from arc_proxy.verdict import LINE_BYTES_MAX, WAIT_S, Question, Verdict, question_line, read_verdict

log = logging.getLogger("arc_proxy.gateway")

# Questions that a console which stands still has not read; more are not asked.
UNREAD_BYTES_MAX = 256 * 1024
# https://www.rfc-editor.org/rfc/rfc9110#status.402
PAYMENT_REQUIRED = 402


class Judge:
    """Of one worker. `judged` counts the calls that got a verdict, `unjudged` those that went on without."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: Path) -> None:
        self._loop = loop
        self._socket = socket
        self._line: Line | None = None
        self._opening: asyncio.Task[Line] | None = None
        self._asked = 0
        self.judged = 0
        self.unjudged = 0

    async def objection(self, question: Question, shape: Shape) -> Refusal | None:
        """The refusal that the call gets, in the words of its provider; None: it goes on."""
        try:
            async with asyncio.timeout(WAIT_S):
                line = await self._open_line()
                self._asked += 1
                verdict = await line.ask(self._asked, question)
        except (OSError, TimeoutError) as error:
            self.unjudged += 1
            if self.unjudged.bit_count() == 1:  # 1, 2, 4, 8 ...: seldom enough for a log
                log.warning("gateway.unjudged calls=%d reason=%s", self.unjudged, type(error).__name__)
            return None
        self.judged += 1
        if verdict.code is None:
            return None
        return Refusal(
            status=PAYMENT_REQUIRED,
            code=verdict.code,
            message=verdict.message,
            shape=shape,
            fields=(NO_RETRY,),
        )

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            self._line.hang_up()

    async def _open_line(self) -> Line:
        if self._line is not None and self._line.is_open:
            return self._line
        if self._opening is None:
            self._opening = self._loop.create_task(self._open())
        # Others wait for it too: who gives up does not end it.
        return await asyncio.shield(self._opening)

    async def _open(self) -> Line:
        try:
            _, self._line = await self._loop.create_unix_connection(Line, str(self._socket))
            return self._line
        finally:
            self._opening = None


class Line(asyncio.Protocol):
    """Questions out, verdicts in, in any order."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[Verdict]] = {}
        self._rest = b""

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def unread_bytes(self) -> int:
        """Of questions that wait here, since the console does not take them."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    async def ask(self, number: int, question: Question) -> Verdict:
        """Raises ConnectionError if the line breaks first."""
        if self._transport is None or self.unread_bytes > UNREAD_BYTES_MAX:
            raise ConnectionError("the console reads no questions")
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._transport.write(question_line(number, question))
        try:
            return await answer
        finally:
            self._waiting.pop(number, None)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                number, verdict = read_verdict(line)
                answer = self._waiting.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(verdict)
        except ValueError:
            self.hang_up()
        if len(self._rest) > LINE_BYTES_MAX:
            self.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the line to the console broke"))
