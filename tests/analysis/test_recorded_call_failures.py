"""Every error in the recorded exchanges has a code, and no answer has one but for how it finished."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from analysis.call_failure import call_failure
from analysis.failure import FailureCode
from arc_proxy.journal.record import Ended
from arc_proxy.wire.exchange import HttpExchange, read_exchange

pytestmark = pytest.mark.corpus

BY_STATUS = {
    401: {FailureCode.AUTH},
    403: {FailureCode.AUTH},
    404: {FailureCode.BAD_REQUEST},
    429: {FailureCode.RATE_LIMITED, FailureCode.QUOTA_EXHAUSTED},
    503: {FailureCode.OVERLOADED},
}
OF_REPLIES = {FailureCode.OUTPUT_TRUNCATED, FailureCode.OUTPUT_REFUSAL, FailureCode.TOOL_PARSER_FAILED}


def read(exchange: dict[str, Any]) -> Any:
    coded = exchange.get("response_body_b64")
    body = base64.b64decode(coded) if coded else (exchange["response_body"] or "").encode()
    headers = [pair for pair in exchange["response_headers"].items() if pair[0] != "content-encoding"]
    return read_exchange(
        HttpExchange(
            method=exchange["method"],
            url=exchange["url"],
            status=exchange["status"],
            response_headers=tuple(headers),
            response_body=body,
        )
    )


def test_errors_have_codes_and_answers_have_none(shared: Path) -> None:
    found: Counter[FailureCode] = Counter()
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        for exchange in map(json.loads, lines):
            reading, status = read(exchange), exchange["status"]
            failure = call_failure(
                status=status,
                ended=Ended.COMPLETE,
                error=reading.reply.error,
                finish_reason=reading.reply.finish_reason,
                kind=reading.kind,
            )
            is_error = status >= 400 or reading.reply.error is not None
            assert is_error == (failure is not None and failure.code not in OF_REPLIES), exchange["id"]
            if failure is not None:
                found[failure.code] += 1
                assert failure.code in BY_STATUS.get(status, {failure.code}), (exchange["id"], failure)
    for code, count in found.most_common():
        print(f"{code:32} {count:5}")
    assert len(found) >= 9
