"""A journal's writer that speaks in exchanges, for tests."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from arc_proxy.journal.fact import FactType, encode_fact
from arc_proxy.journal.head import End, Headers, RequestHead, ResponseHead
from arc_proxy.journal.record import Ended, Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter

REQUEST = RequestHead(
    upstream="openai",
    url="https://api.openai.com/v1/chat/completions",
    connection=1,
    method=b"POST",
    target=b"/openai/v1/chat/completions",
    version=b"HTTP/1.1",
    headers=((b"content-type", b"application/json"),),
)
RESPONSE = ResponseHead(
    origin="upstream",
    status=200,
    reason=b"OK",
    version=b"HTTP/1.1",
    headers=((b"content-type", b"application/json"),),
)


def asked(text: str = "hi", model: str = "gpt-4o-mini") -> bytes:
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()


def told(text: str = "Hello", model: str = "gpt-4o-mini-2024-07-18", **fields: Any) -> bytes:
    message = {"role": "assistant", "content": text}
    answer = {
        "id": "chatcmpl-1",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }
    return json.dumps(answer | fields).encode()


class Tape:
    """Times are now unless said."""

    def __init__(self, journal_dir: Path, **options: Any) -> None:
        self.writer = SegmentWriter(journal_dir, **options)

    def begin(self, body: bytes = b"{}", headers: Headers = (), exchange_id: bytes | None = None) -> bytes:
        exchange_id = exchange_id or self.writer.make_id()
        head = replace(REQUEST, headers=REQUEST.headers + headers)
        self.write(exchange_id, RecordKind.REQUEST_HEAD, head.encode())
        self.write(exchange_id, RecordKind.REQUEST_BODY, body)
        return exchange_id

    def answer(self, exchange_id: bytes, body: bytes, status: int = 200) -> None:
        self.write(exchange_id, RecordKind.RESPONSE_HEAD, replace(RESPONSE, status=status).encode())
        self.write(exchange_id, RecordKind.RESPONSE_BODY, body)

    def end(self, exchange_id: bytes, ended: Ended = Ended.COMPLETE) -> bytes:
        self.write(exchange_id, RecordKind.END, End(ended=ended).encode())
        return exchange_id

    def whole(self, body: bytes = b"answer", headers: Headers = ()) -> bytes:
        exchange_id = self.begin(headers=headers)
        self.answer(exchange_id, body)
        return self.end(exchange_id)

    def call(
        self, text: str = "hi", headers: Headers = (), exchange_id: bytes | None = None, **answer: Any
    ) -> bytes:
        """A chat completion, asked and answered."""
        exchange_id = self.begin(asked(text), headers, exchange_id)
        self.answer(exchange_id, told(f"You said {text}", **answer))
        return self.end(exchange_id)

    def fact(self, fact: FactType, **fields: Any) -> bytes:
        fact_id = self.writer.make_id()
        self.write(fact_id, RecordKind.FACT, encode_fact(fact, time.time_ns(), **fields))
        return fact_id

    def write(self, exchange_id: bytes, kind: RecordKind, content: bytes) -> None:
        self.writer.append([Record(kind, exchange_id, time.monotonic_ns(), content)])
