"""
Regrouping a store that other rules had grouped: `python -m tests.bench.regroup --calls 1000000`.

Generates agents' calls with their messages, each call a run of its own as a version without rules would have
left it, regroups them (`--kill N`: killed N times on the way), and checks that old ids lead to the new runs
and that the rollups are what the rows say. `--keep FOLDER` keeps the data.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import orjson

from arc_proxy.call import Call, Grouping, Kind
from arc_proxy.journal.record import Ended, id_text, make_exchange_id
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.read import find, iter_calls
from arc_proxy.store.rollup import check
from arc_proxy.store.write import save
from arc_proxy.wire.exchange import HttpExchange, read_exchange
from pricing.book import load_book
from pricing.cost import price_call
from pricing.usage import normalise_usage
from tests.runs.conversation import SECOND_NS, URLS, Agent, Step

CALLS_PER_RUN = 5
RUNS_AT_ONCE = 20
CHECKED_IDS = 200


def agents(first: int) -> list[Agent]:
    return [
        Agent(
            task=f"Look up item {number} and what belongs to it.",
            steps=[
                Step(text=f"Step {step} of {number}: I look further.", tool=f"item {number}.{step}")
                for step in range(CALLS_PER_RUN)
            ],
        )
        for number in range(first, first + RUNS_AT_ONCE)
    ]


def generated_calls(count: int) -> Iterator[Call]:
    book = load_book()
    began_ns = time.time_ns() - count * SECOND_NS
    number = 0
    raw = {"prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990}
    usage, grade = normalise_usage(raw, dialect="openai.chat", provider="openai")
    cost = price_call(
        book, usage, grade, provider="openai", model="gpt-5", at=datetime.now(UTC), raw_usage=raw
    )
    for first in range(0, count, RUNS_AT_ONCE):
        for turn in zip(*[each.calls() for each in agents(first)], strict=True):
            for request, response in turn:
                if number == count:
                    return
                started_ns = began_ns + number * SECOND_NS
                call_id = id_text(make_exchange_id(started_ns // 1_000_000, 1, number))
                reading = read_exchange(
                    HttpExchange(
                        method="POST",
                        url=URLS["openai.chat"],
                        request_body=orjson.dumps(request),
                        status=200,
                        response_body=orjson.dumps(response),
                    )
                )
                yield Call(
                    call_id=call_id,
                    writer="00000001",
                    grouping=Grouping(run_id=f"r-{call_id}"),
                    provider="openai",
                    dialect=reading.dialect,
                    endpoint=reading.endpoint,
                    kind=Kind.GENERATION,
                    method="POST",
                    target="/openai/v1/chat/completions",
                    url=URLS["openai.chat"],
                    started_ns=started_ns,
                    first_byte_ns=SECOND_NS // 10,
                    duration_ns=SECOND_NS // 5,
                    status=200,
                    ended=Ended.COMPLETE,
                    prompt=reading.prompt,
                    reply=reading.reply,
                    usage=usage,
                    usage_grade=grade,
                    cost=cost,
                )
                number += 1


def generate(data_dir: Path, count: int) -> None:
    store = open_store(data_dir / "arc.db")
    calls, done = generated_calls(count), 0
    while batch := list(islice(calls, 500)):
        save(store, batch)
        done += len(batch)
        print(f"\rgenerated {done:,} of {count:,}", end="", file=sys.stderr)
    store.close()
    print(file=sys.stderr)


def regroup(data_dir: Path, kills: int) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of `arc-proxy db regroup`, all its tries together."""
    command = [str(Path(sys.executable).parent / "arc-proxy"), "db", "regroup", "--data-dir", str(data_dir)]
    dice = random.Random(7)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(kills):
        process = subprocess.Popen([*command, "--json"], stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=dice.uniform(2, 12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    done = subprocess.run([*command, "--json"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.loads(done.stdout))
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, after.ru_maxrss / 1024


def lost_ids(store: Store, count: int) -> int:
    """Of some ids that runs had before, how many lead nowhere."""
    some = islice(iter_calls(store), 0, count, max(1, count // CHECKED_IDS))
    return sum(not any(match.noun == "run" for match in find(store, f"r-{row.call_id}")) for row in some)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--kill", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="generate into this folder, and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="arc-bench-regroup-") as folder:
        data_dir = options.keep or Path(folder)
        if not (data_dir / "arc.db").exists():
            generate(data_dir, options.calls)
        spent, memory = regroup(data_dir, options.kill)
        store = open_store(data_dir / "arc.db")
        lost, wrong = lost_ids(store, options.calls), check(store)
        store.close()
        print(
            f"{options.calls:,} calls regrouped in {spent:.0f} s of CPU, {memory:.0f} MB; "
            f"{lost} of {CHECKED_IDS} old ids lead nowhere; rollups: {wrong}"
        )


if __name__ == "__main__":
    main()
