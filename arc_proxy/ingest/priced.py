"""
What a call cost, when it comes in and when it is priced again. No I/O.

What is not billed costs nothing, with the grade "computed": answers of arc-proxy itself, requests that never
reached the provider, error answers without usage, and what method and path say is no generation (model lists,
token counts, retrievals). It is never "unpriced". What a client generates on the side, a title, is billed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from arc_proxy.call import Call, Kind
from arc_proxy.ingest.assemble import SECOND_NS, Exchange
from arc_proxy.ingest.tunnel import SWITCHED
from arc_proxy.journal.record import Ended
from arc_proxy.prefix import split_prefix
from arc_proxy.wire.endpoints import recognise_form
from arc_proxy.wire.exchange import Reading
from arc_proxy.wire.plans import is_paid_by_plan
from arc_proxy.wire.providers import OTHER, recognise_detail
from pricing.book import PriceBook
from pricing.cost import Cost, price_call
from pricing.usage import Usage, UsageGrade

# Source: https://platform.openai.com/docs/guides/moderation ("free to use")
_FREE = frozenset({("openai", "moderation")})
_MADE = (Kind.GENERATION, Kind.BATCH)
_REGION_HOSTS = {"us": "https://us.api.openai.com/", "eu": "https://eu.api.openai.com/"}
# Source: https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations ("global" promises nothing)
_VERTEX_LOCATION = re.compile(r"/projects/[^/]+/locations/([a-z0-9-]{1,40})/publishers/")


def price_exchange(
    exchange: Exchange, reading: Reading, usage: Usage, grade: UsageGrade, book: PriceBook
) -> Cost:
    reply, request, response = reading.reply, exchange.request, exchange.response
    betas = (value.decode("latin-1") for name, value in request.headers if name.lower() == b"anthropic-beta")
    return price_call(
        book,
        usage,
        grade,
        provider=reading.provider_detail or reading.provider,
        model=reply.model,
        model_requested=reading.prompt.model,
        at=_moment(exchange.started_ns, exchange.duration_ns),
        service_tier=reply.service_tier,
        endpoint=reading.endpoint,
        region=_region(request.url),
        raw_usage=reply.usage,
        billed=(reading.provider, reading.endpoint) not in _FREE
        and _is_billed(
            reading.kind,
            exchange.end.ended,
            None if response is None else response.status,
            has_usage=reply.usage is not None,
            is_ours=response is not None and response.origin == "proxy",
        ),
        subscription=is_paid_by_plan(url=request.url, detail=reading.provider_detail, betas=betas),
    )


def price_again(call: Call, book: PriceBook) -> Cost:
    """A stored call by the prices of this book. Nothing of it is read again: tokens stay what they were."""
    reply = call.reply
    betas = (value for name, value in call.request_headers if name.lower() == "anthropic-beta")
    path = urlsplit(call.url).path if call.url else split_prefix(call.target)[1]
    detail = _detail(call)
    cost = price_call(
        book,
        call.usage,
        call.usage_grade,
        provider=detail or call.provider,
        model=reply.model,
        model_requested=call.prompt.model,
        at=_moment(call.started_ns, call.duration_ns),
        service_tier=reply.service_tier,
        endpoint=call.endpoint,
        region=_region(call.url),
        raw_usage=reply.usage,
        batch=call.kind is Kind.BATCH,
        billed=(call.provider, call.endpoint) not in _FREE
        and not _is_refused_on_socket(call)
        and _is_billed(
            # A title that a client has generated is auxiliary, and billed all the same; a retrieval may have
            # been found to stand for what it retrieves.
            call.kind
            if call.kind in _MADE or _is_of_socket(call)
            else recognise_form(call.method, path).kind,
            call.ended,
            call.status,
            has_usage=reply.usage is not None,
            is_ours=call.url is None,
        ),
        subscription=is_paid_by_plan(url=call.url, detail=detail, betas=betas),
    )
    if call.estimated_by is None or not cost.reason:
        return cost
    return replace(cost, reason=f"{cost.reason} ({call.estimated_by})")


def _is_of_socket(call: Call) -> bool:
    """Its method and path are those of the upgrade, and say nothing of what was made."""
    return call.status == SWITCHED or "." in call.call_id


def _is_refused_on_socket(call: Call) -> bool:
    """An error was all that answered, before any response began: there, it is what a status of 400 is."""
    reply = call.reply
    is_empty = reply.response_id is None and reply.usage is None and reply.output_text is None
    return _is_of_socket(call) and reply.error is not None and is_empty


def _moment(started_ns: int, duration_ns: int | None) -> datetime:
    return datetime.fromtimestamp((started_ns + (duration_ns or 0)) // SECOND_NS, UTC)


def _is_billed(kind: Kind, ended: Ended, status: int | None, *, has_usage: bool, is_ours: bool) -> bool:
    if kind is Kind.AUXILIARY or ended is Ended.REFUSED:
        return False
    if status is None:
        return True  # it was sent: what the provider did with it before the connection broke is not known
    return not is_ours and (status < 400 or has_usage)


def _detail(call: Call) -> str | None:
    """Of a provider that the table calls "other", who it is: by its host, else by the prefix."""
    if call.provider != OTHER or call.url is None:
        return None
    is_as_sent = call.url.endswith(call.target)  # no prefix was taken off, so none had been asked
    asked = None if is_as_sent else split_prefix(call.target)[1].lstrip("/").partition("/")[0]
    return recognise_detail(upstream=asked, host=urlsplit(call.url).netloc)


def _region(url: str | None) -> str | None:
    """Where inference is promised to stay, which costs more: by OpenAI's host, or Vertex AI's path."""
    if url is None:
        return None
    location = _VERTEX_LOCATION.search(url)
    if location is not None:
        return location[1]
    return next((region for region, start in _REGION_HOSTS.items() if url.startswith(start)), None)
