from __future__ import annotations

import base64
import gzip
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import CallError, Kind, Reply, ToolCall
from arc_proxy.wire.exchange import DIALECTS, HttpExchange, Reading, read_exchange
from arc_proxy.wire.sse import SseDecoder
from arc_proxy.wire.stream import StreamEvent

CHAT = "https://api.openai.com/v1/chat/completions"
RESPONSES = "https://api.openai.com/v1/responses"
MESSAGES = "https://api.anthropic.com/v1/messages"
EMBEDDINGS = "https://api.openai.com/v1/embeddings"
ELSEWHERE = "https://llm.example/v3/speak"
URLS = [CHAT, RESPONSES, MESSAGES, EMBEDDINGS, ELSEWHERE]

JSON = (("Content-Type", "application/json"),)
SSE = (("Content-Type", "text/event-stream; charset=utf-8"),)
GZIP = (("Content-Encoding", "gzip"),)

HELLO = orjson.dumps({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
HELLO_STREAM = (
    b'data: {"choices":[{"index":0,"delta":{"content":"H"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"i"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def read(url: str = CHAT, request: Any = b"", response: bytes = b"", **said: Any) -> Reading:
    body = request if isinstance(request, bytes) else orjson.dumps(request)
    status = said.pop("status", 200)
    return read_exchange(
        HttpExchange(
            method=said.pop("method", "POST"),
            url=url,
            request_body=body,
            status=status,
            response_body=response,
            **said,
        )
    )


def test_reads_a_whole_exchange() -> None:
    request = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    reading = read(CHAT, request, HELLO, upstream="openai", response_headers=JSON)
    assert (reading.provider, reading.dialect, reading.endpoint) == (
        "openai",
        "openai.chat",
        "chat.completions",
    )
    assert reading.kind is Kind.GENERATION
    assert reading.prompt.messages == (b'{"content":"Hello","role":"user"}',)
    assert reading.reply.output_text == "Hi"
    assert reading.notes == ()


FRAMES = {
    "a plain body": (HELLO, JSON),
    "a plain body, zipped": (gzip.compress(HELLO), JSON + GZIP),
    "a plain body without a content type": (HELLO, ()),
    "a plain body that is called a stream": (HELLO, SSE),
    "a plain body behind empty lines": (b"\n \r\n" * 100 + HELLO, JSON),
    "a stream": (HELLO_STREAM, SSE),
    "a stream, zipped": (gzip.compress(HELLO_STREAM), SSE + GZIP),
    "a stream without a content type": (HELLO_STREAM, ()),
    "a stream that is called JSON": (HELLO_STREAM, JSON),
    "a stream behind empty lines": (b"\n\n\n\n" + HELLO_STREAM, SSE),
    "a stream behind a comment": (b": OPENROUTER PROCESSING\n\n" + HELLO_STREAM, ()),
    "a stream that begins with a field nobody knows": (b"colour: red\n" + HELLO_STREAM, SSE),
    "a stream with a byte order mark": (b"\xef\xbb\xbf" + HELLO_STREAM, ()),
    "a stream without its last empty line": (HELLO_STREAM[:-2], SSE),
}


@pytest.mark.parametrize(("body", "headers"), FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("stream", [True, False], ids=["asked for a stream", "asked for none"])
def test_reads(body: bytes, headers: Any, stream: bool) -> None:
    reading = read(CHAT, {"model": "m", "stream": stream}, body, response_headers=headers)
    assert (reading.reply.output_text, reading.reply.finish_reason) == ("Hi", "stop")
    assert reading.reply.finished
    assert reading.prompt.stream is stream


REFUSALS = {
    "of JSON where a stream was asked for": (
        400,
        orjson.dumps({"error": {"type": "invalid_request_error", "message": "no"}}),
        (),
        CallError(type="invalid_request_error", message="no"),
    ),
    "inside a stream": (
        429,
        b'data: {"error": {"type": "rate_limit", "message": "later"}}\n\n',
        SSE,
        CallError(type="rate_limit", message="later"),
    ),
    "as a page": (503, b"upstream connect error", (), CallError(type=None, message="upstream connect error")),
    "without a body": (500, b"", (), CallError(type=None, message=None)),
    "in a header": (
        400,
        b'{"message": "no"}',
        (("x-amzn-errortype", "ValidationException:"),),
        CallError(type="ValidationException", message="no"),
    ),
    "in a list": (
        404,
        b'[{"error": {"status": "NOT_FOUND", "message": "no"}}]',
        (),
        CallError(type="NOT_FOUND", message="no"),
    ),
    "by a number": (400, b"7", (), CallError(type=None, message="7")),
    "with nothing that says why": (418, b"{}", (), CallError(type=None, message=None)),
}


@pytest.mark.parametrize(("status", "body", "headers", "error"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("url", URLS)
def test_a_refusal(url: str, status: int, body: bytes, headers: Any, error: CallError) -> None:
    reading = read(url, {"stream": True}, body, status=status, response_headers=headers)
    assert reading.reply.error == error


def test_no_response_is_an_empty_reply() -> None:
    assert read(CHAT, {"model": "m"}, status=None).reply == Reply()


def test_a_cut_stream_is_not_finished_even_if_it_had_a_reason_to() -> None:
    cut = HELLO_STREAM[: HELLO_STREAM.index(b"data: [DONE]")]
    assert not read(CHAT, b"", cut, response_whole=False).reply.finished


def test_a_provider_that_never_sends_the_end_is_taken_by_its_framing() -> None:
    cut = HELLO_STREAM[: HELLO_STREAM.index(b"data: [DONE]")]
    assert read("https://api.perplexity.ai/chat/completions", b"", cut).reply.finished


def test_a_stream_that_ends_cleanly_in_the_middle_is_not_finished() -> None:
    cut = HELLO_STREAM[: HELLO_STREAM.index(b"\n\n") + 2]
    reply = read(CHAT, b"", cut).reply
    assert (reply.output_text, reply.finished) == ("H", False)


def test_a_cut_body_is_not_finished_and_a_note_says_so() -> None:
    reading = read(CHAT, b"", HELLO[:-10], response_whole=False)
    assert not reading.reply.finished
    assert reading.notes[0].startswith("response: cut")


def test_a_cut_zipped_stream_yields_what_did_arrive() -> None:
    noise = b"".join(b": %d\n" % (i * i) for i in range(9000))
    body = gzip.compress(HELLO_STREAM[: HELLO_STREAM.index(b"data: [DONE]")] + noise)[:-2000]
    reading = read(CHAT, b"", body, response_headers=GZIP, response_whole=False)
    assert reading.reply.output_text == "Hi"
    assert reading.notes == ("response: gzip: the body is cut",)


def test_what_no_dialect_knows_is_still_a_call() -> None:
    reading = read(ELSEWHERE, b"\x00\x01", b"\x89PNG", response_headers=(("content-type", "image/png"),))
    assert (reading.provider, reading.dialect, reading.endpoint) == ("other", "unknown", "other")
    assert reading.reply.finished
    assert len(reading.notes) == 2


def test_an_unknown_dialect_gives_usage_and_model_all_the_same() -> None:
    reading = read(ELSEWHERE, {"model": "m"}, b'{"model": "m-1", "usage": {"tokens": 3}}')
    assert (reading.reply.model, reading.reply.usage) == ("m-1", {"tokens": 3})


def test_the_model_is_taken_from_the_path_where_the_body_names_none() -> None:
    url = "https://mine.openai.azure.com/openai/deployments/my%2Dgpt/chat/completions?api-version=1"
    assert read(url, {"messages": []}).prompt.model == "my-gpt"
    assert read(url, {"messages": [], "model": "gpt"}).prompt.model == "gpt"


TARGETS = {
    "a query": ("https://api.anthropic.com/v1/messages?beta=true", "anthropic", "messages"),
    "a user in front of the host": ("https://me:cut@api.openai.com/v1/responses", "openai", "responses"),
    "a port": ("http://localhost:11434/v1/chat/completions", "ollama", "chat.completions"),
    "only a target": ("/v1/messages", "anthropic", "messages"),
    "a target that holds a URL": ("/fetch/http://api.openai.com/v1/messages", "anthropic", "messages"),
    "nothing": ("", "other", "other"),
}


@pytest.mark.parametrize(("url", "provider", "endpoint"), TARGETS.values(), ids=TARGETS)
def test_finds_its_way_by(url: str, provider: str, endpoint: str) -> None:
    reading = read(url)
    assert (reading.provider, reading.endpoint) == (provider, endpoint)


def test_a_probe_is_auxiliary() -> None:
    reading = read("https://api.anthropic.com/", method="HEAD")
    assert (reading.kind, reading.reply.finished, reading.notes) == (Kind.AUXILIARY, True, ())


def test_images_are_stubbed_alike_in_reply_and_next_request() -> None:
    image = base64.b64encode(b"\x89PNG" + bytes(9000)).decode()
    item = {"type": "image_generation_call", "id": "ig_1", "result": image}
    reply = read(RESPONSES, b"", orjson.dumps({"status": "completed", "output": [item]})).reply
    messages = read(RESPONSES, {"input": [item]}).prompt.messages
    assert reply.message == b"[" + messages[0] + b"]"
    assert len(messages[0]) < 300


def test_a_credential_in_the_body_goes_no_further() -> None:
    request = {
        "model": "m",
        "mcp_servers": [{"url": "u", "authorization_token": "canary-1"}],
        "tools": [{"type": "mcp", "authorization": "canary-2"}],
        "messages": [{"role": "user", "content": "Hi"}],
    }
    prompt = read(MESSAGES, request).prompt
    assert "canary" not in repr(prompt)
    assert prompt.parameters["mcp_servers"][0]["authorization_token"] == "cut"


TOWERS = {
    "too deep to read": b"[" * 2000 + b"]" * 2000,
    "too deep to write": b"[" * 500 + b"]" * 500,
    "too deep to search": b'{"api_key":"k","a":' * 900 + b"1" + b"}" * 900,
}


@pytest.mark.parametrize("tower", TOWERS.values(), ids=TOWERS)
@pytest.mark.parametrize("url", URLS)
def test_a_tower_of_brackets_costs_the_body_and_not_the_call(url: str, tower: bytes) -> None:
    request = b'{"model":"m","messages":[%b],"input":[%b],"tools":%b}' % (tower, tower, tower)
    response = b'{"output":[%b],"content":[{"type":"tool_use","input":%b}],"error":{"message":%b}}' % (
        tower,
        tower,
        tower,
    )
    reading = read(url, request, response, status=500)
    assert reading.notes
    assert reading.reply.error is not None


def test_no_note_repeats_the_body() -> None:
    reading = read(CHAT, b'{"secret" "prompt"}', b"<html>secret</html>")
    assert not any("secret" in note for note in reading.notes)


STREAMS = {
    CHAT: [
        {
            "id": "c",
            "model": "m",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Grüße"}}],
        },
        {"choices": [{"index": 0, "delta": {"content": " \U0001f600"}}]},
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "tool_calls": [{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{"}}]
                    },
                }
            ]
        },
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": {"prompt_tokens": 1}},
    ],
    MESSAGES: [
        {"type": "message_start", "message": {"id": "m", "model": "c", "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " \U0001f600"}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "name": "f", "id": "t"},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "{"},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": "}"},
        },
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ],
    RESPONSES: [
        {"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Grüße"},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": " \U0001f600"},
        {
            "type": "response.output_item.added",
            "output_index": 1,
            "item": {"type": "function_call", "call_id": "t", "name": "f", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{"},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "}"},
        {
            "type": "response.completed",
            "response": {"id": "r", "status": "completed", "usage": {"input_tokens": 2}},
        },
    ],
    ELSEWHERE: [{"model": "m"}, {"usage": {"a": 1}}, {"usage": {"a": 2}}],
}


def bytes_of(url: str, newline: bytes = b"\n") -> bytes:
    lines = []
    for document in STREAMS[url]:
        if "type" in document:
            lines.append(b"event: " + document["type"].encode())
        lines += [b"data: " + orjson.dumps(document), b""]
    if url in {CHAT, ELSEWHERE}:
        lines += [b"data: [DONE]", b""]
    return newline.join(lines) + newline


@pytest.mark.parametrize("url", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_a_stream_in_every_dialect(url: str, newline: bytes) -> None:
    reply = read(url, b"", bytes_of(url, newline)).reply
    assert reply.output_text == "Grüße \U0001f600"
    assert reply.tool_calls == (ToolCall(id="t", name="f", arguments="{}"),)
    assert reply.finished
    assert reply.usage


@given(
    st.sampled_from(list(STREAMS)),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(1, 60), max_size=60),
)
def test_any_chunking_of_the_bytes_gives_the_same_reply(url: str, newline: bytes, sizes: list[int]) -> None:
    body = bytes_of(url, newline)
    decoder = SseDecoder()
    events: list[StreamEvent] = []
    start = 0
    for size in [*sizes, len(body)]:
        events += decoder.feed(body[start : start + size])
        start += size
    events += decoder.close()
    reading = read(url, b"", body)
    assert DIALECTS[reading.dialect].read_stream(iter(events)) == reading.reply


@given(st.sampled_from([CHAT, MESSAGES, RESPONSES]), st.integers(min_value=0))
def test_a_stream_cut_at_any_byte_yields_a_beginning(url: str, cut_at: int) -> None:
    body = bytes_of(url)
    cut_at %= len(body)
    whole = read(url, b"", body).reply
    cut = read(url, b"", body[:cut_at], response_whole=False).reply
    assert (whole.output_text or "").startswith(cut.output_text or "")
    for call, whole_call in zip(cut.tool_calls, whole.tool_calls, strict=False):
        assert whole_call.arguments.startswith(call.arguments)
    if cut.finished:
        assert cut == whole


methods = st.sampled_from(["GET", "POST", "HEAD", "", "PATCH"])
statuses = st.none() | st.sampled_from([200, 204, 400, 429, 500, 0, 999])
codings = st.sampled_from(["", "gzip", "br", "zstd", "deflate", "identity", "x"])


@given(
    st.sampled_from(URLS) | st.text(max_size=20),
    methods,
    statuses,
    codings,
    st.binary(),
    st.binary(),
    st.booleans(),
)
def test_no_bytes_raise(
    url: str, method: str, status: int | None, coding: str, request: bytes, response: bytes, whole: bool
) -> None:
    headers = (("content-encoding", coding),)
    read_exchange(
        HttpExchange(
            method=method,
            url=url,
            request_headers=headers,
            request_body=request,
            status=status,
            response_headers=headers,
            response_body=response,
            response_whole=whole,
        )
    )


# Every field that a reader looks at, with every kind of value in it.
FIELDS = [
    *(
        "model",
        "id",
        "stream",
        "messages",
        "tools",
        "functions",
        "system",
        "input",
        "instructions",
        "choices",
    ),
    *(
        "message",
        "delta",
        "content",
        "text",
        "type",
        "index",
        "role",
        "tool_calls",
        "function_call",
        "function",
    ),
    *(
        "name",
        "arguments",
        "custom",
        "usage",
        "x_groq",
        "error",
        "code",
        "status",
        "finish_reason",
        "stop_reason",
    ),
    *(
        "output",
        "item",
        "response",
        "output_index",
        "content_index",
        "content_block",
        "partial_json",
        "citation",
    ),
    *(
        "citations",
        "audio",
        "transcript",
        "reasoning_details",
        "executed_tools",
        "incomplete_details",
        "reason",
    ),
    *("call_id", "refusal", "api_key", "data", "service_tier", "detail", "summary"),
]
WORDS = [
    *(
        "text",
        "tool_use",
        "server_tool_use",
        "message",
        "function_call",
        "web_search_call",
        "output_text",
        "error",
    ),
    *("message_start", "message_delta", "content_block_start", "content_block_delta", "message_stop"),
    *("text_delta", "input_json_delta", "citations_delta", "thinking_delta", "response.output_text.delta"),
    *("response.output_item.added", "response.output_item.done", "response.completed", "response.created"),
    *("response.function_call_arguments.delta", "response.custom_tool_call_input.delta", "incomplete", ""),
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=25,
)
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)


@given(st.sampled_from(URLS), objects, objects, st.sampled_from([200, 400]))
def test_no_json_raises(url: str, request: dict[str, Any], response: dict[str, Any], status: int) -> None:
    reading = read(url, request, orjson.dumps(response), status=status)
    assert (reading.reply.error is not None) or status < 400


@given(st.sampled_from(URLS), st.lists(objects | values, max_size=8))
def test_no_stream_of_json_raises(url: str, documents: list[Any]) -> None:
    body = b"".join(b"data: " + orjson.dumps(document) + b"\n\n" for document in documents)
    reading = read(url, b"", body)
    assert reading.reply.events == len(documents)
    if reading.reply.message is not None:
        orjson.loads(reading.reply.message)


@given(
    st.lists(objects, max_size=4), st.lists(objects, max_size=4), st.sampled_from([CHAT, RESPONSES, MESSAGES])
)
def test_two_requests_share_a_prefix_exactly_when_their_messages_do(first: Any, more: Any, url: str) -> None:
    field = "input" if url == RESPONSES else "messages"
    shorter = read(url, {field: first}).prompt.messages
    longer = read(url, {field: first + more}).prompt.messages
    assert longer[: len(shorter)] == shorter
    assert len(longer) == len(first + more)
