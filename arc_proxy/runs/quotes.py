"""
What a reply issued, and what a request quotes of earlier replies, as keys that are equal where they speak
of the same. No I/O.
"""

from __future__ import annotations

from typing import NamedTuple

# 63 bits, never negative: a hash of typed parts. Reaches the database, so what goes into it is a format.
Key = int


class Quote(NamedTuple):
    """One piece of evidence that a call continues the call that issued `key`."""

    key: Key
    rule: str  # "lineage", "tool_call_id", "response_id", "quoted_text"
    confidence: float  # 0..1
