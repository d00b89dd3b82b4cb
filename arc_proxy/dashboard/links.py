"""Where the page of a run, a call and an issue is. Pure."""

from __future__ import annotations

from urllib.parse import urlencode


def run_href(run_id: str, agent: str | None) -> str:
    """`agent` None: it names none."""
    return f"/_arc/run?{urlencode([('id', run_id), ('agent', agent or '')])}"


def call_href(call_id: str) -> str:
    return f"/_arc/call?{urlencode([('id', call_id)])}"


def issue_href(number: int) -> str:
    return f"/_arc/issue?id={number}"
