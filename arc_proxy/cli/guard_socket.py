"""Where gateways ask whether a call may go on: a Unix socket of our own, see `arc_proxy.verdict`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from arc_proxy.cli.console_guard import Answer
from arc_proxy.verdict import LINE_BYTES_MAX, Question, Verdict, read_question, verdict_line

_log = structlog.get_logger()


async def serve_guard(ask: Callable[[Question, Answer], None], socket: Path) -> asyncio.Server:
    """
    Hand on the questions of gateways until the server is closed; `ask` may answer from any thread, or never.
    Raises OSError.
    """
    loop = asyncio.get_running_loop()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(line: bytes) -> None:
            if not writer.is_closing():
                writer.write(line)

        def answer_of(number: int) -> Answer:
            def answer(verdict: Verdict) -> None:
                loop.call_soon_threadsafe(send, verdict_line(number, verdict))

            return answer

        try:
            while line := await reader.readline():
                number, question = read_question(line)
                ask(question, answer_of(number))
        except (ValueError, ConnectionError) as error:
            _log.warning("guard.line_broken", error=type(error).__name__)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(talk, str(socket), limit=LINE_BYTES_MAX)
    os.chmod(socket, 0o600)  # noqa: PTH101  of a name in a folder of our own
    return server
