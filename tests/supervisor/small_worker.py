"""
A worker for the supervisor's tests: one line in, one line out, with its number and pid.

`CONFIG.json --worker N --socket FD --lifeline FD`. The line "hold" is answered only after half a second,
SIGTERM or not; "misbehave" kills the process. Stops as a gateway does: accepts no more, ends what it has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--worker", type=int)
    parser.add_argument("--socket", type=int)
    parser.add_argument("--lifeline", type=int)
    given = parser.parse_args()
    config = json.loads(given.config.read_bytes())
    diary = Path(config["data_dir"]) / "diary"

    def note(what: str) -> None:
        with diary.open("a") as file:
            file.write(f"worker-{given.worker} {what}\n")

    if config.get("worker_exit") is not None:
        note("started")
        sys.exit(config["worker_exit"])

    stop = asyncio.Event()
    open_calls: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_calls.add(task)
        line = (await reader.readline()).decode().strip()
        if line == "misbehave":
            os.kill(os.getpid(), signal.SIGKILL)
        if line == "hold":
            await asyncio.sleep(0.5)
        if line == "hold for ever":
            await asyncio.sleep(3600)
        writer.write(f"{given.worker} {os.getpid()}\n".encode())
        await writer.drain()
        writer.close()
        open_calls.discard(task)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    os.set_blocking(given.lifeline, False)
    loop.add_reader(given.lifeline, stop.set)
    listener = socket.socket(fileno=given.socket)
    listener.setblocking(False)
    server = await asyncio.start_server(answer, sock=listener)
    note("started")
    await stop.wait()
    loop.remove_reader(given.lifeline)
    server.close()
    note("stopping")
    if open_calls:
        await asyncio.wait(open_calls)
    note("ended")


asyncio.run(main())
