"""
How fast the journal becomes rows, and what a row costs on disk: `python -m tests.bench.ingest`.

Two kinds of calls: the bench's own (4 KB request, 0.7 KB reply, every prompt different), and the steps of a
20-step agent loop that re-sends its history (48 KB on average).
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from arc_proxy.ingest.worker import catch_up
from arc_proxy.journal.head import End, RequestHead, ResponseHead
from arc_proxy.journal.record import Ended, Record, RecordKind
from arc_proxy.journal.writer import SegmentWriter
from arc_proxy.store.engine import open_store
from pricing.book import load_book
from tests.bench.targets import request_body

WORDS = ["the", "agent", "reads", "a", "file", "price", "volume", "ticker", "report", "error", "of", "to"]
STEPS = 20
REQUEST_HEADERS = (
    (b"Host", b"127.0.0.1:8000"),
    (b"Content-Type", b"application/json"),
    (b"User-Agent", b"OpenAI/Python 3.54.0"),
    (b"Authorization", b"Bearer cut-1a2b3c4d"),
    (b"x-stainless-lang", b"python"),
    (b"x-stainless-package-version", b"3.54.0"),
)
RESPONSE = ResponseHead(
    origin="upstream",
    status=200,
    reason=b"OK",
    version=b"HTTP/1.1",
    headers=((b"Content-Type", b"application/json"), (b"x-request-id", b"req_bench")),
)


@dataclass(frozen=True, slots=True)
class Exchange:
    request: bytes
    response: bytes
    run_id: str | None = None


def plain_calls(count: int) -> Iterator[Exchange]:
    template = json.loads(request_body(4096))
    for number in range(count):
        template["messages"][-1]["content"] = f"{number}: how does a proxy see the calls?"
        yield Exchange(
            json.dumps(template).encode(),
            _answer({"role": "assistant", "content": "A proxy beside the agent sees each call. " * 8}),
        )


def loop_calls(count: int) -> Iterator[Exchange]:
    dice = random.Random(7)
    tools = [_tool(number, dice) for number in range(12)]
    for loop in range(count // STEPS):
        messages = [
            {"role": "system", "content": _text(dice, 6000)},
            {"role": "user", "content": f"Task {loop}"},
        ]
        for step in range(STEPS):
            body = {"model": "gpt-4o-mini", "messages": messages, "tools": tools}
            said = _asks(step, loop, dice)
            yield Exchange(json.dumps(body).encode(), _answer(said), f"loop-{loop}")
            result = {"role": "tool", "tool_call_id": f"call_{loop}_{step}", "content": _text(dice, 3400)}
            messages = [*messages, said, result]


def _text(dice: random.Random, size: int) -> str:
    words = [
        f"{dice.choice(WORDS)}{dice.randrange(1000) if dice.random() < 0.2 else ''}" for _ in range(size // 5)
    ]
    return " ".join(words)[:size]


def _tool(number: int, dice: random.Random) -> dict[str, object]:
    fields = {f"field_{n}": {"type": "string", "description": _text(dice, 80)} for n in range(4)}
    schema = {"type": "object", "properties": fields}
    return {"type": "function", "function": {"name": f"tool_{number}", "parameters": schema}}


def _asks(step: int, loop: int, dice: random.Random) -> dict[str, object]:
    """A step's answer: some words and a tool call."""
    arguments = json.dumps({"field_0": str(step), "field_1": _text(dice, 200)})
    function = {"name": f"tool_{step % 12}", "arguments": arguments}
    calls = [{"id": f"call_{loop}_{step}", "type": "function", "function": function}]
    return {"role": "assistant", "content": _text(dice, 60), "tool_calls": calls}


def _answer(message: dict[str, object]) -> bytes:
    usage = {"prompt_tokens": 912, "completion_tokens": 64, "total_tokens": 976}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps(
        {"id": "c", "model": "gpt-4o-mini-2024-07-18", "choices": [choice], "usage": usage}
    ).encode()


def write_journal(journal_dir: Path, exchanges: Iterator[Exchange]) -> int:
    """Record the exchanges; returns the bytes of their requests."""
    total = 0
    with SegmentWriter(journal_dir) as writer:
        for exchange in exchanges:
            named = ((b"x-arc-run-id", exchange.run_id.encode()),) if exchange.run_id else ()
            head = RequestHead(
                upstream="openai",
                url="https://api.openai.com/v1/chat/completions",
                connection=1,
                method=b"POST",
                target=b"/openai/v1/chat/completions",
                version=b"HTTP/1.1",
                headers=REQUEST_HEADERS + named,
            )
            exchange_id = writer.make_id()
            parts = [
                (RecordKind.REQUEST_HEAD, head.encode()),
                (RecordKind.REQUEST_BODY, exchange.request),
                (RecordKind.RESPONSE_HEAD, RESPONSE.encode()),
                (RecordKind.RESPONSE_BODY, exchange.response),
                (RecordKind.END, End(ended=Ended.COMPLETE).encode()),
            ]
            writer.append(Record(kind, exchange_id, time.monotonic_ns(), content) for kind, content in parts)
            total += len(exchange.request)
    return total


def measure(name: str, exchanges: Iterator[Exchange], count: int, *, analysis: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="arc-bench-ingest-") as folder:
        data_dir = Path(folder) / "data"
        (data_dir / "journal").mkdir(parents=True, mode=0o700)
        request_bytes = write_journal(data_dir / "journal", exchanges)
        book = load_book()
        store = open_store(data_dir / "arc.db")
        started, cpu = time.perf_counter(), time.process_time()
        caught = catch_up(data_dir, store, book, derive=analysis)
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
        assert caught.calls == count, caught
        store.close()
        stored = sum(file.stat().st_size for file in data_dir.glob("arc.db*"))
        print(
            f"{name}, analysis {'on' if analysis else 'off'}: {count / cpu_s:,.0f} calls/s of CPU "
            f"({cpu_s / count * 1e6:.0f} us each), {count / wall_s:,.0f}/s of time; "
            f"{stored / count:,.0f} bytes stored for {request_bytes / count:,.0f} of request"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10_000)
    count = parser.parse_args().calls // STEPS * STEPS
    for analysis in (False, True):
        measure("bench call", plain_calls(count), count, analysis=analysis)
        measure("20-step agent loop", loop_calls(count // 5), count // 5, analysis=analysis)


if __name__ == "__main__":
    main()
