"""
Results of batches, each a call of its own. No I/O.

Each reply in a fetched document of results becomes a call `<id of the exchange>.<n>` of the kind "batch", at
batch rates, whatever tier it names: the endpoint decides. The prompts went up before and are not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from arc_proxy.call import Call, Kind, Prompt
from arc_proxy.ingest.priced import price_again
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.clues import Clues
from arc_proxy.wire.batch_results import Result, is_results, read_results
from arc_proxy.wire.content import decode_body
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from pricing.book import PriceBook
from pricing.usage import normalise_usage


def batch_calls(fetch: Call, clues: Clues, body: bytes, book: PriceBook) -> Iterator[tuple[Call, Clues]]:
    """
    The calls in a file of results that an exchange fetched; none where it is no such file.

    `body` as it came over the wire.
    """
    if fetch.status != 200 or not is_results(fetch.method, urlsplit(fetch.url or fetch.target).path):
        return
    for number, result in enumerate(read_results(decode_body(fetch.response_headers, body).body), 1):
        yield _call(fetch, clues, result, number, book)


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
