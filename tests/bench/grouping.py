"""
What grouping costs: `python -m tests.bench.grouping`.

CPU per call of reading clues and placing the call, at a history of 20 messages and at others, and the memory
of a full trail. The history is new to the process but for what an agent sends again with each step, so
gists are remembered as they are while ingest runs. The second figure is without the gists of the messages
that are new: parsing, normalising and hashing them. What reads the exchange and hashes its messages for the
store is in neither.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Iterator

from arc_proxy.runs.clues import Sent, read_clues
from arc_proxy.runs.gist import read_gist
from arc_proxy.runs.grouper import Grouper
from arc_proxy.runs.trail import CALLS_MAX, Trail
from tests.runs.conversation import SECOND_NS, Agent, Step, sent_of

ROUNDS = 20
AGENTS = 40
HISTORIES = (2, 10, 20, 40)


def agent(number: int, calls: int) -> Agent:
    steps = [
        Step(text=f"Step {step} of task {number}: look up what is known.", tool=f"item {number}.{step}")
        for step in range(calls)
    ]
    return Agent(task=f"Do task {number} in {calls} steps.", steps=steps)


def exchanges(calls: int, first: int) -> Iterator[Sent]:
    """The calls of all agents in turn."""
    agents = [agent(first + number, calls) for number in range(AGENTS)]
    place = 0
    for turn in zip(*[each.calls() for each in agents], strict=True):
        for one, (request, response) in zip(agents, turn, strict=True):
            call_id = f"{first}-{place}"
            yield sent_of(one, request, response, call_id=call_id, started_ns=place * SECOND_NS)
            place += 1


def cost_us(messages: int, first: int, *, with_gists: bool) -> float:
    """Of the calls whose requests have about so many messages."""
    calls = messages // 2
    sent = list(exchanges(calls, first))
    before, measured = sent[:-AGENTS], sent[-AGENTS:]
    grouper = Grouper(Trail())
    for each in before:
        grouper.place(read_clues(each)[0])
    if not with_gists:
        for each in measured:
            for message in (*each.prompt.messages, each.reply.message or b""):
                read_gist(message)
    began = time.process_time()
    for each in measured:
        clues, _ = read_clues(each)
        grouper.wanted([clues])
        grouper.place(clues)
    return (time.process_time() - began) / len(measured) * 1e6


def full_trail_mb() -> float:
    tracemalloc.start()
    grouper = Grouper(Trail())
    before = tracemalloc.get_traced_memory()[0]
    first = 0
    placed = 0
    while placed < CALLS_MAX:
        for each in exchanges(5, first):
            grouper.place(read_clues(each)[0])
            placed += 1
        first += AGENTS
    return (tracemalloc.get_traced_memory()[0] - before) / 1e6


def main() -> None:
    print("| messages in the request | CPU us per call | beyond hashing its new messages |")
    print("|---|---|---|")
    first = 10_000
    for messages in HISTORIES:
        row = []
        for with_gists in (True, False):
            costs = []
            for _ in range(ROUNDS):
                costs.append(cost_us(messages, first, with_gists=with_gists))
                first += AGENTS
            row.append(f"{min(costs):.0f} (median {statistics.median(costs):.0f})")
        print(f"| {messages} | {' | '.join(row)} |")
    print(f"\na trail of {CALLS_MAX:,} calls, with remembered gists: {full_trail_mb():.0f} MB")


if __name__ == "__main__":
    main()
