"""
Recorded exchanges of real providers, each with its cost shared: exactly, and hardly anything left as other.
`pytest -s` prints the table.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.parts import PartKind
from analysis.run_share import share_call
from arc_proxy.call import Call, Kind
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from pricing.book import PriceBook, load_book
from pricing.cost import price_call
from pricing.usage import normalise_usage
from tests.analysis.spending import paid

pytestmark = pytest.mark.corpus

AT = datetime(2026, 11, 22, tzinfo=UTC)
OTHER_MOST = 0.02  # of the money of a dialect


def test_what_recorded_calls_cost_is_shared_exactly(shared: Path) -> None:
    book = load_book()
    paid_for: dict[str, Counter[PartKind]] = {}
    calls: Counter[str] = Counter()
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        for exchange in map(json.loads, lines):
            call = _read(book, exchange)
            if call is None or not call.cost.nanousd:
                continue
            spend = share_call(call)
            assert sum(share.nanousd for share in spend.shares) == call.cost.nanousd, exchange["id"]
            calls[call.dialect] += 1
            kinds = paid_for.setdefault(call.dialect, Counter())
            for share in spend.shares:
                assert share.nanousd > 0
                kinds[share.kind] += share.nanousd
    for dialect, kinds in sorted(paid_for.items()):
        total = kinds.total()
        told = ", ".join(f"{kind} {nanousd / total:.1%}" for kind, nanousd in kinds.most_common())
        print(f"{dialect:22} {calls[dialect]:5} calls: {told}")
        assert kinds[PartKind.OTHER] < OTHER_MOST * total
    assert calls.total() > 5000


def _read(book: PriceBook, exchange: dict[str, Any]) -> Call | None:
    if exchange["response_body"] is None or exchange["request_body"] is None:
        return None
    headers = [pair for pair in exchange["response_headers"].items() if pair[0] != "content-encoding"]
    reading = read_exchange(
        HttpExchange(
            method=exchange["method"],
            url=exchange["url"],
            status=exchange["status"],
            request_body=exchange["request_body"].encode(),
            response_headers=tuple(headers),
            response_body=exchange["response_body"].encode(),
        )
    )
    if reading.kind is not Kind.GENERATION:
        return None
    usage, grade = normalise_usage(
        reading.reply.usage,
        dialect=reading.dialect,
        provider=reading.provider,
        server_tools=reading.billed_tools,
    )
    cost = price_call(
        book,
        usage,
        grade,
        provider=reading.provider,
        model=reading.reply.model,
        model_requested=reading.prompt.model,
        at=AT,
        raw_usage=reading.reply.usage,
    )
    return paid(1, reading.prompt, reading.reply, usage, cost=cost, dialect=reading.dialect)
