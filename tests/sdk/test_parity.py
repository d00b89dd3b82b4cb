"""
The official SDKs behave through the proxy exactly as directly.

Each case is played twice against the same provider: once directly, once through the gateway. Compared are
what the program gets (result or exception, with its status, message, body and request id) and what the
provider gets (attempts, connections, request lines, header fields in their order, bodies by hash).
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from arc_proxy.demo.dialects import Chat, Messages, Responses
from tests.fake_provider import BODY, HANG_UP, LEFT, RESET, Pause, Step, reply
from tests.sdk.script import IDS, fails, frames, says, streams, turn

Script = list[tuple[Step, ...]]

ASKED: list[Any] = [{"role": "user", "content": "Where is my order? Ünïcode: 日本 🚀"}]
MODEL: dict[str, Any] = {"model": "gpt-5", "messages": ASKED}
CLAUDE: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 64, "messages": ASKED}
SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}}
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]
CLAUDE_TOOLS: Any = [{"name": "look", "input_schema": SCHEMA}]

IMPATIENT = (("timeout", 0.4), ("max_retries", 1))


CHAT = frames(Chat().events(turn(), {"stream_options": {"include_usage": True}}))
CHAT_TOOL = frames(Chat().events(turn(tool="look"), {}))
RESPONSE = frames(Responses().events(turn(), {}))
MESSAGE = frames(Messages().events(turn(), {}))
MESSAGE_TOOL = frames(Messages().events(turn(tool="look"), {}))

EMBEDDED = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": base64.b64encode(bytes(32)).decode()}],
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}
MODELS = {"object": "list", "data": [{"id": "gpt-5", "object": "model", "created": 1, "owned_by": "x"}]}
CLAUDE_MODELS = {"data": [], "has_more": False, "first_id": None, "last_id": None}
RETRY_SOON = ("retry-after-ms", "10")
OVERLOADED = frames(
    [("error", {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]
)


# What a program does with a client. Where it streams, the synchronous form stands beside the other.


async def settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def items(stream: Any) -> list[Any]:
    """What a stream yields, of whichever kind."""
    if hasattr(stream, "__aiter__"):
        return [item async for item in stream]
    return list(stream)


async def collect(call: Any) -> Any:
    return await items(await settled(call))


async def take_two_and_close(call: Any) -> Any:
    stream = await settled(call)
    if hasattr(stream, "__aiter__"):
        taken = [await anext(stream), await anext(stream)]
    else:
        taken = [next(stream), next(stream)]
    await settled(stream.close())
    return taken


async def until_final(manager: Any, final: str) -> Any:
    """The helper of `.stream(...)`: its events, and what it makes of them."""
    if hasattr(manager, "__aenter__"):
        async with manager as stream:
            events = [event async for event in stream]
            return events, await getattr(stream, final)()
    with manager as stream:
        return list(stream), getattr(stream, final)()


async def raw(call: Any) -> Any:
    response = await settled(call)
    fields = [(k, v) for k, v in response.headers.multi_items() if not k.lower().startswith("x-arc-")]
    return response.status_code, fields, await settled(response.parse()), response.retries_taken


async def raw_lines(manager: Any) -> Any:
    if hasattr(manager, "__aenter__"):
        async with manager as response:
            return response.status_code, [line async for line in response.iter_lines()]
    with manager as response:
        return response.status_code, list(response.iter_lines())


async def twice(call: Callable[[], Any]) -> Any:
    return [await settled(call()), await settled(call())]


@dataclass(frozen=True, slots=True)
class Case:
    script: Script
    act: Callable[[Any], Any]
    attempts: int = 1
    options: tuple[tuple[str, Any], ...] = ()


def ask(client: Any) -> Any:
    return client.chat.completions.create(**MODEL)


def stream(client: Any) -> Any:
    return client.chat.completions.create(**MODEL, stream=True, stream_options={"include_usage": True})


CHAT_OK = says(Chat().reply(turn()))

OPENAI = {
    "a chat": Case([CHAT_OK], ask),
    "a chat with a tool": Case(
        [says(Chat().reply(turn(tool="look")))],
        lambda c: c.chat.completions.create(**MODEL, tools=CHAT_TOOLS),
    ),
    "a streamed chat": Case([streams(CHAT)], lambda c: collect(stream(c))),
    "a streamed chat with a tool, by the helper": Case(
        [streams(CHAT_TOOL)],
        lambda c: until_final(c.chat.completions.stream(**MODEL, tools=CHAT_TOOLS), "get_final_completion"),
    ),
    "a stream in pieces that cut events and characters": Case(
        [streams([b"".join(CHAT)[start : start + 7] for start in range(0, len(b"".join(CHAT)), 7)])],
        lambda c: collect(stream(c)),
    ),
    "a response": Case(
        [says(Responses().reply(turn()))], lambda c: c.responses.create(model="gpt-5", input="hi")
    ),
    "a streamed response": Case(
        [streams(RESPONSE)],
        lambda c: until_final(c.responses.stream(model="gpt-5", input="hi"), "get_final_response"),
    ),
    "embeddings": Case(
        [says(EMBEDDED)], lambda c: c.embeddings.create(model="text-embedding-3-small", input=["a"])
    ),
    "a list of models": Case([says(MODELS)], lambda c: collect(c.models.list())),
    "a raw response": Case([CHAT_OK], lambda c: raw(c.chat.completions.with_raw_response.create(**MODEL))),
    "the lines of a stream": Case(
        [streams(CHAT)],
        lambda c: raw_lines(c.chat.completions.with_streaming_response.create(**MODEL, stream=True)),
    ),
    "two calls on one connection": Case([CHAT_OK, CHAT_OK], lambda c: twice(lambda: ask(c)), attempts=2),
    "a stream that the program closes early": Case(
        [(*streams(CHAT)[:8], LEFT)], lambda c: take_two_and_close(stream(c))
    ),
    "a gzipped answer": Case(
        [
            (
                BODY,
                reply(
                    gzip.compress(json.dumps(Chat().reply(turn())).encode(), mtime=0),
                    *IDS,
                    ("content-encoding", "gzip"),
                ),
            )
        ],
        ask,
    ),
    "a prompt of two megabytes": Case(
        [CHAT_OK],
        lambda c: c.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "long é " * 250_000}]
        ),
    ),
    "a file": Case(
        [
            says(
                {
                    "id": "file-1",
                    "object": "file",
                    "bytes": 3,
                    "created_at": 1,
                    "filename": "a.txt",
                    "purpose": "batch",
                    "status": "processed",
                }
            )
        ],
        lambda c: c.files.create(
            file=("a.txt", b"abc"),
            purpose="batch",
            extra_headers={"content-type": "multipart/form-data; boundary=the-same-each-time"},
        ),
    ),
    "429, then an answer": Case([fails("429 Too Many Requests", RETRY_SOON), CHAT_OK], ask, attempts=2),
    "429 for good": Case([fails("429 Too Many Requests", RETRY_SOON)], ask, attempts=3),
    "429 with retry-after in seconds": Case(
        [fails("429 Too Many Requests", ("retry-after", "0.01")), CHAT_OK], ask, attempts=2
    ),
    "500, 503, then an answer": Case(
        [fails("500 Internal Server Error"), fails("503 Service Unavailable"), CHAT_OK], ask, attempts=3
    ),
    "500 for good": Case([fails("500 Internal Server Error")], ask, attempts=3),
    "500 that must not be tried again": Case(
        [fails("500 Internal Server Error", ("x-should-retry", "false"))], ask
    ),
    "400 that may be tried again": Case(
        [fails("400 Bad Request", ("x-should-retry", "true")), CHAT_OK], ask, attempts=2
    ),
    "502 with a page of HTML": Case(
        [(BODY, reply(b"<html>Bad gateway</html>", status="502 Bad Gateway"))], ask, attempts=3
    ),
    "an error in the middle of a stream": Case(
        [streams([*CHAT[:2], b'data: {"error":{"message":"Boom","type":"server_error","code":null}}\n\n'])],
        lambda c: collect(stream(c)),
    ),
    "no answer in time": Case([(BODY, LEFT)], ask, attempts=2, options=IMPATIENT),
    "silence in the middle of a stream": Case(
        [(*streams(CHAT)[:8], LEFT)], lambda c: collect(stream(c)), options=IMPATIENT
    ),
    "a body that ends too early": Case([(BODY, reply(b"{" + b" " * 500)[:-100], HANG_UP)], ask, attempts=3),
    "a stream that breaks off": Case([streams(CHAT[:4], HANG_UP)], lambda c: collect(stream(c))),
    "a stream that is reset": Case([streams(CHAT[:4], Pause(0.05), RESET)], lambda c: collect(stream(c))),
    "a connection that is closed without an answer": Case([(BODY, HANG_UP)], ask, attempts=3),
    "a connection that is reset without an answer": Case([(BODY, RESET)], ask, attempts=3),
    "a body that is no JSON": Case([(BODY, reply(b"not json", *IDS))], ask),
}
# What a status means is decided in one place of each SDK, so once is enough for these.
STATUSES = {
    status: Case([fails(status)], ask, attempts=3 if status[:3] in ("408", "409") else 1)
    for status in (
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "408 Request Timeout",
        "409 Conflict",
        "413 Payload Too Large",
        "422 Unprocessable Entity",
    )
}


def tell(client: Any) -> Any:
    return client.messages.create(**CLAUDE)


def tell_streamed(client: Any) -> Any:
    return client.messages.create(**CLAUDE, stream=True)


MESSAGE_OK = says(Messages().reply(turn()))

ANTHROPIC = {
    "a message": Case([MESSAGE_OK], tell),
    "a message with a tool": Case(
        [says(Messages().reply(turn(tool="look")))],
        lambda c: c.messages.create(**CLAUDE, tools=CLAUDE_TOOLS),
    ),
    "a streamed message": Case([streams(MESSAGE)], lambda c: collect(tell_streamed(c))),
    "a streamed message with a tool, by the helper": Case(
        [streams(MESSAGE_TOOL)],
        lambda c: until_final(c.messages.stream(**CLAUDE, tools=CLAUDE_TOOLS), "get_final_message"),
    ),
    "a count of tokens": Case(
        [says({"input_tokens": 7})],
        lambda c: c.messages.count_tokens(model="claude-haiku-4-5", messages=ASKED),
    ),
    "a list of models": Case([says(CLAUDE_MODELS)], lambda c: collect(c.models.list())),
    "a raw response": Case([MESSAGE_OK], lambda c: raw(c.messages.with_raw_response.create(**CLAUDE))),
    "beta headers": Case(
        [MESSAGE_OK],
        lambda c: c.beta.messages.create(**CLAUDE, betas=["context-1m-2025-08-07", "files-api-2025-04-14"]),
    ),
    "a stream that the program closes early": Case(
        [(*streams(MESSAGE)[:12], LEFT)], lambda c: take_two_and_close(tell_streamed(c))
    ),
    "429, then an answer": Case([fails("429 Too Many Requests", RETRY_SOON), MESSAGE_OK], tell, attempts=2),
    "529 for good": Case([fails("529 Overloaded", kind="overloaded_error")], tell, attempts=3),
    "500 that must not be tried again": Case(
        [fails("500 Internal Server Error", ("x-should-retry", "false"))], tell
    ),
    "an error in the middle of a stream": Case(
        [streams([*MESSAGE[:4], *OVERLOADED])], lambda c: collect(tell_streamed(c))
    ),
    "no answer in time": Case([(BODY, LEFT)], tell, attempts=2, options=IMPATIENT),
    "a stream that breaks off": Case([streams(MESSAGE[:6], HANG_UP)], lambda c: collect(tell_streamed(c))),
    "400 Bad Request": Case([fails("400 Bad Request", kind="invalid_request_error")], tell),
    "401 Unauthorized": Case([fails("401 Unauthorized", kind="authentication_error")], tell),
    "404 Not Found": Case([fails("404 Not Found", kind="not_found_error")], tell),
    "413 Payload Too Large": Case([fails("413 Payload Too Large", kind="request_too_large")], tell),
}

CLIENTS: dict[tuple[str, str], Any] = {
    ("openai", "sync"): openai.OpenAI,
    ("openai", "async"): openai.AsyncOpenAI,
    ("anthropic", "sync"): anthropic.Anthropic,
    ("anthropic", "async"): anthropic.AsyncAnthropic,
}
PLAYED = {
    f"{sdk}, {kind}: {name}": (sdk, kind, case)
    for sdk, cases in (("openai", OPENAI), ("anthropic", ANTHROPIC))
    for kind in ("sync", "async")
    for name, case in cases.items()
}
PLAYED |= {f"openai, sync: {name}": ("openai", "sync", case) for name, case in STATUSES.items()}


def told(value: Any) -> Any:
    """A result or an exception, as plain values that can be compared."""
    if isinstance(value, openai.APIStatusError | anthropic.APIStatusError):
        fields = [item for item in value.response.headers.multi_items() if not item[0].startswith("x-arc-")]
        return type(value), value.status_code, str(value), value.body, value.request_id, fields
    if isinstance(value, Exception):
        return type(value), str(value), type(value.__cause__), getattr(value, "body", None)
    if isinstance(value, list | tuple):
        return [told(each) for each in value]
    return value.model_dump(warnings=False) if hasattr(value, "model_dump") else value


def play(scene: Any, sdk: str, kind: str, case: Case, way: str) -> Any:
    scene.play(case.script)
    client = CLIENTS[sdk, kind](api_key="sk-none", base_url=scene.urls[sdk, way], **dict(case.options))

    async def act() -> Any:
        try:
            return await settled(case.act(client))
        except Exception as error:  # noqa: BLE001  what is compared
            return error
        finally:
            await settled(client.close())

    outcome = asyncio.run(act())
    assert scene.is_left()
    return told(outcome), scene.seen()


@pytest.mark.parametrize(("sdk", "kind", "case"), PLAYED.values(), ids=PLAYED)
def test_through_the_proxy_it_is_as_directly(scene, sdk, kind, case):
    result, seen = play(scene, sdk, kind, case, "direct")
    proxied_result, proxied_seen = play(scene, sdk, kind, case, "proxied")

    assert len(seen) == case.attempts
    assert proxied_result == result
    assert proxied_seen == seen
