"""The lines between a gateway and its console, and the header that lowers a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.verdict import (
    Question,
    Verdict,
    budget_nanousd,
    question_line,
    read_question,
    read_verdict,
    verdict_line,
)

names = st.none() | st.text(max_size=200)
questions = st.builds(Question, agent=names, run_id=names, budget_nanousd=st.none() | st.integers(0, 2**60))


@given(st.integers(0, 2**60), questions)
def test_a_question_is_read_as_it_was_asked(number, question):
    line = question_line(number, question)
    assert line.count(b"\n") == 1
    assert read_question(line) == (number, question)


@given(st.integers(0, 2**60), st.builds(Verdict, names, st.text(max_size=500)))
def test_a_verdict_is_read_as_it_was_given(number, verdict):
    line = verdict_line(number, verdict)
    assert line.count(b"\n") == 1
    assert read_verdict(line) == (number, verdict)


@given(st.binary(max_size=200))
def test_what_is_no_line_is_refused_by_one_error(line):
    for read in (read_question, read_verdict):
        try:
            read(line)
        except ValueError:
            continue


NO_LINES = {
    "no JSON": b"{",
    "no object": b"[1]",
    "no id": b'{"agent": null}',
    "an id that is a truth": b'{"id": true}',
    "an agent that is a number": b'{"id": 1, "agent": 5, "run": null, "budget_nanousd": null}',
    "a budget that is a text": b'{"id": 1, "agent": null, "run": null, "budget_nanousd": "5"}',
}


@pytest.mark.parametrize("line", NO_LINES.values(), ids=NO_LINES)
def test_a_line_of_a_wrong_form_is_refused(line):
    with pytest.raises(ValueError, match=r".+"):
        read_question(line)


BUDGETS = {
    "dollars": ("5", 5_000_000_000),
    "cents": ("0.25", 250_000_000),
    "nothing at all": ("0", 0),
    "spaces around": (" 1.5 ", 1_500_000_000),
    "less than a nanodollar": ("0.0000000001", 0),
    "a million": ("1000000", 10**15),
    "more than a million": ("1000001", None),
    "less than nothing": ("-1", None),
    "no number": ("much", None),
    "no value": ("", None),
    "a number without end": ("Infinity", None),
    "not a number": ("NaN", None),
    "a number of many digits": ("1" * 30, None),
    "a currency": ("$5", None),
    "an underscore": ("1_000", None),
    "digits of another script": ("\uff11", None),
    "an exponent": ("1e3", None),
    "no zero in front": (".5", 500_000_000),
}


@pytest.mark.parametrize(("text", "nanousd"), BUDGETS.values(), ids=BUDGETS)
def test_a_header_says_a_budget(text, nanousd):
    assert budget_nanousd(text) == nanousd


@given(st.text(max_size=40))
def test_any_header_is_a_budget_or_none(text):
    found = budget_nanousd(text)
    assert found is None or 0 <= found <= 10**15
