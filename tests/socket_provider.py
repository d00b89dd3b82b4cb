"""
A provider that speaks WebSockets: OpenAI's Realtime and Responses and Gemini's Live, as far as tests need.

    async with SocketProvider() as provider:
        ...        # speak to provider.url; what is asked decides what is answered

A question is answered by itself in capitals; one that begins with "tool" is answered by a tool call, "fail"
by an error, "close 1011" by a close with that code, "reset" by a reset, "hang" by a beginning and no more.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

REALTIME_USAGE = {
    "total_tokens": 230,
    "input_tokens": 130,
    "output_tokens": 100,
    "input_token_details": {
        "text_tokens": 30,
        "audio_tokens": 100,
        "image_tokens": 0,
        "cached_tokens": 0,
        "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
}
RESPONSES_USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 150,
}
LIVE_USAGE = {"promptTokenCount": 20, "responseTokenCount": 5, "totalTokenCount": 25}
SESSION = {"type": "realtime", "object": "realtime.session", "id": "sess_1", "model": "gpt-realtime"}
SOUND = base64.b64encode(bytes(range(256)) * 30).decode()


class SocketProvider:
    def __init__(self) -> None:
        self._server: Server | None = None
        self.closes: list[tuple[int | None, str]] = []  # how clients closed: code and reason
        self.protocols: list[str | None] = []
        self.count = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(self._talk, "127.0.0.1", 0, select_subprotocol=_first)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _talk(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.protocols.append(connection.request.headers.get("Sec-WebSocket-Protocol"))
        if "BidiGenerateContent" in connection.request.path:
            await _live(connection)
            return
        is_realtime = "/realtime" in connection.request.path
        asked = ""
        with suppress(ConnectionClosed):
            if is_realtime:
                await _send(connection, "session.created", session=SESSION)
            async for message in connection:
                body = json.loads(message)
                if body["type"] == "session.update":
                    await _send(connection, "session.updated", session=SESSION | body["session"])
                elif body["type"] == "conversation.item.create":
                    self.count += 1
                    item = body["item"] | {"id": f"item_{self.count}", "status": "completed"}
                    asked = item["content"][0]["text"] if item["type"] == "message" else "tool result"
                    await _send(connection, "conversation.item.added", previous_item_id=None, item=item)
                elif body["type"] == "response.create":
                    asked = asked if is_realtime else _asked_in(body)
                    self.count += 1
                    await self._answer(connection, asked, is_realtime)
        self.closes.append((connection.close_code, connection.close_reason or ""))

    async def _answer(self, connection: ServerConnection, asked: str, is_realtime: bool) -> None:
        if asked.startswith("close "):
            await connection.close(int(asked.split()[1]), "as you wish")
            return
        if asked == "reset":
            sock = connection.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.transport.abort()
            return
        events = _realtime(self.count, asked) if is_realtime else _responses(self.count, asked)
        async for kind, fields in events:
            await _send(connection, kind, **fields)
            if asked == "hang" and kind.endswith(".delta"):
                await connection.wait_closed()
                return


async def _send(connection: ServerConnection, kind: str, **fields: Any) -> None:
    await connection.send(json.dumps({"type": kind, "event_id": "event_1", **fields}))


def _first(connection: ServerConnection, offered: Any) -> Any:
    return next(iter(offered), None)


def _asked_in(body: dict[str, Any]) -> str:
    spoken = body["input"]
    return str(spoken if isinstance(spoken, str) else spoken[-1].get("content") or "tool result")


async def _live(connection: ServerConnection) -> None:
    """Gemini's: JSON in binary frames."""
    with suppress(ConnectionClosed):
        async for message in connection:
            body = json.loads(message)
            if "setup" in body:
                await connection.send(b'{"setupComplete":{}}')
                continue
            text = body["client_content"]["turns"][0]["parts"][0]["text"].upper()
            content = {"modelTurn": {"role": "model", "parts": [{"text": text}]}}
            await connection.send(json.dumps({"serverContent": content}).encode())
            done = {"serverContent": {"turnComplete": True}, "usageMetadata": LIVE_USAGE}
            await connection.send(json.dumps(done).encode())


Events = AsyncIterator[tuple[str, dict[str, Any]]]


async def _realtime(number: int, asked: str) -> Events:
    response_id = f"resp_{number:024}"
    response = {"object": "realtime.response", "id": response_id, "status": "in_progress", "output": []}
    yield "response.created", {"response": response}
    here = {"response_id": response_id, "item_id": f"item_a{number}", "output_index": 0, "content_index": 0}
    text = asked.upper()
    for word in text.split(" "):
        yield "response.output_audio_transcript.delta", here | {"delta": word + " "}
        yield "response.output_audio.delta", here | {"delta": SOUND}
        await asyncio.sleep(0)
    item: dict[str, Any] = {"id": f"item_a{number}", "object": "realtime.item", "status": "completed"}
    if asked.startswith("tool ") and asked != "tool result":
        called = {"name": "weather", "call_id": f"call_{number:024}", "arguments": '{"city":"Rome"}'}
        item |= {"type": "function_call"} | called
    else:
        content = [{"type": "output_audio", "transcript": text}]
        item |= {"type": "message", "role": "assistant", "content": content}
    ended: dict[str, Any] = {"status": "completed", "output": [item], "usage": REALTIME_USAGE}
    if asked.startswith("fail"):
        error = {"type": "server_error", "code": "overloaded"}
        ended = {"status": "failed", "status_details": {"type": "failed", "error": error}, "output": []}
    yield "response.done", {"response": response | ended}


async def _responses(number: int, asked: str) -> Events:
    if asked.startswith("fail"):
        error = {"type": "rate_limit_error", "code": "rate_limit_exceeded", "message": "slow down"}
        yield "error", {"status": 429, "error": error}
        return
    response = {"object": "response", "id": f"resp_{number:024}", "model": "gpt-5.2", "created_at": 1}
    base = response | {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "output": []}
    yield "response.created", {"sequence_number": 0, "response": base | {"status": "in_progress"}}
    text = asked.upper()
    here = {"item_id": "m", "output_index": 0, "content_index": 0, "logprobs": []}
    for word in text.split(" "):
        yield "response.output_text.delta", here | {"sequence_number": 1, "delta": word + " "}
        await asyncio.sleep(0)
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    if asked.startswith("tool ") and asked != "tool result":
        called = {"name": "weather", "call_id": f"call_{number:024}", "arguments": '{"city":"Rome"}'}
        item = {"type": "function_call", "id": "f", "status": "completed"} | called
    done = base | {"status": "completed", "output": [item], "usage": RESPONSES_USAGE}
    yield "response.completed", {"sequence_number": 2, "response": done}
