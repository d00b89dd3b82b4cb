"""
Grouping of recorded traffic: all ids and headers removed, the calls of many runs interleaved at random, the
order within a run kept. Each test prints a table of what its rules did (`pytest -s`).
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from arc_proxy.journal.record import Ended
from arc_proxy.prefix import NO_PREFIX
from arc_proxy.runs.clues import Clues, Sent, read_clues
from arc_proxy.runs.grouper import Grouper
from arc_proxy.runs.trail import Trail
from arc_proxy.wire.exchange import HttpExchange, read_exchange

pytestmark = pytest.mark.corpus

SECOND_NS = 1_000_000_000
SEEDS = (1, 2, 3)
RUNS_AT_ONCE = 100
LEAST_WITHOUT_IDS = 0.97
CHAT_URL = "https://api.openai.com/v1/chat/completions"


@dataclass(frozen=True)
class Recorded:
    """One run as it went over the wire."""

    name: str
    source: str
    calls: tuple[HttpExchange, ...]
    has_fork: bool = False


@dataclass
class Score:
    runs: int
    calls: int
    precision: float
    recall: float
    forks_split: int
    forks: int
    rules: Counter[str]

    def line(self, source: str) -> str:
        rules = ", ".join(f"{rule} {count}" for rule, count in self.rules.most_common())
        return (
            f"{source[:44]:44} {self.runs:5} {self.calls:6} {self.precision:9.4f} {self.recall:9.4f}"
            f" {self.forks_split:3} of {self.forks:<3} {rules}"
        )


HEAD = f"\n{'source':44} {'runs':>5} {'calls':>6} {'precision':>9} {'recall':>9} {'forks split':10} by rule"


def clues_of(exchange: HttpExchange, call_id: str, started_ns: int) -> Clues:
    reading = read_exchange(exchange)
    path = "/" + exchange.url.partition("://")[2].partition("/")[2]
    clues, malformed = read_clues(
        Sent(
            call_id=call_id,
            started_ns=started_ns,
            duration_ns=SECOND_NS // 100,
            method=exchange.method,
            url=exchange.url,
            target=path,
            prefix=NO_PREFIX,
            headers=(),
            body=exchange.request_body,
            kind=reading.kind,
            endpoint=reading.endpoint,
            prompt=reading.prompt,
            reply=reading.reply,
            status=exchange.status,
            ended=Ended.COMPLETE,
        )
    )
    assert not malformed
    return clues


def interleave(runs: Sequence[Recorded], rng: random.Random) -> Iterator[tuple[int, HttpExchange]]:
    """The calls of all runs, each run's in order: whose turn it is, is drawn by how many it has left."""
    turns = [number for number, run in enumerate(runs) for _ in run.calls]
    rng.shuffle(turns)
    left = [iter(run.calls) for run in runs]
    for number in turns:
        yield number, next(left[number])


def group(runs: Sequence[Recorded], seed: int) -> tuple[list[tuple[int, str]], Counter[str]]:
    """Of each call which run it is from, and which it was put into."""
    grouper = Grouper(Trail())
    placed: dict[str, int] = {}
    found: dict[str, str] = {}
    members: defaultdict[str, list[str]] = defaultdict(list)
    rules: Counter[str] = Counter()
    for place, (number, exchange) in enumerate(interleave(runs, random.Random(seed))):
        call_id = f"c{place}"
        placement = grouper.place(clues_of(exchange, call_id, place * SECOND_NS))
        placed[call_id] = number
        found[call_id] = placement.grouping.run_id
        members[placement.grouping.run_id].append(call_id)
        rules[placement.grouping.rule] += 1
        for move in placement.moves:
            rules["moved"] += 1
            moved = members.pop(move.old_run_id)
            members[move.run_id] += moved
            found |= dict.fromkeys(moved, move.run_id)
    return [(placed[call_id], run_id) for call_id, run_id in found.items()], rules


def score(runs: Sequence[Recorded], seed: int) -> Score:
    pairs, rules = group(runs, seed)
    return count(runs, pairs, rules)


