"""From an exchange to a call: how it ended, what it used, what it cost, whose it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_proxy.call import Call, Captured, Kind
from arc_proxy.ingest.assemble import Exchange
from arc_proxy.ingest.normalise import normalise
from arc_proxy.journal.head import End, RequestHead, ResponseHead
from arc_proxy.journal.record import Ended, id_text, make_exchange_id
from pricing.book import PriceBook, load_book
from pricing.cost import CostGrade
from pricing.usage import UsageGrade

STARTED_NS = 1_790_000_000_000_000_000
ASKED = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}).encode()
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
TOLD = json.dumps(ANSWER).encode()
CHUNK = {"id": "c", "model": "gpt-4o-mini", "choices": [{"index": 0, "delta": {"content": "Hel"}}]}
LAST = CHUNK | {"choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]}
FULL_STREAM = b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in (CHUNK, LAST, ANSWER))
DONE = b"data: [DONE]\n\n"
MESSAGE_START = (
    b"data: "
    + json.dumps(
        {
            "type": "message_start",
            "message": {
                "id": "msg",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-4-5",
                "content": [],
                "usage": {"input_tokens": 1000, "output_tokens": 1},
            },
        }
    ).encode()
    + b"\n\n"
)
SEARCHED = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5",
    "output": [
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "ferns"}},
        {
            "type": "web_search_call",
            "id": "ws_2",
            "action": {"type": "open_page", "url": "https://a.example"},
        },
    ],
    "usage": {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
}
ERROR = json.dumps({"error": {"type": "rate_limit_error", "message": "slow down"}}).encode()
SSE = ((b"content-type", b"text/event-stream"),)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_book()


def request(**changes: object) -> RequestHead:
    plain = RequestHead(
        upstream="openai",
        url="https://api.openai.com/v1/chat/completions",
        connection=1,
        method=b"POST",
        target=b"/openai/v1/chat/completions",
        version=b"HTTP/1.1",
        headers=((b"content-type", b"application/json"),),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def response(
    status: int = 200, origin: str = "upstream", headers: tuple[tuple[bytes, bytes], ...] = ()
) -> ResponseHead:
    return ResponseHead(origin=origin, status=status, reason=b"", version=b"HTTP/1.1", headers=headers)


def exchange(**changes: object) -> Exchange:
    plain = Exchange(
        exchange_id=make_exchange_id(STARTED_NS // 1_000_000, 7, 1),
        writer="00000007",
        first=(1, 0),
        after=(1, 9),
        started_ns=STARTED_NS,
        request=request(),
        request_body=ASKED,
        response=response(),
        response_body=TOLD,
        first_byte_ns=1_000_000,
        duration_ns=2_000_000,
        end=End(ended=Ended.COMPLETE),
        closed=True,
        spilled=False,
        captured=Captured.FULL,
        unsecured=False,
        request_bytes=len(ASKED),
        response_bytes=len(TOLD),
        chunk_times=(),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def call(book: PriceBook, **changes: object) -> Call:
    return normalise(exchange(**changes), book).call


def test_a_call_has_all_that_the_exchange_says(book: PriceBook) -> None:
    headers = ((b"X-Request-Id", b"req_1"),)
    read = call(book, response=response(headers=headers))
    assert read.call_id == id_text(exchange().exchange_id)
    assert (read.provider, read.dialect, read.endpoint) == ("openai", "openai.chat", "chat.completions")
    assert (read.kind, read.status, read.ended, read.captured) == (
        Kind.GENERATION,
        200,
        Ended.COMPLETE,
        Captured.FULL,
    )
    assert (read.prompt.model, read.reply.model) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (read.reply.output_text, read.reply.finish_reason) == ("Hello", "stop")
    assert (read.usage.input_tokens, read.usage.output_tokens, read.usage_grade) == (
        1000,
        100,
        UsageGrade.REPORTED,
    )
    assert (read.cost.grade, read.cost.nanousd) == (CostGrade.COMPUTED, 210_000)
    assert (read.target, read.url) == (
        "/openai/v1/chat/completions",
        "https://api.openai.com/v1/chat/completions",
    )
    assert read.request_id == "req_1"
    assert read.grouping.run_id == f"r-{read.call_id}"


ENDS: dict[str, tuple[dict[str, object], Ended, UsageGrade]] = {
    "whole": ({}, Ended.COMPLETE, UsageGrade.REPORTED),
    "a whole stream": (
        {"response_body": FULL_STREAM + DONE},
        Ended.COMPLETE,
        UsageGrade.REPORTED,
    ),
    "the client left after the stream's own end": (
        {"response_body": FULL_STREAM + DONE, "end": End(ended=Ended.CLIENT_CLOSED)},
        Ended.COMPLETE,
        UsageGrade.REPORTED,
    ),
    "the client left in the middle": (
        {"response_body": FULL_STREAM[:150], "end": End(ended=Ended.CLIENT_CLOSED)},
        Ended.CLIENT_CLOSED,
        UsageGrade.NONE,
    ),
    "the upstream broke off in the middle": (
        {"response_body": FULL_STREAM[:150], "end": End(ended=Ended.TRUNCATED)},
        Ended.TRUNCATED,
        UsageGrade.NONE,
    ),
    "the framing ended well and the stream did not": (
        {"response_body": b"data: " + json.dumps(CHUNK).encode() + b"\n\n"},
        Ended.TRUNCATED,
        UsageGrade.NONE,
    ),
    "an Anthropic stream that broke off had counted its input": (
        {
            "request": request(upstream="anthropic", url="https://api.anthropic.com/v1/messages"),
            "response_body": MESSAGE_START,
            "response": response(headers=SSE),
            "end": End(ended=Ended.TRUNCATED),
        },
        Ended.TRUNCATED,
        UsageGrade.PARTIAL,
    ),
    "the gateway died after the last byte": (
        {"end": End(ended=Ended.INTERRUPTED)},
        Ended.COMPLETE,
        UsageGrade.REPORTED,
    ),
    "the gateway died in the middle": (
        {"response_body": TOLD[:40], "end": End(ended=Ended.INTERRUPTED)},
        Ended.INTERRUPTED,
        UsageGrade.NONE,
    ),
    "it is still open": (
        {
            "response_body": FULL_STREAM,
            "end": End(ended=Ended.INTERRUPTED),
            "closed": False,
            "duration_ns": None,
        },
        Ended.INTERRUPTED,
        UsageGrade.PARTIAL,
    ),
    "a piece of the stream was not captured": (
        {"response_body": FULL_STREAM[:150], "captured": Captured.HEAD},
        Ended.COMPLETE,
        UsageGrade.NONE,
    ),
    "the upstream was not there": (
        {"response": None, "response_body": b"", "end": End(ended=Ended.UPSTREAM_ERROR, detail="refused")},
        Ended.UPSTREAM_ERROR,
        UsageGrade.NONE,
    ),
    "we refused it": (
        {
            "request": request(url=None, upstream=None),
            "response": response(404, "proxy"),
            "response_body": ERROR,
            "end": End(ended=Ended.REFUSED),
        },
        Ended.REFUSED,
        UsageGrade.NONE,
    ),
    "the provider refused it": (
        {"response": response(429), "response_body": ERROR},
        Ended.COMPLETE,
        UsageGrade.NONE,
    ),
}


@pytest.mark.parametrize(("changes", "ended", "grade"), ENDS.values(), ids=ENDS)
def test_how_it_ended(book: PriceBook, changes: dict[str, object], ended: Ended, grade: UsageGrade) -> None:
    read = call(book, **changes)
    assert (read.ended, read.usage_grade) == (ended, grade)


COSTS: dict[str, tuple[dict[str, object], int | None, CostGrade]] = {
    "priced": ({}, 210_000, CostGrade.COMPUTED),
    "an error without usage is not billed": (
        {"response": response(429), "response_body": ERROR},
        0,
        CostGrade.COMPUTED,
    ),
    "an error with usage is": (
        {"response": response(500), "response_body": json.dumps(ANSWER | {"error": {"type": "x"}}).encode()},
        210_000,
        CostGrade.COMPUTED,
    ),
    "an upstream that broke off before it answered may bill": (
        {"response": None, "response_body": b"", "end": End(ended=Ended.UPSTREAM_ERROR)},
        None,
        CostGrade.UNKNOWN,
    ),
    "an answer with all counts zero is not free": (
        {
            "response_body": json.dumps(
                ANSWER | {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}
            ).encode()
        },
        None,
        CostGrade.UNKNOWN,
    ),
    "our own answer is not billed": (
        {"response": response(502, "proxy"), "response_body": ERROR, "end": End(ended=Ended.UPSTREAM_ERROR)},
        0,
        CostGrade.COMPUTED,
    ),
    "an auxiliary call is not billed": (
        {
            "request": request(method=b"GET", url="https://api.openai.com/v1/models"),
            "response_body": b'{"data":[]}',
        },
        0,
        CostGrade.COMPUTED,
    ),
    "OpenAI's moderation is free": (
        {
            "request": request(url="https://api.openai.com/v1/moderations"),
            "response_body": b'{"model":"omni-moderation-latest","results":[]}',
        },
        0,
        CostGrade.COMPUTED,
    ),
    "a client that left before the answer may be billed": (
        {"response": None, "response_body": b"", "end": End(ended=Ended.CLIENT_CLOSED)},
        None,
        CostGrade.UNKNOWN,
    ),
    "a model without a price is never free": (
        {
            "response_body": json.dumps(ANSWER | {"model": "acme-1"}).encode(),
            "request_body": b'{"model":"acme-1"}',
        },
        None,
        CostGrade.UNKNOWN,
    ),
    "a search of the provider's own is billed beside the tokens, opening a page is not": (
        {
            "request": request(url="https://api.openai.com/v1/responses"),
            "response_body": json.dumps(SEARCHED).encode(),
        },
        12_250_000,
        CostGrade.COMPUTED,
    ),
    "one that the export has no word for is priced all the same": (
        {
            "request": request(upstream="cerebras", url="https://api.cerebras.ai/v1/chat/completions"),
            "response_body": json.dumps(ANSWER | {"model": "gpt-oss-120b"}).encode(),
        },
        425_000,
        CostGrade.COMPUTED,
    ),
    "ChatGPT's own back end is paid by a plan, wherever it is moved to": (
        {
            "request": request(
                upstream="chatgpt",
                target=b"/chatgpt/backend-api/codex/chat/completions",
                url="http://127.0.0.1:4010/backend-api/codex/chat/completions",
            )
        },
        210_000,
        CostGrade.API_EQUIVALENT,
    ),
    "a plan's traffic is what it would have cost": (
        {"request": request(headers=((b"anthropic-beta", b"claude-code-20250219,oauth-2025-04-20"),))},
        210_000,
        CostGrade.API_EQUIVALENT,
    ),
}


@pytest.mark.parametrize(("changes", "nanousd", "grade"), COSTS.values(), ids=COSTS)
def test_what_it_cost(
    book: PriceBook, changes: dict[str, object], nanousd: int | None, grade: CostGrade
) -> None:
    cost = call(book, **changes).cost
    assert (cost.nanousd, cost.grade) == (nanousd, grade)


def test_prefixes_group_a_call_that_went_through_the_proxy(book: PriceBook) -> None:
    read = call(book, request=request(target=b"/run/7/agent/fin/openai/v1/chat/completions"))
    assert (read.grouping.run_id, read.grouping.agent, read.grouping.rule) == ("7", "fin", "prefix")


def test_a_path_that_was_sent_on_as_it_stands_has_no_prefix(book: PriceBook) -> None:
    url = "https://agents.example.com/agent/7/v1/chat/completions"
    read = call(book, request=request(target=b"/agent/7/v1/chat/completions", url=url, upstream=None))
    assert read.grouping.agent is None


def test_malformed_names_are_counted(book: PriceBook) -> None:
    headers = ((b"x-arc-run-id", b"\xff"),)
    assert normalise(exchange(request=request(headers=headers)), book).malformed == ("x-arc-run-id",)


@given(body=st.binary(max_size=200), told=st.binary(max_size=300), header=st.binary(max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_bytes_make_a_call(body: bytes, told: bytes, header: bytes) -> None:
    odd = exchange(
        request_body=body,
        response_body=told,
        request=request(headers=((b"x-arc-tags", header), (b"content-encoding", header))),
    )
    assert normalise(odd, load_book()).call.call_id == id_text(odd.exchange_id)
