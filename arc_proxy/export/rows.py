"""
Rows of the store as the export writes them: the fields of `call.schema.json`, `run.schema.json` and
`failure.schema.json`, in order.

Fields may be added, never renamed. A token count is null where nothing is known of the usage, and a cost is
null where it is unknown: neither is ever a 0 that nobody has counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from arc_proxy.call import CallError
from arc_proxy.format import NANOUSD_PER_USD
from arc_proxy.journal.fact import rfc3339
from arc_proxy.store.views import CallRow, FailureRow, RunRow
from pricing.usage import UsageGrade

Row = dict[str, Any]


@cache
def load_schema(noun: str) -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of one exported object; `noun` is "call", "run" or "failure"."""
    schema: dict[str, Any] = json.loads(Path(__file__).with_name(f"{noun}.schema.json").read_bytes())
    return schema


def fields_of(noun: str) -> tuple[str, ...]:
    """The names of the fields, in the order of the export."""
    return tuple(load_schema(noun)["required"])


def export_call(call: CallRow) -> Row:
    usage = None if call.usage_grade is UsageGrade.NONE else call.usage
    return {
        "call_id": call.call_id,
        "attempt_of": call.attempt_of,
        "attempt": call.attempt,
        "session_id": call.session_id,
        "run_id": call.run_id,
        "parent_run_id": call.parent_run_id,
        "agent": call.agent,
        "grouping_rule": call.grouping_rule,
        "grouping_confidence": call.grouping_confidence,
        "provider": call.provider,
        "dialect": call.dialect,
        "endpoint": call.endpoint,
        "kind": str(call.kind),
        "stream": call.stream,
        "status": call.status,
        "started_at": rfc3339(call.started_ns),
        "first_byte_ms": milliseconds(call.first_byte_ns),
        "duration_ms": milliseconds(call.duration_ns),
        "model_requested": call.model_requested,
        "model": call.model,
        "finish_reason": call.finish_reason,
        "tool_calls": [
            {"id": each.id, "name": each.name, "arguments": each.arguments} for each in call.tool_calls
        ],
        "server_tools": list(call.server_tools),
        "output_text": call.output_text,
        "usage": call.usage_raw,
        "usage_grade": str(call.usage_grade),
        "input_tokens": usage and usage.input_tokens,
        "cached_input_tokens": usage and usage.cache_read,
        "cache_write_tokens": usage and usage.cache_write_tokens,
        "output_tokens": usage and usage.output_tokens,
        "reasoning_tokens": usage and usage.reasoning,
        "cost_usd": usd(call.cost_nanousd),
        "cost_grade": str(call.cost_grade),
        "ended": str(call.ended),
        "captured": str(call.captured),
        "error": _error(call.error),
        "tags": dict(call.tags),
        "cost_disputed_usd": usd(call.disputed_nanousd),
    }


def export_run(run: RunRow) -> Row:
    return {
        "run_id": run.run_id,
        "session_id": run.session_id,
        "parent_run_id": run.parent_run_id,
        "agent": run.agent,
        "agent_version": run.version,
        "framework": run.framework,
        "started_at": rfc3339(run.started_ns),
        "ended_at": rfc3339(run.ended_ns),
        "calls": run.calls,
        "attempts": run.attempts,
        "steps": run.steps,
        "failures": run.errors,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cost_usd": usd(run.cost_nanousd),
        "cost_grade": str(run.cost_grade),
        "unpriced_calls": run.unpriced_calls,
        "outcome": run.outcome,
        "outcome_source": run.outcome_source,
        "models": list(run.models),
        "tags": dict(run.tags),
    }


def export_failure(row: FailureRow) -> Row:
    failure = row.failure
    return {
        "failure_id": row.key,
        "run_id": row.run_id,
        "call_id": failure.call_id or None,
        "agent": row.agent,
        "at": rfc3339(row.at_ns),
        "code": str(failure.code),
        "severity": str(failure.severity),
        "is_recovered": failure.is_recovered,
        "times": failure.times,
        "message_index": failure.message_index,
        "tool_call_id": failure.tool_call_id,
        "field": failure.field,
        "evidence": failure.evidence,
        "fingerprint": row.fingerprint,
        "issue_id": row.issue_key,
    }


def usd(nanousd: float | None) -> str | None:
    """A decimal with 9 places: `0.013000000`."""
    if nanousd is None:
        return None
    whole, rest = divmod(abs(round(nanousd)), NANOUSD_PER_USD)
    return f"{'-' if nanousd < 0 else ''}{whole}.{rest:09d}"


def milliseconds(ns: int | None) -> float | None:
    return None if ns is None else ns / 1_000_000


def _error(error: CallError | None) -> Row | None:
    return None if error is None else {"type": error.type, "message": error.message}
