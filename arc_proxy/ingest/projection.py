"""
One batch of the journal as rows of the store: read, priced and saved in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from arc_proxy.call import Call
from arc_proxy.ingest.assemble import Exchange
from arc_proxy.ingest.batch import batch_calls
from arc_proxy.ingest.intake import Batch, RecordedFact
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.ingest.normalise import normalise
from arc_proxy.ingest.placing import Placer, Read
from arc_proxy.ingest.retrieval import settle_retrievals
from arc_proxy.ingest.turn_call import socket_calls
from arc_proxy.journal.fact import FactType, decode_fact
from arc_proxy.journal.record import id_text
from arc_proxy.runs.explicit import HEADER, outcome_of
from arc_proxy.store.engine import Store
from arc_proxy.store.fact_table import Fact
from arc_proxy.store.write import Saved, save
from pricing.book import PriceBook

_log = structlog.get_logger()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BROKEN = "this version cannot read its bodies"


@dataclass(frozen=True, slots=True)
class Projected:
    calls: int
    saved: Saved


def project(
    store: Store, batch: Batch, book: PriceBook, whole: Callable[[Exchange], Exchange], placer: Placer
) -> Projected:
    """
    Save a batch; `whole` gives a spilled exchange its bodies. Raises StoreError, and nothing is saved then.

    Beside the rows it adds to the writers' tallies: `malformed_headers` that were ignored, `unread_calls`
    whose bodies broke the reader, `malformed_facts`, and what the intake counted.
    """
    reads: dict[str, Read] = {}  # of a call that is there twice the last
    for exchange in batch.exchanges:
        for read in _read(whole(exchange), book, batch):
            reads[read.call.call_id] = read
    facts = [fact for recorded in batch.facts if (fact := _as_fact(recorded, batch)) is not None]
    try:
        placed = placer.place(store, reads.values())
        saved = save(
            store,
            settle_retrievals(store, placed.calls, book),
            [*facts, *_outcomes(placed.calls)],
            {writer: point.as_json() for writer, point in batch.resume.items()},
            counts={writer: counts for writer, said in batch.counts.items() if (counts := _as_counts(said))},
            tallies=batch.tallies,
            moves=placed.moves,
        )
    except BaseException:
        placer.forget()
        raise
    for name in saved.refused:
        _log.warning("row.refused", id=name)
    return Projected(len(placed.calls), saved)


def _read(exchange: Exchange, book: PriceBook, batch: Batch) -> list[Read]:
    """
    Its call, and those whose results it fetched. None at all only for an exchange that cannot be read even
    without its bodies.
    """
    for each in (exchange, replace(exchange, request_body=b"", response_body=b"", turns=())):
        try:
            if each.is_tunnel:
                calls, malformed = socket_calls(each, book)
            else:
                call, clues, malformed, _ = normalise(each, book)
                results = batch_calls(call, clues, each.response_body, book) if each is exchange else ()
                calls = [(call, clues), *results]
        except Exception as error:  # noqa: BLE001  a bug of a reader costs its call, not all that follow
            _log.error("call.unread", call_id=id_text(exchange.exchange_id), **describe_bug(error))
            if each is exchange:
                batch.tally(exchange.writer, "unread_calls")
            continue
        if malformed and exchange.closed:
            batch.tally(exchange.writer, "malformed_headers", len(malformed))
        if each is not exchange:
            calls = [(replace(call, ended_detail=_BROKEN), clues) for call, clues in calls]
        return [Read(*each) for each in calls]
    return []


def _outcomes(calls: Iterable[Call]) -> Iterator[Fact]:
    """What calls say of their runs themselves, as facts that are known again by their calls."""
    for call in calls:
        outcome = outcome_of(call.request_headers)
        if outcome is not None and call.duration_ns is not None:
            body = {"fact": str(FactType.OUTCOME), "run_id": call.grouping.run_id, "outcome": outcome}
            yield Fact(
                fact_id=f"{call.call_id}.outcome",
                writer=call.writer,
                at_ns=call.started_ns + call.duration_ns,
                body=body | {"agent": call.grouping.agent, "source": HEADER},
            )


def _as_fact(recorded: RecordedFact, batch: Batch) -> Fact | None:
    try:
        body = decode_fact(recorded.content)
    except ValueError:
        batch.tally(recorded.writer, "malformed_facts")
        return None
    at_ns = _moment_ns(body.get("at"))
    return Fact(
        fact_id=recorded.fact_id,
        writer=recorded.writer,
        at_ns=recorded.wall_ns if at_ns is None else at_ns,
        body=body,
    )


def _moment_ns(text: object) -> int | None:
    """An RFC 3339 time in nanoseconds since the epoch; None if it is none."""
    if not isinstance(text, str):
        return None
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except (TypeError, ValueError):  # one without a zone, or no time at all
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def _as_counts(content: bytes) -> Mapping[str, int]:
    """What a COUNTS record says; nothing if it is none of ours."""
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    return {name: int(value) for name, value in body.items() if isinstance(value, int)}
