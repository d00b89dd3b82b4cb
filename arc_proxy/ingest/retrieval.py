"""
Retrievals of responses: what is fetched by its id was billed when it was made, and is counted there, once.

A response that is made in the background is asked for, then polled: the call that asked has no answer, and
the poll that shows it finished has answer and usage. So the first such poll completes the call that asked. A
response that nobody asked for through us (another machine did) is billed by its first retrieval. Every other
retrieval is what it looks like: auxiliary, and free.
Source: https://platform.openai.com/docs/guides/background
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from arc_proxy.call import Call, Kind
from arc_proxy.ingest.priced import price_again
from arc_proxy.store.engine import Store
from arc_proxy.store.responses import ResponseId, responses_by_id
from pricing.book import PriceBook
from pricing.usage import UsageGrade

_ASKED = frozenset({UsageGrade.NONE, UsageGrade.ESTIMATED, UsageGrade.PARTIAL})


def settle_retrievals(store: Store, calls: Sequence[Call], book: PriceBook) -> list[Call]:
    """
    The calls, with those completed that they retrieve, from the store where they are not among them, and
    without results of batches that were fetched before.

    Told again, in any batches, it comes to the same. Raises StoreError.
    """
    calls = _without_fetched_again(store, calls)
    retrieved = [call for call in calls if is_retrieval(call)]
    if not retrieved:
        return list(calls)
    wanted = {_id(call) for call in retrieved}
    settled = {call.call_id: call for call in calls}
    billed: dict[ResponseId, Call] = {}
    stored = responses_by_id(store, wanted, Kind.GENERATION)
    for call in sorted([*stored, *calls], key=lambda call: (call.started_ns, call.call_id)):
        now = settled.get(call.call_id, call)
        if now.kind is Kind.GENERATION and _id(now) in wanted:
            billed.setdefault(_id(now), now)
    for call in sorted(retrieved, key=lambda call: (call.started_ns, call.call_id)):
        known = billed.get(_id(call))
        if known is None or known.call_id == call.call_id:
            first = replace(call, kind=Kind.GENERATION, auxiliary=None)
            billed[_id(call)] = settled[call.call_id] = replace(first, cost=price_again(first, book))
        elif known.reply.usage is None and known.usage_grade in _ASKED:
            whole = replace(
                known,
                reply=call.reply,
                usage=call.usage,
                usage_grade=call.usage_grade,
                estimated_by=None,
            )
            billed[_id(call)] = settled[known.call_id] = replace(whole, cost=price_again(whole, book))
    return list(settled.values())


def _without_fetched_again(store: Store, calls: Sequence[Call]) -> Sequence[Call]:
    """A file of results may be fetched as often as one likes: the first time made its calls."""
    results = [call for call in calls if call.kind is Kind.BATCH and call.reply.response_id]
    if not results:
        return calls
    first: dict[ResponseId, tuple[int, str]] = {}
    for call in (*responses_by_id(store, map(_id, results), Kind.BATCH), *results):
        place = (call.started_ns, call.call_id)
        first[_id(call)] = min(first.get(_id(call), place), place)
    again = {call.call_id for call in results if first[_id(call)][1] != call.call_id}
    return [call for call in calls if call.call_id not in again]


def is_retrieval(call: Call) -> bool:
    """It shows a finished response with its usage."""
    return (
        call.method == "GET"
        and call.endpoint == "responses"
        and call.status == 200
        and call.reply.usage is not None
        and call.reply.response_id is not None
    )


def _id(call: Call) -> ResponseId:
    return (call.provider, call.reply.response_id or "")
