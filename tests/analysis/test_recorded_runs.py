"""
Rules that look at whole runs, on recorded ones: how often they speak, and where they have to be silent.

A cap on steps is put in: each run is cut at a number of calls that many of its group go beyond. `pytest -s`
prints what is found.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.earlier import EarlierRun
from analysis.failure import HINTS, Failure, FailureCode
from analysis.run_failure import run_failures
from arc_proxy.call import Call
from tests.analysis.talk import run_of

pytestmark = pytest.mark.corpus

CAP = 12
# Seen: ids made up in 3 % of the runs of agents that look things up by id, and in none of others.
MADE_UP_MAX = {"retail-support": 0.05}


@pytest.fixture(scope="module")
def recorded(shared: Path) -> list[tuple[dict[str, Any], list[Call]]]:
    with gzip.open(shared / "runs" / "runs.jsonl.gz", "rt", encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines]
    return [(run, run_of(*map(_spoken, run["messages"]), tools=run["tools"])) for run in runs]


def _spoken(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if value is not None or name == "content"}


def test_ids_are_seldom_made_up(recorded):
    runs: Counter[str] = Counter()
    having: Counter[str] = Counter()
    for run, calls in recorded:
        found = [
            each
            for each in run_failures(calls, is_over=True)
            if each.code is FailureCode.TOOL_ARGS_UNGROUNDED
        ]
        runs[run["domain"]] += 1
        having[run["domain"]] += bool(found)
        for each in found:
            print(run["run_id"], each.evidence)
    assert having["retail-support"] > 10
    assert all(having[domain] / runs[domain] <= MADE_UP_MAX.get(domain, 0.0) for domain in runs)


# Share of the runs of a domain in which a hint is seen, at most. Those who talk to people have them.
HINTED_MAX = {"retail-support": 0.1, "multi-agent-gaia": 0.05}


def test_hints_are_seldom_where_nobody_is_talked_to(recorded):
    runs: Counter[str] = Counter()
    having: Counter[tuple[str, str]] = Counter()
    for run, calls in recorded:
        runs[run["domain"]] += 1
        found = {each.code for each in run_failures(calls, is_over=True, hints=HINTS)} & HINTS
        having.update((run["domain"], code) for code in found)
    print(having)
    assert {code for _, code in having} == HINTS
    assert not [
        (domain, code, count)
        for (domain, code), count in having.items()
        if count / runs[domain] > HINTED_MAX.get(domain, 0.0)
    ]


def test_whoever_claims_a_change_without_a_call_did_not_make_it(recorded):
    """One agent's server parses no calls: only its claims are empty, and all that are found are its."""
    claiming = [
        run["run_id"]
        for run, calls in recorded
        for each in run_failures(calls, is_over=True, hints={FailureCode.CLAIM_WITHOUT_ACTION})
        if each.code is FailureCode.CLAIM_WITHOUT_ACTION
    ]
    unparsed = [run["run_id"] for run, calls in recorded if not any(each.reply.tool_calls for each in calls)]
    assert len(claiming) >= 5
    assert set(claiming) <= set(unparsed)


def _capped(
    recorded: list[tuple[dict[str, Any], list[Call]]], cap: int
) -> Iterator[tuple[bool, list[Failure]]]:
    """Of each run, whether it goes on beyond the cap, and the cap as it is found in what is left."""
    earlier: dict[tuple[str, ...], list[EarlierRun]] = defaultdict(list)
    for run, whole in recorded:
        calls = whole[:cap]
        before = earlier[run["domain"], run["framework"], run["model"]]
        latest = before[:-200:-1]
        found = run_failures(calls, is_over=True, earlier_runs=lambda latest=latest: latest) if calls else ()
        asks = tuple(made.name for made in calls[-1].reply.tool_calls) if calls else ()
        before.append(EarlierRun(steps=len(calls), input_tokens=1, cost_nanousd=None, asks=asks))
        yield len(whole) > cap, [each for each in found if each.code is FailureCode.STEP_CAP]


def test_a_cap_is_found_where_it_was_put_in_and_nowhere_else(recorded):
    found = Counter((is_cut, bool(caps)) for is_cut, caps in _capped(recorded, CAP))
    print(found)
    assert found[True, True] > 150
    assert found[False, True] == 0


def test_runs_without_a_cap_have_none(recorded):
    assert not [caps for _, caps in _capped(recorded, 1_000) if caps]
