"""
Results of tools in recorded runs, against what the environment itself flagged as an error.

The domains with flags are two. One's flags leave out a message that says the tool was not used as it should
be; it counts as the error that it is. `pytest -s` prints the table.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from analysis.tool_result import Verdict, read_tool_result

pytestmark = pytest.mark.corpus

FLAGS = {"tau2-flag", "intercode-flag"}
LEAST = {"retail-support": (0.98, 0.99), "code-sql": (0.95, 0.99)}  # precision, recall
UNFLAGGED = "action did not contain"


def test_errors_are_told_from_answers(shared: Path) -> None:
    found: dict[str, Counter[tuple[bool, bool]]] = {domain: Counter() for domain in LEAST}
    with gzip.open(shared / "runs" / "runs.jsonl.gz", "rt", encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines]
    flags = [{label["index"] for label in run["labels"] if label["taxonomy"] in FLAGS} for run in runs]
    flagging = {run["source"] for run, flagged in zip(runs, flags, strict=True) if flagged}
    for run, flagged in zip(runs, flags, strict=True):
        if run["domain"] not in LEAST or run["source"] not in flagging:
            continue
        for index, message in enumerate(run["messages"]):
            if message["role"] == "tool":
                text = message["content"] or ""
                is_error = index in flagged or UNFLAGGED in text
                read = read_tool_result(text).verdict is Verdict.ERROR
                found[run["domain"]][is_error, read] += 1
    for domain, (precision, recall) in LEAST.items():
        counts = found[domain]
        right, wrong, missed = counts[True, True], counts[False, True], counts[True, False]
        print(f"{domain:16} {right:4} right, {wrong} wrong, {missed} missed of {counts.total()}")
        assert right > 100
        assert right / (right + wrong) >= precision
        assert right / (right + missed) >= recall
