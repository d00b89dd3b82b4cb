"""
What is said of a context window, held against recorded runs of agents: with a window put where a run is some
turns later. `pytest -s` prints the table.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from statistics import median

import pytest

from analysis.context_eta import Turn, context_eta

pytestmark = pytest.mark.corpus

LATER_MAX = 8
TWICE_MIN = 0.75  # of the claims, which are not off by more than a factor of two and a turn


def test_about_so_many_turns_are_left(shared: Path) -> None:
    claims: dict[int, list[int]] = {later: [] for later in range(1, LATER_MAX + 1)}
    with gzip.open(shared / "runs" / "runs.jsonl.gz", "rt", encoding="utf-8") as lines:
        for run in map(json.loads, lines):
            tokens = [each["prompt_tokens"] for each in run["wire"] if each.get("prompt_tokens")]
            turns = [Turn(at, each) for at, each in enumerate(tokens)]
            for now in range(3, len(turns)):
                for later in range(1, min(LATER_MAX + 1, len(turns) - now)):
                    window = turns[now + later].input_tokens
                    found = context_eta(turns[: now + 1], run_id="r", model="m", window=window)
                    if found is not None:
                        claims[later].append(found.turns_left)
    for later, said in claims.items():
        said.sort()
        near = sum(later / 2 - 1 <= each <= 2 * later + 1 for each in said) / len(said)
        tenths = said[len(said) // 10], said[len(said) * 9 // 10]
        print(
            f"{later} turns later: {len(said)} claims, {median(said):g} in the median, {tenths}, {near:.0%}"
        )
        assert near > TWICE_MIN
        assert abs(median(said) - later) <= 1 + later / 4
