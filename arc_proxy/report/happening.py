"""
What a timeline is made of: things that happened, one after the other; as JSON, too. Pure.

As JSON each is one object, and an object has every field of its type. Fields may be added, never renamed.

    {"type": "run", "run_id", "agent", "parent_run_id", "session_id", "framework", "started_at", "tags",
     "earlier_calls": how many of its calls are left out before the first that follows}
    {"type": "step", "run_id", "agent", "call_id", "attempt_of", "attempt", "auxiliary", "provider",
     "model", "tools": [names], "started_at", "in_progress", "status", "ended", "finish_reason",
     "first_byte_ms", "duration_ms", "input_tokens", "cached_input_tokens", "output_tokens", "cost_usd",
     "cost_grade"}
    {"type": "failure", "run_id", "agent", "call_id", "at", "code", "severity", "is_recovered", "times",
     "evidence", "issue_id"}
    {"type": "end", "run_id", "agent", "ended_at", "outcome", "outcome_source", "failed", "calls",
     "attempts", "errors", "input_tokens", "output_tokens", "cost_usd", "cost_grade"}

Times are RFC 3339 in UTC, money is a decimal string of dollars with nine places, what is not known is null. A
step is any call: `auxiliary` says what one was for that is none of the agent's own, `attempt_of` which call a
repeated one repeats. One that is `in_progress` comes again, under the same `call_id`, when it has ended. A
failure comes when analysis has found it, which is after its call. A run that goes on after its "end" gets
another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arc_proxy.export.rows import milliseconds, usd
from arc_proxy.journal.fact import rfc3339
from arc_proxy.store.timeline import RunTrace
from arc_proxy.store.views import FailureRow, RunRow, TracedCall
from pricing.usage import UsageGrade


@dataclass(frozen=True, slots=True)
class Began:
    run: RunRow
    earlier: int = 0  # of its calls, that are not shown


@dataclass(frozen=True, slots=True)
class Called:
    run: RunRow
    call: TracedCall


@dataclass(frozen=True, slots=True)
class Failed:
    run: RunRow
    row: FailureRow


@dataclass(frozen=True, slots=True)
class Ended:
    run: RunRow


Happening = Began | Called | Failed | Ended


def happenings_of(trace: RunTrace) -> tuple[Happening, ...]:
    """A run from its beginning, each failure behind the call that shows it."""
    run = trace.run
    shown = {call.line.call_id for call in trace.calls}
    by_call: dict[str, list[FailureRow]] = {}
    for row in trace.failures:
        by_call.setdefault(row.failure.call_id if row.failure.call_id in shown else "", []).append(row)
    found: list[Happening] = [Began(run, trace.earlier)]
    for call in trace.calls:
        found.append(Called(run, call))
        found += (Failed(run, row) for row in by_call.get(call.line.call_id, ()))
    found += (Failed(run, row) for row in by_call.get("", ()))
    return (*found, Ended(run)) if trace.is_over else tuple(found)


def happening_json(happening: Happening) -> dict[str, Any]:
    """One object of the form above."""
    match happening:
        case Began(run, earlier):
            return _of("run", run) | {
                "parent_run_id": run.parent_run_id,
                "session_id": run.session_id,
                "framework": run.framework,
                "started_at": rfc3339(run.started_ns),
                "tags": dict(run.tags),
                "earlier_calls": earlier,
            }
        case Called(run, call):
            return _of("step", run) | _step_json(call)
        case Failed(run, row):
            failure = row.failure
            return _of("failure", run) | {
                "call_id": failure.call_id or None,
                "at": rfc3339(row.at_ns),
                "code": str(failure.code),
                "severity": str(failure.severity),
                "is_recovered": failure.is_recovered,
                "times": failure.times,
                "evidence": failure.evidence,
                "issue_id": row.issue_key,
            }
        case Ended(run):
            return _of("end", run) | {
                "ended_at": rfc3339(run.ended_ns),
                "outcome": run.outcome,
                "outcome_source": run.outcome_source,
                "failed": run.failed,
                "calls": run.calls,
                "attempts": run.attempts,
                "errors": run.errors,
                "input_tokens": run.input_tokens,
                "output_tokens": run.output_tokens,
                "cost_usd": usd(run.cost_nanousd),
                "cost_grade": str(run.cost_grade),
            }


def _of(kind: str, run: RunRow) -> dict[str, Any]:
    return {"type": kind, "run_id": run.run_id, "agent": run.agent}


def _step_json(call: TracedCall) -> dict[str, Any]:
    line = call.line
    usage = None if line.usage_grade is UsageGrade.NONE else line.usage
    return {
        "call_id": line.call_id,
        "attempt_of": line.attempt_of,
        "attempt": line.attempt,
        "auxiliary": line.auxiliary,
        "provider": line.provider,
        "model": line.model or line.model_requested,
        "tools": [*call.tools, *line.server_tools],
        "started_at": rfc3339(line.started_ns),
        "in_progress": call.is_open,
        "status": line.status,
        "ended": None if call.is_open else str(line.ended),
        "finish_reason": line.finish_reason,
        "first_byte_ms": milliseconds(line.first_byte_ns),
        "duration_ms": milliseconds(line.duration_ns),
        "input_tokens": usage and usage.input_tokens,
        "cached_input_tokens": usage and usage.cache_read,
        "output_tokens": usage and usage.output_tokens,
        "cost_usd": usd(line.cost_nanousd),
        "cost_grade": str(line.cost_grade),
    }
