"""
A canary key in every place where a key can stand, looked for in every place where it must not.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.fake_provider import BODY, FakeProvider, Pause, Received, Step, chunk, reply, stream_head
from tests.system.installation import Installation

CANARY = "sk-canary-7Q2xZv9LmTt4RwYb8Kd3"
# That the provider makes, so that nobody knows them from the request.
MINTED = "ek_mintedc8Hn2WqXs5JpLr0Vt"
TICKET = "YIIBticket9Fq3ZkBv6NmXc1Ds"

PLACES = {
    "authorization": ("/openai/v1/chat/completions", [f"Authorization: Bearer {CANARY}"]),
    "x-api-key": ("/anthropic/v1/messages", [f"x-api-key: {CANARY}"]),
    "api-key": ("/openai/v1/chat/completions", [f"Api-Key: {CANARY}"]),
    "x-goog-api-key": ("/gemini/v1beta/models/g:generateContent", [f"x-goog-api-key: {CANARY}"]),
    "query": (f"/gemini/v1beta/models/g:generateContent?key={CANARY}&alt=sse", []),
    "cookie": ("/openai/v1/chat/completions", [f"Cookie: session={CANARY}"]),
    "another product's header": ("/openai/v1/chat/completions", [f"Helicone-Auth: Bearer {CANARY}"]),
    "subprotocol": (
        "/openai/v1/realtime?model=gpt-realtime",
        [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{CANARY}",
        ],
    ),
    "unknown prefix": ("/nowhere/v1/x", [f"Authorization: Bearer {CANARY}"]),
    "malformed header": ("/openai/v1/chat/completions", [f"Authorization : Bearer {CANARY}"]),
    "header of a refused host": (
        "/openai/v1/chat/completions",
        ["Host: evil.example", f"x-api-key: {CANARY}"],
    ),
}


def echo(request: Received) -> Iterable[Step]:
    """An upstream that repeats the key in a header, in an error text, and split over two chunks."""
    yield BODY
    if b"/messages" in request.line:
        text = f"invalid x-api-key: {CANARY}"
        error = {"type": "error", "error": {"type": "authentication_error", "message": text}}
        challenge = ("WWW-Authenticate", f'Negotiate {TICKET}, Bearer realm="api"')
        yield reply(json.dumps(error).encode(), ("x-echo", CANARY), challenge, status="401 Unauthorized")
        return
    half = len(CANARY) // 2
    yield stream_head(("x-echo", CANARY))
    yield chunk(b'data: {"error": {"message": "Incorrect API key provided: ' + CANARY[:half].encode())
    yield Pause(0.05)
    yield chunk(CANARY[half:].encode() + b'"}}\n\ndata: {"value":"' + MINTED[:9].encode())
    yield Pause(0.05)
    yield chunk(MINTED[9:].encode() + b'"}\n\ndata: [DONE]\n\n') + b"0\r\n\r\n"


async def ask(port: int, target: str, fields: list[str]) -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    head = [
        f"POST {target} HTTP/1.1",
        *(["Host: 127.0.0.1"] if not any("Host:" in f for f in fields) else []),
    ]
    if any("websocket" in field for field in fields):
        head[0], body = f"GET {target} HTTP/1.1", ""
    head += [*fields, "Content-Type: application/json", f"Content-Length: {len(body)}"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())
    answer = b""
    try:
        async with asyncio.timeout(3):
            while data := await reader.read(65536):
                answer += data
                if answer.endswith((b"0\r\n\r\n", b"}")):
                    break
    finally:
        writer.close()
    return answer


def everything_kept(data_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Each file as it lies, and each compressed value of the database unpacked."""
    for file in data_dir.parent.rglob("*"):
        if file.is_file():
            yield str(file), file.read_bytes()
    database = sqlite3.connect(data_dir / "arc.db")
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in database.execute(f"SELECT * FROM {table}"):
            for value in row:
                if isinstance(value, bytes):
                    try:
                        yield f"table {table}, unpacked", zlib.decompress(value)
                    except zlib.error:
                        yield f"table {table}", value
    database.close()


async def test_a_canary_key_is_found_nowhere(provider: FakeProvider, data_dir: Path) -> None:
    provider.answer = echo
    answers = b""
    with Installation(data_dir, provider.url) as installation:
        for target, fields in PLACES.values():
            answers += await ask(installation.port, target, fields)
        calls = installation.calls()
        assert len(calls) >= len(PLACES) - 2, "what was refused before it was a request need not be a call"
        surfaces = {
            "export csv": installation.cli("export", "calls", "--format", "csv"),
            "export har": installation.cli("export", "calls", "--format", "har"),
            "export jsonl": json.dumps(calls),
            "report": installation.cli("report"),
            "doctor": installation.cli("doctor", "--json"),
            "runs": installation.cli("runs", "--json"),
        }
        for call in calls:
            surfaces[f"show {call['call_id']}"] = installation.cli("show", call["call_id"], "--json")
    for secret in (CANARY, MINTED, TICKET):
        needle = secret.encode()
        assert [name for name, text in surfaces.items() if secret in text] == []
        assert [name for name, content in everything_kept(data_dir) if needle in content] == []
    assert any(CANARY.encode() in bytes(request.head) for request in provider.requests), (
        "the provider must have had it"
    )
    assert all(secret.encode() in answers for secret in (CANARY, MINTED[9:], TICKET)), "and the client"
