"""
Traffic that can be checked afterwards: numbered calls, and exactly what each client received.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fake_provider import BODY, Pause, Received, Step, chunk, reply, stream_head

CHUNKS = 20


def answer(request: Received) -> Iterable[Step]:
    """The provider's side: a completion, or a stream of `CHUNKS` pieces, that repeats the number asked."""
    yield BODY
    asked = json.loads(bytes(request.body))
    number = asked["messages"][-1]["content"]
    if not asked.get("stream"):
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": number * 5},
            "finish_reason": "stop",
        }
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        body = {
            "id": "c",
            "object": "chat.completion",
            "model": "gpt-4o-mini",
            "choices": [choice],
            "usage": usage,
        }
        yield reply(json.dumps(body).encode(), ("content-type", "application/json"))
        return
    yield stream_head()
    for _ in range(CHUNKS):
        yield chunk(_event({"content": f"{number};"}, None))
        yield Pause(0.005)
    yield chunk(_event({}, "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n"


def _event(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    body = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@dataclass(slots=True)
class Got:
    """What one client saw of its call."""

    number: int
    is_stream: bool
    is_refused: bool = False  # the connection was refused
    call_id: str | None = None  # None: no response head arrived
    status: int | None = None
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False

    def text(self) -> str:
        """The answer as far as it arrived in whole events."""
        if not self.is_stream:
            return str(json.loads(self.body)["choices"][0]["message"]["content"]) if self.is_whole else ""
        return "".join(self._contents())

    def _contents(self) -> Iterator[str]:
        for event in bytes(self.body).split(b"\n\n")[:-1]:
            if event != b"data: [DONE]":
                yield json.loads(event.removeprefix(b"data: "))["choices"][0]["delta"].get("content", "")


async def call(port: int, number: int, *, is_stream: bool) -> Got:
    """One call on a connection of its own, as far as it gets."""
    got = Got(number, is_stream)
    body: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"n{number}"}]}
    if is_stream:
        body["stream"] = True
    sent = json.dumps(body).encode()
    head = (
        "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sk-test\r\n"
        f"Content-Type: application/json\r\nx-arc-tags: n={number}\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        got.is_refused = True
        return got
    except OSError:
        return got
    try:
        writer.write(head.encode() + sent)
        await _read_response(reader, got)
    except (OSError, asyncio.IncompleteReadError):
        pass  # cut by a kill: what did arrive is in `got`
    finally:
        writer.close()
    return got


async def _read_response(reader: asyncio.StreamReader, got: Got) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    got.status = int(head[0].split(" ")[1])
    got.call_id = fields.get("x-arc-call-id")
    if "content-length" in fields:
        await _read_into(reader, got.body, int(fields["content-length"]))
    else:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await _read_into(reader, got.body, size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    got.is_whole = True


async def _read_into(reader: asyncio.StreamReader, body: bytearray, size: int) -> None:
    while size:
        data = await reader.read(size)
        if not data:
            raise asyncio.IncompleteReadError(b"", size)
        body += data
        size -= len(data)


async def keep_calling(port: int, until: asyncio.Event, *, clients: int, seed: int = 0) -> list[Got]:
    """`clients` at a time, half of them streams, until the event is set. Every call is numbered."""
    numbers = iter(range(seed * 1_000_000, (seed + 1) * 1_000_000))
    dice = random.Random(seed)
    everything: list[Got] = []

    async def one_client() -> None:
        while not until.is_set():
            everything.append(await call(port, next(numbers), is_stream=dice.random() < 0.5))

    await asyncio.gather(*(one_client() for _ in range(clients)))
    return everything
