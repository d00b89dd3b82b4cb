"""What makes two failures one issue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.failure import Failure, FailureCode
from analysis.fingerprint import CAUSE_CHARACTERS_MAX, fingerprint, normalised

# Message -> what is left of it.
MESSAGES = {
    "Error: order #W1234567 not found": "Error: order #<id> not found",
    "Unknown column 'series.name' in 'field list'": "Unknown column <text> in <text>",
    "KeyError: 'customer_id'": "KeyError: 'customer_id'",
    "no such column: o.total": "no such column: o.total",
    "open /tmp/a/b.txt: permission denied": "open <path>: permission denied",
    "at 2026-11-25T12:00:07Z 3 of 12 failed": "at <date> <n> of <n> failed",
    "GET https://x.y/z?q=1 gave 404": "GET <url> gave <n>",
    "no user a.b@c.de": "no user <email>",
    "first line\nsecond 7": "first line",
    "\n \n  spaced   out ": "spaced out",
    "pointer 0xDEADBEEF": "pointer <hex>",
}


@pytest.mark.parametrize(("message", "left"), MESSAGES.items())
def test_what_varies_is_left_out(message: str, left: str) -> None:
    assert normalised(message) == left


def failure(code: FailureCode = FailureCode.TOOL_ERROR, subject: str = "f", cause: str = "no 7") -> Failure:
    return Failure(code, "", "messages", subject=subject, cause=cause)


ONE = fingerprint(failure(), "a")


def test_the_same_trouble_has_one_fingerprint() -> None:
    assert fingerprint(failure(cause="no 8"), "a") == ONE
    # However it is told: once, twice, or at the end.
    assert fingerprint(failure(FailureCode.TOOL_ERROR_REPEATED), "a") == ONE


@pytest.mark.parametrize(
    ("other", "agent"),
    [
        (failure(), "b"),
        (failure(), None),
        (failure(subject="g"), "a"),
        (failure(cause="none 7"), "a"),
        (failure(FailureCode.TOOL_EMPTY_RESULT), "a"),
    ],
)
def test_other_trouble_has_another(other: Failure, agent: str | None) -> None:
    assert fingerprint(other, agent) != ONE


@given(st.text())
def test_any_message_has_a_short_one(message: str) -> None:
    assert len(normalised(message)) <= CAUSE_CHARACTERS_MAX
    assert fingerprint(failure(cause=message), message) == fingerprint(failure(cause=message), message)
