"""
What a report costs when much has been kept: `python -m tests.bench.report --calls 1000000`.

Generates calls of 20 agents over 60 days straight into a store (about four minutes a million), then runs
`arc-proxy report` on it and prints its CPU beside that of the imports alone. `--keep FOLDER` keeps the data.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from arc_proxy.call import Call, Grouping, Kind, Prompt, Reply
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.journal.record import Ended, id_text, make_exchange_id
from arc_proxy.store.engine import open_store
from arc_proxy.store.write import save
from pricing.book import load_book
from pricing.cost import price_call
from pricing.usage import normalise_usage

DAY_NS = 86_400 * 1_000_000_000
MODELS = ["gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-4.1", "a-model-without-a-price"]
CALLS_PER_RUN = 10
REPEATS = 5


def limit_headers(dice: random.Random) -> tuple[tuple[str, str], ...]:
    left = dice.randrange(150_000, 200_000)
    return (
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "200000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", str(left)),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", f"{(200_000 - left) * 60 / 200_000:.3f}s"),
    )


def generated_calls(count: int, days: int = 60) -> Iterator[Call]:
    dice, book, end_ns = random.Random(11), load_book(), time.time_ns()
    for number in range(count):
        started_ns = end_ns - int((1 - number / count) * days * DAY_NS)
        run, model = number // CALLS_PER_RUN, MODELS[number // CALLS_PER_RUN % len(MODELS)]
        raw = {"prompt_tokens": dice.randrange(200, 9000), "completion_tokens": dice.randrange(20, 900)}
        raw["total_tokens"] = raw["prompt_tokens"] + raw["completion_tokens"]
        usage, grade = normalise_usage(raw, dialect="openai.chat", provider="openai")
        failed = dice.random() < 0.02
        yield Call(
            call_id=id_text(make_exchange_id(started_ns // 1_000_000, 1, number)),
            writer="00000001",
            grouping=Grouping(run_id=f"run-{run}", agent=f"agent-{run % 20}", rule="header", confidence=1.0),
            provider="openai",
            dialect="openai.chat",
            endpoint="chat.completions",
            kind=Kind.GENERATION,
            method="POST",
            target="/openai/v1/chat/completions",
            url="https://api.openai.com/v1/chat/completions",
            started_ns=started_ns,
            first_byte_ns=dice.randrange(100, 900) * 1_000_000,
            duration_ns=dice.randrange(900, 30_000) * 1_000_000,
            status=500 if failed else 200,
            ended=Ended.COMPLETE,
            prompt=Prompt(model=model),
            reply=Reply(model=model, finish_reason="stop", usage=raw, finished=True),
            usage=usage,
            usage_grade=grade,
            response_headers=limit_headers(dice),
            cost=price_call(
                book,
                usage,
                grade,
                provider="openai",
                model=model,
                at=datetime.fromtimestamp(started_ns // 10**9, UTC),
                raw_usage=raw,
            ),
        )


def cpu_of(command: list[str]) -> float:
    """CPU seconds of a command, the least of a few runs."""
    least = float("inf")
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        least = min(least, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="generate into this folder, and leave it")
    parser.add_argument("--analysis", action="store_true", help="look for failures (20 minutes a million)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="arc-bench-report-") as folder:
        data_dir = options.keep or Path(folder)
        if not (data_dir / "arc.db").exists():
            store = open_store(data_dir / "arc.db")
            calls, done = generated_calls(options.calls), 0
            while batch := list(islice(calls, 500)):
                save(store, batch)
                done += len(batch)
                print(f"\r{done:,} of {options.calls:,}", end="", file=sys.stderr)
            if options.analysis:
                analyse_due(store, load_book(), time.time_ns())
            store.close()
        command = str(Path(sys.executable).parent / "arc-proxy")
        empty = Path(folder) / "empty"
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        imports = cpu_of([command, "report", "--data-dir", str(empty)])
        default = cpu_of([command, "report", "--data-dir", str(data_dir)])
        everything = cpu_of([command, "report", "--since", "90d", "--data-dir", str(data_dir)])
        print(f"`arc-proxy --help`: {cpu_of([command, '--help']) * 1000:.0f} ms of CPU")
        print(
            f"`arc-proxy report` on {options.calls:,} calls: {(default - imports) * 1000:.0f} ms of CPU "
            f"beside {imports * 1000:.0f} ms for an empty folder; "
            f"{(everything - imports) * 1000:.0f} ms for 90 days"
        )


if __name__ == "__main__":
    main()
