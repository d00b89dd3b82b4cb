"""Every recorded exchange of the four dialects, against what an independent script read from its response."""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from arc_proxy.wire.exchange import DIALECTS, HttpExchange, Reading, read_exchange
from arc_proxy.wire.sse import SseDecoder
from arc_proxy.wire.stream import StreamEvent

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(300)]

DIALECT_OF = {
    "chat.completions": "openai.chat",
    "responses": "openai.responses",
    "messages": "anthropic.messages",
    "embeddings": "openai.embeddings",
    "generateContent": "gemini.generate",
    "streamGenerateContent": "gemini.generate",
    "converse": "bedrock.converse",
    "invoke_model": "bedrock.invoke",
    "cohere.chat": "cohere.chat",
    "ollama.chat": "ollama.chat",
    "ollama.generate": "ollama.chat",
    "dashscope.generation": "dashscope.generation",
    "completions": "openai.completions",
}
UNREAD_BY_THE_SCRIPT = {"other", "interactions"}
RIGHT_SHARE_MIN = 0.995

# Exchanges that we read otherwise than the script, by the beginning of their id.
EXCEPTIONS = {
    "a11e5d0b": "DashScope's reply has two calls of one tool, the script counts one",
}
END_MARKS = (
    *("[DONE]", "message_stop", "response.completed", "response.incomplete"),
    *('"finish_reason"', '"finishReason"', '"done":true', '"done": true'),
)
# Providers that we name otherwise.
RENAMED = {
    "eastus.api.cognitive.microsoft.com": "azure",  # the older regional host of Azure OpenAI
}


@pytest.fixture(scope="module")
def exchanges(shared: Path) -> list[dict[str, Any]]:
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        return [orjson.loads(line) for line in lines]


def _body(exchange: dict[str, Any], side: str) -> bytes:
    encoded = exchange.get(f"{side}_body_b64")
    return base64.b64decode(encoded) if encoded else (exchange[f"{side}_body"] or "").encode()


def _http(exchange: dict[str, Any]) -> HttpExchange:
    # Bodies are stored decoded, whatever the header says.
    headers = [
        tuple(field for field in exchange[f"{side}_headers"].items() if field[0] != "content-encoding")
        for side in ("request", "response")
    ]
    return HttpExchange(
        method=exchange["method"],
        url=exchange["url"],
        request_headers=headers[0],
        request_body=_body(exchange, "request"),
        status=exchange["status"],
        response_headers=headers[1],
        response_body=_body(exchange, "response"),
    )


def _said(reading: Reading) -> dict[str, Any]:
    reply, text = reading.reply, reading.reply.output_text
    return {
        "model": reply.model,
        "output_text_sha1": None if text is None else hashlib.sha1(text.encode()).hexdigest(),
        "output_text_len": None if text is None else len(text),
        "finish_reason": reply.finish_reason,
        "tool_call_names": [call.name for call in reply.tool_calls],
        "server_tool_names": list(reply.server_tools),
        "is_error": reply.error is not None,
        "error_type": None if reply.error is None else reply.error.type,
        "usage_raw": reply.usage,
        "event_count": reply.events or None,
    }


def _expected_end(exchange: dict[str, Any]) -> bool:
    """Did the response reach its end? All of them did but a page instead of JSON."""
    if exchange.get("response_body_b64"):
        return True
    body = (exchange["response_body"] or "").lstrip()
    if exchange["stream"] and exchange["status"] < 400:
        return any(mark in body for mark in END_MARKS)
    return body.startswith(("{", "["))


def _differences(exchange: dict[str, Any], reading: Reading) -> dict[str, tuple[Any, Any]]:
    said, expected = _said(reading), exchange["expected"]
    fields = set(said)
    if reading.dialect == "unknown" or exchange["endpoint"] in UNREAD_BY_THE_SCRIPT:
        fields = {"is_error", "error_type"}
        if expected["usage_location"] == "usage":
            fields.add("usage_raw")
    differences = {
        field: (said[field], expected[field])
        for field in fields
        if said[field] != expected[field]
        and not _is_number_of(said[field], expected[field])
        and not _is_counted_beside(said[field], expected[field], field)
    }
    if exchange["endpoint"] in DIALECT_OF and reading.reply.finished != _expected_end(exchange):
        differences["finished"] = (reading.reply.finished, not reading.reply.finished)
    return differences


def _is_counted_beside(said: Any, expected: Any, field: str) -> bool:
    """Counts that stand in headers or beside the answer make our usage object, and the script's not."""
    if field != "usage_raw" or not isinstance(said, dict):
        return False
    return expected is None or expected.items() <= said.items()


