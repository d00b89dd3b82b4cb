"""
A provider that needs no key and no network: OpenAI and Anthropic in form, deterministic in what it says.

It speaks chat completions, responses, messages and embeddings, streamed or not, asks for the tools that it is
offered, counts tokens, and fails where a prompt asks it to:

    [429]    "rate limited" the first time that it sees the prompt up to there, with `retry-after`
    [500]    an error of the provider's, each time
    [brief]  an answer that max_tokens cuts off

An answer depends on the request alone, so the same agents give the same report, but for the times.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from arc_proxy.demo.dialects import Chat, Dialect, Events, Json, Messages, Refused, Responses, Turn

TURN_S = 0.02  # until the first token; real models take ten to a hundred times as long
PIECE_S = 0.002
CACHE_TOKENS_MIN = 1024  # shorter prompts are not cached, as at OpenAI and Anthropic

# What the model says about a subject: the first whose word stands in the prompt.
_SAYINGS = {
    "bookshop": (
        "Thank you for writing to us.",
        "It left our shop on Monday and should be with you by the end of the week.",
        "You will find the tracking number in the mail that we sent you then.",
        "If anything is wrong with it, send it back within thirty days and we will refund you.",
    ),
    "finance": (
        "The figures agree with the ledger for that quarter.",
        "Two invoices are still open, neither of them overdue.",
        "Travel came in under budget.",
        "I would watch the cloud bill, which has doubled since spring without new customers to explain it.",
    ),
    "": (
        "There are three things that all sources agree on.",
        "It is older than one would think.",
        "What is written about it elsewhere mostly repeats the first survey.",
        "Nothing else stands out.",
    ),
}


def make_app() -> web.Application:
    """The provider, without a socket yet."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    seen: set[str] = set()
    for path, dialect in (
        ("/v1/chat/completions", Chat()),
        ("/v1/responses", Responses()),
        ("/v1/messages", Messages()),
    ):
        app.router.add_post(path, _handler(dialect, seen))
    app.router.add_post("/v1/embeddings", _embed)
    app.router.add_get("/v1/models", _list_models)
    return app


def _handler(dialect: Dialect, seen: set[str]) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        await asyncio.sleep(TURN_S)
        try:
            turn = _think(dialect, body, seen)
        except Refused as refused:
            headers = {"x-request-id": f"req_{_digest(body)[:20]}", **refused.headers}
            return web.json_response(dialect.error(refused), status=refused.status, headers=headers)
        headers = {"x-request-id": f"req_{turn.seed[:20]}", "request-id": f"req_{turn.seed[:20]}"}
        if not body.get("stream"):
            return web.json_response(dialect.reply(turn), headers=headers)
        response = web.StreamResponse(headers={**headers, "content-type": "text/event-stream"})
        await response.prepare(request)
        async for event in _paced(dialect.events(turn, body)):
            await response.write(event)
        await response.write_eof()
        return response

    return handle


async def _paced(events: Events) -> AsyncIterator[bytes]:
    for name, data in events:
        text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
        yield (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()
        await asyncio.sleep(PIECE_S)


def _think(dialect: Dialect, body: Json, seen: set[str]) -> Turn:
    prompt = json.dumps(body.get(dialect.prompt_field), ensure_ascii=False)
    whole = json.dumps(body, ensure_ascii=False)
    seed = _digest(body)
    asked, limit, _ = prompt.partition("[429]")
    asked = f"{type(dialect).__name__} {asked}"
    if limit and asked not in seen:
        seen.add(asked)
        raise Refused(429, "rate_limit_error", "Rate limit reached, try again shortly.", {"retry-after": "0"})
    if "[500]" in prompt:
        raise Refused(500, "server_error", "The server had an error while processing your request.", {})
    tools, results = dialect.tools(body), dialect.results(body)
    tool = tools[results] if results < len(tools) else None
    sayings = next(each for word, each in _SAYINGS.items() if word in whole)
    first, count = int(seed[:2], 16), 1 + int(seed[2:4], 16) % len(sayings)
    text = " ".join(sayings[(first + n) % len(sayings)] for n in range(count))
    input_tokens = _count(whole)
    # What a prompt begins with was sent before: all but its last message, in steps of 128 tokens.
    repeated = input_tokens * 3 // 4 // 128 * 128 if results else 0
    return Turn(
        model=body["model"],
        text="" if tool else text,
        tool=tool,
        arguments={"query": f"Q{1 + int(seed[6:8], 16) % 4} {2024 + int(seed[8:10], 16) % 2}"},
        is_cut="[brief]" in prompt,
        input_tokens=input_tokens,
        cached_tokens=repeated if repeated >= CACHE_TOKENS_MIN else 0,
        output_tokens=24 if tool else _count(text),
        seed=seed,
    )


async def _embed(request: web.Request) -> web.Response:
    body = await request.json()
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [[int(_digest({"t": text})[n * 2 : n * 2 + 2], 16) / 255 for n in range(8)] for text in texts]
    tokens = sum(map(_count, texts))
    return web.json_response(
        {
            "object": "list",
            "model": body["model"],
            "data": [{"object": "embedding", "index": n, "embedding": v} for n, v in enumerate(vectors)],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


async def _list_models(_request: web.Request) -> web.Response:
    names = ("gpt-5", "gpt-5-mini", "claude-sonnet-5", "text-embedding-3-small")
    models = [{"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "demo"} for name in names]
    return web.json_response({"object": "list", "data": models})


def _count(text: str) -> int:
    """Tokens, about: four characters make one."""
    return max(1, len(text) // 4)


def _digest(body: Json) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
