"""
A turn on a WebSocket as a call: `<id of the exchange>.<n>`, its head that of the upgrade. No I/O.

The WebSocket itself has a row only where that is all there is to say: nothing was said, we do not know how it
is spoken there, or some of it could not be read, so that what was spent is not known. Else its turns tell it,
and their sum is what it cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from arc_proxy.call import Call, Captured, Kind
from arc_proxy.ingest.assemble import Exchange
from arc_proxy.ingest.normalise import counts_nothing, normalise, sent_again
from arc_proxy.ingest.priced import price_again
from arc_proxy.journal.record import Ended
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.clues import Clues, read_clues
from arc_proxy.runs.explicit import group_call
from arc_proxy.wire.sockets import ONE_TALK
from arc_proxy.wire.turn import Turn
from pricing.book import PriceBook
from pricing.usage import UsageGrade, normalise_usage


def socket_calls(exchange: Exchange, book: PriceBook) -> tuple[list[tuple[Call, Clues]], tuple[str, ...]]:
    """The calls in what was handed out of a WebSocket, and the names of ours that were malformed."""
    base = normalise(replace(exchange, request_body=b"", response_body=b""), book)
    calls = [_turn_call(exchange, base.call, turn, book) for turn in exchange.turns]
    calls += _own_call(exchange, base.call, base.clues, book)
    return calls, base.malformed


def with_talk(clues: Clues, dialect: str) -> Clues:
    """The clues of a call, with what tells that it is part of one conversation on a WebSocket."""
    socket_id, dot, _ = clues.call_id.partition(".")
    if not dot or dialect not in ONE_TALK:
        return clues
    talk = Claim(level=Level.RUN, value=socket_id, rule="websocket")
    return replace(clues, claims=(*clues.claims, talk))


def _own_call(exchange: Exchange, call: Call, clues: Clues, book: PriceBook) -> Iterator[tuple[Call, Clues]]:
    is_known = exchange.is_understood and exchange.captured is Captured.FULL
    if is_known and (exchange.turns_said or not exchange.closed):
        return  # its turns tell it, or may still
    is_all = exchange.turns_said == 0
    if not (exchange.closed or is_all):
        return
    kind, auxiliary = (Kind.AUXILIARY, "handshake") if is_known else (Kind.OTHER, None)
    own = replace(call, kind=kind, auxiliary=auxiliary)
    yield replace(own, cost=price_again(own, book)), replace(clues, auxiliary=auxiliary)


def _turn_call(exchange: Exchange, base: Call, turn: Turn, book: PriceBook) -> tuple[Call, Clues]:
    call_id = f"{base.call_id}.{turn.number}"
    reply = turn.reply
    is_over = reply.finished or exchange.closed
    usage, grade = normalise_usage(
        reply.usage,
        dialect=turn.dialect,
        provider=base.provider,
        server_tools=reply.server_tools if reply.billed_tools is None else reply.billed_tools,
    )
    if grade is UsageGrade.REPORTED and (turn.counts_more or not reply.finished):
        grade = UsageGrade.PARTIAL
    if counts_nothing(usage, reply):
        grade = UsageGrade.NONE
    call = replace(
        base,
        call_id=call_id,
        dialect=turn.dialect,
        endpoint=turn.endpoint,
        kind=turn.kind,
        started_ns=exchange.started_ns + turn.started_ns,
        first_byte_ns=None if turn.first_byte_ns is None else turn.first_byte_ns - turn.started_ns,
        duration_ns=turn.ended_ns - turn.started_ns if is_over else None,
        status=turn.status or base.status,
        ended=_ended(exchange, turn),
        ended_detail="" if reply.finished else exchange.end.detail,
        captured=Captured.FULL if reply.finished else exchange.captured,
        prompt=turn.prompt,
        reply=reply,
        usage=usage,
        usage_grade=grade,
        request_bytes=turn.request_bytes,
        response_bytes=turn.response_bytes,
        chunk_times=(),
    )
    sent = replace(
        sent_again(call),
        headers=exchange.request.headers,
        # In a conversation that the server keeps, many requests are the same and none repeats another.
        body=b"" if turn.dialect in ONE_TALK else turn.request,
    )
    grouping, _ = group_call(call_id, sent.headers, sent.prefix)
    clues, _ = read_clues(sent)
    clues = with_talk(clues, turn.dialect)
    call = replace(call, grouping=grouping, framework=clues.framework, auxiliary=clues.auxiliary)
    cost = price_again(call, book)  # a title that a client has generated is billed as what it is
    kind = turn.kind if clues.auxiliary is None else Kind.AUXILIARY
    return replace(call, kind=kind, cost=cost), clues


def _ended(exchange: Exchange, turn: Turn) -> Ended:
    if turn.reply.finished:
        return Ended.COMPLETE
    # A socket that was closed in good order in the middle of a response stopped it.
    return Ended.TRUNCATED if exchange.end.ended is Ended.COMPLETE else exchange.end.ended