def _is_number_of(said: Any, expected: Any) -> bool:
    """Google's enums come as numbers where the caller asked for that; ours are words."""
    return type(expected) is int and said == str(expected)


def test_reads_what_the_responses_say(exchanges: list[dict[str, Any]]) -> None:
    seen: Counter[tuple[str, str, str]] = Counter()
    right: Counter[tuple[str, str, str]] = Counter()
    wrong: dict[str, Any] = {}
    for exchange in exchanges:
        reading = read_exchange(_http(exchange))
        row = (exchange["endpoint"], exchange["provider_detail"] or exchange["provider"], reading.dialect)
        seen[row] += 1
        differences = _differences(exchange, reading)
        if differences:
            wrong[exchange["id"][:8]] = differences
        else:
            right[row] += 1
    print(f"\n{'endpoint':24} {'provider':42} {'dialect':20} {'n':>5} {'right':>5}")  # pytest -s shows it
    for row in sorted(seen):
        print(f"{row[0]:24} {row[1]:42} {row[2]:20} {seen[row]:5} {right[row]:5}")
    print(f"{sum(right.values())} of {sum(seen.values())} right")
    assert wrong.keys() == EXCEPTIONS.keys(), wrong
    known = [row for row in seen if row[2] != "unknown"]
    assert sum(right[row] for row in known) >= RIGHT_SHARE_MIN * sum(seen[row] for row in known)


def test_names_providers_and_endpoints_as_the_recordings_do(exchanges: list[dict[str, Any]]) -> None:
    wrong = []
    for exchange in exchanges:
        reading = read_exchange(HttpExchange(method=exchange["method"], url=exchange["url"]))
        provider = RENAMED.get(exchange["host"], exchange["provider"])
        if (reading.provider, reading.endpoint) != (provider, exchange["endpoint"]):
            wrong.append((exchange["url"], reading.provider, reading.endpoint))
    assert wrong == []


def test_every_exchange_of_a_known_dialect_is_read_in_it(exchanges: list[dict[str, Any]]) -> None:
    for exchange in exchanges:
        reading = read_exchange(HttpExchange(method=exchange["method"], url=exchange["url"]))
        if exchange["endpoint"] == "invoke_model" and "anthropic.claude" in exchange["url"]:
            assert reading.dialect == "anthropic.messages", exchange["url"]
        elif exchange["endpoint"] in DIALECT_OF and reading.dialect != DIALECT_OF[exchange["endpoint"]]:
            # Those who do not speak OpenAI's embeddings.
            assert exchange["endpoint"] == "embeddings", exchange["url"]
            assert exchange["provider"] in {"cohere", "google", "ollama", "bedrock"}, exchange["url"]


def _streams(exchanges: list[dict[str, Any]]) -> Iterator[tuple[Reading, bytes]]:
    for exchange in exchanges[::5]:
        if exchange["stream"]:
            http = _http(exchange)
            reading = read_exchange(http)
            if reading.reply.events and http.response_body.lstrip().startswith((b"data:", b"event:", b":")):
                yield reading, http.response_body


def test_any_chunking_gives_the_same_reply(exchanges: list[dict[str, Any]]) -> None:
    chance = random.Random(7)
    count = 0
    for reading, body in _streams(exchanges):
        decoder = SseDecoder()
        events: list[StreamEvent] = []
        start = 0
        while start < len(body):
            size = chance.choice((1, 3, 17, 200, 4000))
            events += decoder.feed(body[start : start + size])
            start += size
        events += decoder.close()
        reply = DIALECTS[reading.dialect].read_stream(events)
        assert reply.finished <= reading.reply.finished
        assert {
            field: getattr(reply, field) for field in ("output_text", "tool_calls", "usage", "message")
        } == {
            field: getattr(reading.reply, field)
            for field in ("output_text", "tool_calls", "usage", "message")
        }
        count += 1
    assert count > 200


def test_a_recorded_stream_cut_anywhere_yields_a_beginning(exchanges: list[dict[str, Any]]) -> None:
    chance = random.Random(11)
    for exchange in exchanges[::9]:
        if not exchange["stream"] or exchange["endpoint"] not in DIALECT_OF:
            continue
        http = _http(exchange)
        whole = read_exchange(http).reply
        cut = read_exchange(
            HttpExchange(
                method=http.method,
                url=http.url,
                status=http.status,
                response_body=http.response_body[: chance.randrange(len(http.response_body))],
                response_whole=False,
            )
        ).reply
        assert (whole.output_text or "").startswith(cut.output_text or "")
        assert len(cut.tool_calls) <= len(whole.tool_calls)
        for call, whole_call in zip(cut.tool_calls, whole.tool_calls, strict=False):
            assert whole_call.name.startswith(call.name)
