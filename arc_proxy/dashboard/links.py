"""Where the page of a run, a call and an issue is, and the number of an issue in a URL. Pure."""

from __future__ import annotations

from urllib.parse import urlencode

from arc_proxy.errors import UsageError
from arc_proxy.format import clean

KEY_MAX = 2**63 - 1


def run_href(run_id: str, agent: str | None) -> str:
    """`agent` None: it names none."""
    return f"/_arc/run?{urlencode([('id', run_id), ('agent', agent or '')])}"


def call_href(call_id: str) -> str:
    return f"/_arc/call?{urlencode([('id', call_id)])}"


def issue_href(number: int) -> str:
    return f"/_arc/issue?id={number}"


def read_number(name: str, text: str) -> int:
    """Raises UsageError for what is no number of an issue; `name` is what it is called in the URL."""
    if not is_key(text):
        raise UsageError(f"{name}={clean(text, 40)!r} is no number of an issue.")
    return int(text)


def is_key(text: str) -> bool:
    """Whether it may be a key of a row: a whole number that a database takes."""
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= KEY_MAX
