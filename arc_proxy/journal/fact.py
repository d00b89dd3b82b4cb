"""
FACTs: what came from outside the wire, one JSON object each. Standard library only, no I/O.

    {"fact": "run_start", "at": "2026-11-25T09:30:00.000000Z", "agent": "finance", "run_id": "8f...", ...}

Every fact has `fact` and `at` (RFC 3339, UTC, microseconds); what else it has depends on its type and
is optional unless said. Unknown fields are kept, unknown types are counted and passed over.

    run_start     run_id (required), agent, session_id, parent_run_id, version, user, tags {}, program, input
    run_end       run_id (required), duration_ms, output
    exception     run_id (required), type, message, file, line, function    of the user's innermost frame
    outcome       run_id (required), outcome ("success" or "failure"), score 0..1, reason, source
    fix_applied   fingerprint (required), agent, code, issue       somebody changed what the fix says
    fix_vote      fingerprint (required), agent, code, issue, is_useful
    issue_merge   fingerprint, into (both required), agent, subject, cause    shown as `into`, whose the last
                  two are
    issue_split   fingerprint (required), agent       what was merged into it is its own again
    launch        launch_id (required), agent, argv0, exit_code, signal, duration_ms    one `arc-proxy run`
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class FactType(StrEnum):
    """Values reach the disk: append, never rename."""

    RUN_START = "run_start"
    RUN_END = "run_end"
    EXCEPTION = "exception"
    OUTCOME = "outcome"
    LAUNCH = "launch"
    FIX_APPLIED = "fix_applied"
    FIX_VOTE = "fix_vote"
    ISSUE_MERGE = "issue_merge"
    ISSUE_SPLIT = "issue_split"


def encode_fact(fact: FactType, wall_ns: int, **fields: Any) -> bytes:
    """The content of a FACT record. Fields that are None are left out."""
    body = {"fact": str(fact), "at": rfc3339(wall_ns)}
    body.update((name, value) for name, value in fields.items() if value is not None)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode(errors="replace")


def decode_fact(content: bytes) -> dict[str, Any]:
    """Raises ValueError for content that is no fact."""
    fact = json.loads(content)
    if not isinstance(fact, dict) or not isinstance(fact.get("fact"), str):
        raise ValueError("a fact is a JSON object that names its type in `fact`")
    return fact


def rfc3339(wall_ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339, UTC, microseconds."""
    seconds, ns = divmod(wall_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"