def count(runs: Sequence[Recorded], pairs: list[tuple[int, str]], rules: Counter[str]) -> Score:
    def pairs_in(sizes: Iterable[int]) -> int:
        return sum(size * (size - 1) // 2 for size in sizes)

    # Parts of one recording may be one run: a team's members have message lists of their own.
    right = pairs_in(Counter((runs[number].name, run_id) for number, run_id in pairs).values())
    together = pairs_in(Counter(pairs).values())
    put = pairs_in(Counter(run_id for _, run_id in pairs).values())
    true = pairs_in(Counter(number for number, _ in pairs).values())
    into: defaultdict[int, set[str]] = defaultdict(set)
    for number, run_id in pairs:
        into[number].add(run_id)
    forks = [number for number, run in enumerate(runs) if run.has_fork]
    return Score(
        runs=len(runs),
        calls=len(pairs),
        precision=right / put if put else 1.0,
        recall=together / true if true else 1.0,
        forks_split=sum(len(into[number]) > 1 for number in forks),
        forks=len(forks),
        rules=rules,
    )


# Recorded sequences of exchanges.


def _body(exchange: dict[str, Any], side: str) -> bytes:
    encoded = exchange.get(f"{side}_body_b64")
    return base64.b64decode(encoded) if encoded else (exchange[f"{side}_body"] or "").encode()


def _http(exchange: dict[str, Any]) -> HttpExchange:
    content_type = exchange["response_headers"].get("content-type")
    return HttpExchange(
        method=exchange["method"],
        url=exchange["url"],
        request_body=_body(exchange, "request"),
        status=exchange["status"],
        response_headers=(("content-type", content_type),) if content_type else (),
        response_body=_body(exchange, "response"),
    )


@pytest.fixture(scope="module")
def exchanges(shared: Path) -> dict[str, HttpExchange]:
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        return {exchange["id"]: _http(exchange) for exchange in map(orjson.loads, lines)}


def sequences(shared: Path, file: str, exchanges: dict[str, HttpExchange]) -> list[Recorded]:
    """
    Those that nothing but chance could take for another: some tests were recorded twice with the same
    requests and the same replies, of which the first is taken.
    """
    entries = json.loads((shared / "wire" / file).read_text())
    seen: set[object] = set()
    runs = []
    for entry in entries:
        calls = tuple(exchanges[call_id] for call_id in entry["ids"])
        first = clues_of(calls[0], "c", 0)
        look = first.issued[:1] or first.body_key
        if entry["confidence"] == "high" and look not in seen:
            seen.add(look)
            name = f"{entry['repo']}/{entry['path']}".replace(*GOES_ON_FROM)
            runs.append(Recorded(name, entry["endpoint"][0], calls, has_fork=not entry["linear"]))
    return runs


# The second of these quotes the replies of the first: one conversation, recorded in two files.
GOES_ON_FROM = ("sql_active_record2", "sql_active_record")
# The least of precision and recall.
LEAST = {"sequences.json": (0.99, 0.95), "sequences_pairs.json": (0.99, 0.95)}


@pytest.mark.parametrize("file", LEAST)
def test_recorded_sequences_come_out_as_they_were(
    shared: Path, exchanges: dict[str, HttpExchange], file: str
) -> None:
    runs = sequences(shared, file, exchanges)
    print(HEAD)
    for seed in SEEDS:
        found = score(runs, seed)
        print(found.line(f"{file}, seed {seed}"))
        precision, recall = LEAST[file]
        assert found.precision >= precision
        assert found.recall >= recall
        assert found.forks_split == 0


# Recorded runs of agents, as their calls would have gone over the wire.


def calls_of(run: dict[str, Any]) -> tuple[HttpExchange, ...]:
    """One for each reply. One that stands before all users' messages was canned: nobody asked for it."""
    calls = []
    messages = run["messages"]
    for place, message in enumerate(messages):
        before = messages[:place]
        if message["role"] != "assistant" or all(each["role"] != "user" for each in before):
            continue
        body = {"model": run["model"], "messages": before} | ({"tools": run["tools"]} if run["tools"] else {})
        answer = {"model": run["model"], "choices": [{"message": message, "finish_reason": "stop"}]}
        calls.append(
            HttpExchange(
                method="POST",
                url=CHAT_URL,
                request_body=orjson.dumps(body),
                status=200,
                response_headers=(("content-type", "application/json"),),
                response_body=orjson.dumps(answer),
            )
        )
    return tuple(calls)


@dataclass(frozen=True)
class Group:
    name: str
    runs: tuple[dict[str, Any], ...]

    @property
    def has_ids(self) -> bool:
        return all(
            message.get("tool_calls") and not run["synthetic_tool_ids"]
            for run in self.runs
            for message in run["messages"]
            if message["role"] == "assistant" and message.get("tool_calls") is not None
        ) and any(message.get("tool_calls") for run in self.runs for message in run["messages"])


def groups_of(shared: Path) -> list[Group]:
    """Runs of one agent, up to 100 at once."""
    by_agent: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(shared / "runs" / "runs.jsonl.gz") as lines:
        for run in map(orjson.loads, lines):
            name = f"{run['framework']} {run['model']} {run['domain']} {run['source'].rpartition('/')[2]}"
            by_agent[name].append(run)
    return [
        Group(name, tuple(runs[start : start + RUNS_AT_ONCE]))
        for name, runs in sorted(by_agent.items())
        for start in range(0, len(runs), RUNS_AT_ONCE)
        if len(runs) - start > 1
    ]


def test_runs_of_one_agent_come_apart(shared: Path) -> None:
    print(HEAD)
    short: list[str] = []
    for group_of_runs in groups_of(shared):
        runs = [
            Recorded(run["run_id"], group_of_runs.name, calls)
            for run in group_of_runs.runs
            if (calls := calls_of(run))
        ]
        if len(runs) < 2:
            continue
        found = score(runs, seed=1)
        print(found.line(group_of_runs.name))
        wanted = 0.99 if group_of_runs.has_ids else LEAST_WITHOUT_IDS
        if min(found.precision, found.recall) < wanted:
            short.append(found.line(group_of_runs.name))
    assert not short, "\n".join(short)
