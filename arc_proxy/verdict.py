"""
May this request go on? What a gateway asks the console before it forwards a call, where guards are enforced.
Standard library only, no I/O.

Both ends of a Unix socket send lines of JSON, one for each question and one for each verdict, in any order:

    {"id": 7, "agent": "finance", "run": "8f3a", "budget_nanousd": null}
    {"id": 7, "code": null, "message": ""}
    {"id": 7, "code": "run_budget_spent", "message": "Run 8f3a has cost $0.52 of its budget of $0.50. ..."}
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# Longer than this no request waits for a verdict; it goes on without one.
WAIT_S = 0.1
LINE_BYTES_MAX = 16 * 1024

BUDGET_FIELD = "x-arc-budget-usd"
_USD = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,12})?|\.[0-9]{1,12}")
_USD_MAX = Decimal(1_000_000)
_NANOUSD_PER_USD = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who asks, as far as headers and prefixes name it; `budget_nanousd`: the request's own, None: none."""

    agent: str | None = None
    run_id: str | None = None
    budget_nanousd: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code` None: go on. Else `code` is for programs, `message` says to people why not and what to do."""

    code: str | None = None
    message: str = ""


GO_ON = Verdict()


def question_line(number: int, question: Question) -> bytes:
    return _line(id=number, agent=question.agent, run=question.run_id, budget_nanousd=question.budget_nanousd)


def verdict_line(number: int, verdict: Verdict) -> bytes:
    return _line(id=number, code=verdict.code, message=verdict.message)


def read_question(line: bytes) -> tuple[int, Question]:
    """Raises ValueError for what `question_line` did not make."""
    number, said = _read(line)
    agent, run_id, budget = said.get("agent"), said.get("run"), said.get("budget_nanousd")
    if not isinstance(agent, str | None) or not isinstance(run_id, str | None):
        raise ValueError("an agent and a run are names")
    if not isinstance(budget, int | None):
        raise ValueError("a budget is a whole number of nanodollars")
    return number, Question(agent=agent, run_id=run_id, budget_nanousd=budget)


def read_verdict(line: bytes) -> tuple[int, Verdict]:
    """Raises ValueError for what `verdict_line` did not make."""
    number, said = _read(line)
    code, message = said.get("code"), said.get("message")
    if not isinstance(code, str | None) or not isinstance(message, str):
        raise ValueError("a verdict is a code and a message")
    return number, Verdict(code, message)


def budget_nanousd(text: str) -> int | None:
    """What `x-arc-budget-usd` says, in nanodollars; None if it is no sum of 0 to a million dollars."""
    if not _USD.fullmatch(text.strip()):
        return None
    usd = Decimal(text.strip())
    return int(usd * _NANOUSD_PER_USD) if usd <= _USD_MAX else None


def _line(**said: object) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def _read(line: bytes) -> tuple[int, dict[str, Any]]:
    said = json.loads(line)
    if not isinstance(said, dict) or type(said.get("id")) is not int:
        raise ValueError("a line has an id")
    return said["id"], said
