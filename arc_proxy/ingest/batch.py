"""
Results of batches: a file of replies, one JSON document a line, each the reply of a call of its own. No I/O.

    OpenAI       GET /v1/files/{id}/content               {"custom_id", "response": {"status_code", "body"}}
    Anthropic    GET /v1/messages/batches/{id}/results    {"custom_id", "result": {"type", "message"}}

Each becomes a call `<id of the exchange>.<n>` of the kind "batch", at batch rates, whatever tier its reply
names: the endpoint decides. The prompts went up in a file and are not known here. Of a file that was not
kept whole, the lines that are whole count. Sources: https://platform.openai.com/docs/guides/batch,
https://docs.anthropic.com/en/docs/build-with-claude/batch-processing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from arc_proxy.call import Call, Kind, Prompt
from arc_proxy.ingest.priced import price_again
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.clues import Clues
from arc_proxy.wire.content import decode_body
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from pricing.book import PriceBook
from pricing.usage import normalise_usage

# A batch has 100,000 requests at most; of a longer file the rest is left.
RESULTS_MAX = 100_000

# What a reply calls itself, and the path by which it is read.
_PATHS = {
    "chat.completion": "/v1/chat/completions",
    "response": "/v1/responses",
    "text_completion": "/v1/completions",
    "list": "/v1/embeddings",
    "message": "/v1/messages",
}


class Result(NamedTuple):
    custom_id: str
    path: str
    status: int
    body: bytes


def batch_calls(fetch: Call, clues: Clues, body: bytes, book: PriceBook) -> Iterator[tuple[Call, Clues]]:
    """
    The calls in a file of results that an exchange fetched; none where it is no such file.

    `body` as it came over the wire.
    """
    if not _is_results(fetch):
        return
    for number, result in enumerate(_results(decode_body(fetch.response_headers, body).body), 1):
        yield _call(fetch, clues, result, number, book)


def _is_results(fetch: Call) -> bool:
    if fetch.method != "GET" or fetch.status != 200:
        return False
    segments = [segment for segment in urlsplit(fetch.url or fetch.target).path.split("/") if segment]
    return (segments[-3:-2] == ["files"] and segments[-1:] == ["content"]) or (
        segments[-4:-2] == ["messages", "batches"] and segments[-1:] == ["results"]
    )


def _results(body: bytes) -> Iterator[Result]:
    for line in body.split(b"\n")[:RESULTS_MAX]:
        if b'"custom_id"' not in line:
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # the last one of a file that was cut
        found = _result(row) if isinstance(row, dict) else None
        if found is not None:
            yield found


def _result(row: Mapping[str, Any]) -> Result | None:
    custom_id, response, result = str(row.get("custom_id") or ""), row.get("response"), row.get("result")
    if isinstance(response, dict) and isinstance(response.get("body"), dict):
        inner, status = response["body"], response.get("status_code")
    elif isinstance(result, dict) and result.get("type") == "succeeded":
        inner, status = result.get("message"), 200
    elif isinstance(result, dict) and result.get("type") == "errored":
        inner, status = result.get("error"), 400
    else:
        return None  # it was never run: expired or cancelled
    if not isinstance(inner, dict):
        return None
    kind = str(inner.get("object") or inner.get("type") or "")
    path = _PATHS.get(kind, "/v1/messages" if isinstance(result, dict) else "/v1/chat/completions")
    return Result(custom_id, path, status if isinstance(status, int) else 200, orjson.dumps(inner))


def _call(fetch: Call, clues: Clues, result: Result, number: int, book: PriceBook) -> tuple[Call, Clues]:
    origin = urlsplit(fetch.url or "")
    url = f"{origin.scheme}://{origin.netloc}{result.path}"
    reading = read_exchange(
        HttpExchange(
            method="POST",
            url=url,
            status=result.status,
            response_headers=(("content-type", "application/json"),),
            response_body=result.body,
        )
    )
    usage, grade = normalise_usage(
        reading.reply.usage,
        dialect=reading.dialect,
        provider=fetch.provider,
        server_tools=reading.billed_tools,
    )
    call_id = f"{fetch.call_id}.{number}"
    tags = dict(fetch.grouping.tags) | ({"custom_id": result.custom_id} if result.custom_id else {})
    call = replace(
        fetch,
        call_id=call_id,
        grouping=replace(fetch.grouping, run_id=f"r-{fetch.call_id}", tags=tags),
        dialect=reading.dialect,
        endpoint=reading.endpoint,
        kind=Kind.BATCH,
        status=result.status,
        prompt=Prompt(),
        reply=reading.reply,
        usage=usage,
        usage_grade=grade,
        auxiliary=None,
        request_bytes=0,
        response_bytes=len(result.body),
        chunk_times=(),
    )
    batch = Claim(level=Level.RUN, value=f"batch {fetch.url}", rule="batch", separates=True)
    return replace(call, cost=price_again(call, book)), Clues(
        call_id=call_id,
        started_ns=clues.started_ns,
        ended_ns=clues.ended_ns,
        claims=(*clues.claims, batch),
        tags=tags,
        agent_hint=clues.agent_hint,
        framework=clues.framework,
    )
