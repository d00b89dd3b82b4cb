"""
An exchange, read, counted, priced and grouped: the noun Call. No I/O.

How a call ended is decided here from two witnesses. The gateway saw the framing: complete, cut, refused. The
dialect says whether the reply reached its own end. A reply that did is complete, whoever closed the
connection afterwards; a stream that did not, and carries no error either, was truncated, even where
its framing ended cleanly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from arc_proxy.call import Call, Captured, Kind, Prompt, Reply
from arc_proxy.ingest.assemble import Exchange
from arc_proxy.ingest.priced import price_exchange
from arc_proxy.journal.head import Headers as HeadHeaders
from arc_proxy.journal.record import Ended, id_text
from arc_proxy.prefix import NO_PREFIX, Prefix, split_prefix
from arc_proxy.runs.clues import Clues, Sent, read_clues
from arc_proxy.runs.explicit import group_call
from arc_proxy.wire.exchange import HttpExchange, Reading, read_exchange
from arc_proxy.wire.unknown import UNKNOWN
from pricing.book import PriceBook
from pricing.usage import Usage, UsageGrade, normalise_usage

Headers = tuple[tuple[str, str], ...]

_REQUEST_ID_NAMES = frozenset({"x-request-id", "request-id"})
# What the framing said and the dialect may know better.
_DOUBTFUL = frozenset({Ended.CLIENT_CLOSED, Ended.TRUNCATED, Ended.INTERRUPTED})


class Normalised(NamedTuple):
    call: Call  # its grouping is what it says itself: what other calls say of it is for `placing`
    clues: Clues
    malformed: tuple[str, ...]  # names of `x-arc-*` headers and prefixes that were ignored
    notes: tuple[str, ...]  # what the reader could not make out


def normalise(exchange: Exchange, book: PriceBook) -> Normalised:
    """Every exchange gives a call, whatever its bytes are."""
    request, response = exchange.request, exchange.response
    request_headers = _as_text(request.headers)
    response_headers = _as_text(response.headers) if response else ()
    status = response.status if response else None
    target = _text(request.target)
    prefix, bare_target = _prefix(target, request.url)
    reading = read_exchange(
        HttpExchange(
            method=_text(request.method),
            upstream=request.upstream,
            url=request.url or bare_target,
            request_headers=request_headers,
            request_body=exchange.request_body,
            status=status,
            response_headers=response_headers,
            response_body=exchange.response_body,
            response_whole=exchange.end.ended is Ended.COMPLETE and exchange.captured is Captured.FULL,
        )
    )
    call_id = id_text(exchange.exchange_id)
    grouping, _ = group_call(call_id, request.headers, prefix)
    reply, prompt = reading.reply, _prompt(reading, status)
    ended = _ended(exchange, reading)
    clues, malformed = read_clues(_sent(call_id, exchange, reading, prompt, ended, prefix, bare_target))
    usage, usage_grade = normalise_usage(
        reply.usage,
        dialect=reading.dialect,
        provider=reading.provider,
        server_tools=reading.billed_tools,
    )
    if usage_grade is UsageGrade.REPORTED and _is_cut(exchange, ended, reply):
        usage_grade = UsageGrade.PARTIAL
    if counts_nothing(usage, reply):
        usage_grade = UsageGrade.NONE  # some servers fill their counts with zeros
    call = Call(
        call_id=call_id,
        writer=exchange.writer,
        grouping=grouping,
        provider=reading.provider,
        dialect=reading.dialect,
        endpoint=reading.endpoint,
        kind=reading.kind if clues.auxiliary is None else Kind.AUXILIARY,
        method=_text(request.method),
        target=target,
        url=request.url,
        started_ns=exchange.started_ns,
        first_byte_ns=exchange.first_byte_ns,
        duration_ns=exchange.duration_ns,
        status=status,
        ended=ended,
        ended_detail=exchange.end.detail if ended is exchange.end.ended else "",
        captured=exchange.captured,
        unsecured=exchange.unsecured,
        prompt=prompt,
        reply=reply,
        usage=usage,
        usage_grade=usage_grade,
        cost=price_exchange(exchange, reading, usage, usage_grade, book),
        request_bytes=exchange.request_bytes,
        response_bytes=exchange.response_bytes,
        request_headers=request_headers,
        response_headers=response_headers,
        chunk_times=exchange.chunk_times,
        request_id=_request_id(response_headers),
        framework=clues.framework,
        auxiliary=clues.auxiliary,
    )
    return Normalised(call, clues, malformed, reading.notes)


def counts_nothing(usage: Usage, reply: Reply) -> bool:
    """
    An answer beside counts that are all zero. What a guardrail says instead of the model has no tokens:
    https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-how.html
    """
    is_answer = bool(reply.output_text or reply.tool_calls) and reply.finish_reason != "guardrail_intervened"
    return is_answer and not usage.input_tokens and not usage.output_tokens


def _sent(
    call_id: str,
    exchange: Exchange,
    reading: Reading,
    prompt: Prompt,
    ended: Ended,
    prefix: Prefix,
    bare_target: str,
) -> Sent:
    request, response = exchange.request, exchange.response
    return Sent(
        call_id=call_id,
        started_ns=exchange.started_ns,
        duration_ns=exchange.duration_ns,
        method=_text(request.method),
        url=request.url or bare_target,
        target=bare_target,
        prefix=prefix,
        headers=request.headers,
        body=exchange.request_body,
        kind=reading.kind,
        endpoint=reading.endpoint,
        prompt=prompt,
        reply=reading.reply,
        status=response.status if response else None,
        ended=ended,
    )


def sent_again(call: Call) -> Sent:
    """What clues are read from, of a call that is stored. The bytes of its body are not."""
    prefix, bare_target = _prefix(call.target, call.url)
    return Sent(
        call_id=call.call_id,
        started_ns=call.started_ns,
        duration_ns=call.duration_ns,
        method=call.method,
        url=call.url or bare_target,
        target=bare_target,
        prefix=prefix,
        headers=tuple([(name.encode(), value.encode()) for name, value in call.request_headers]),
        body=b"",
        kind=call.kind,
        endpoint=call.endpoint,
        prompt=call.prompt,
        reply=call.reply,
        status=call.status,
        ended=call.ended,
    )


def _prompt(reading: Reading, status: int | None) -> Prompt:
    """A call streams if its reply did, or was asked to and was not refused; some paths are named for it."""
    prompt = reading.prompt
    is_refused = status is not None and status >= 400 and not reading.streams
    stream = reading.reply.events > 0 or (prompt.stream and not is_refused)
    return prompt if prompt.stream is stream else replace(prompt, stream=stream)


def _ended(exchange: Exchange, reading: Reading) -> Ended:
    said = exchange.end.ended
    reply = reading.reply
    if not exchange.closed:
        return said
    if said in _DOUBTFUL:
        # A body of which a piece is missing cannot testify to its end.
        return Ended.COMPLETE if reply.finished and exchange.captured is Captured.FULL else said
    if said is Ended.COMPLETE and _stops_short(exchange, reading):
        return Ended.TRUNCATED
    return said


def _stops_short(exchange: Exchange, reading: Reading) -> bool:
    """A stream of a known dialect, captured whole, that has no end of its own and names no error."""
    reply = reading.reply
    return (
        reply.events > 0
        and not reply.finished
        and reply.error is None
        and exchange.captured is Captured.FULL
        and reading.dialect != UNKNOWN.name
    )


def _is_cut(exchange: Exchange, ended: Ended, reply: Reply) -> bool:
    """The last counts of the reply may be missing."""
    return not reply.finished and (ended is not Ended.COMPLETE or exchange.captured is not Captured.FULL)


def _prefix(target: str, url: str | None) -> tuple[Prefix, str]:
    """What our own prefixes said; nothing where the path was sent on as it stands, prefixes and all."""
    if url is not None and url.endswith(target):
        return NO_PREFIX, target
    return split_prefix(target)


def _request_id(response_headers: Headers) -> str | None:
    return next((value for name, value in response_headers if name.lower() in _REQUEST_ID_NAMES), None)


def _as_text(headers: HeadHeaders) -> Headers:
    try:
        return tuple([(name.decode(), value.decode()) for name, value in headers])
    except UnicodeDecodeError:
        return tuple([(_text(name), _text(value)) for name, value in headers])


def _text(raw: bytes) -> str:
    """Header bytes are UTF-8 today and ISO 8859-1 by the old standard, which any bytes are."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
