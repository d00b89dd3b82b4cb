from __future__ import annotations

import pytest

from arc_proxy.runs.ending import SILENCE_NS, TIMEOUT_NS, Ending, how_it_ended

LAST = 1_790_000_000_000_000_000

CASES = {
    "it has just answered": (LAST + 1, True, None, None),
    "it answered and nobody asked on": (LAST + SILENCE_NS, True, None, Ending.ANSWERED),
    "it waits for a tool": (LAST + SILENCE_NS, False, None, None),
    "its tool never came back": (LAST + TIMEOUT_NS, False, None, Ending.TIMEOUT),
    "somebody said how it went": (LAST + 2, False, LAST + 1, Ending.OUTCOME),
    "it went on after somebody had said how it went": (LAST + 2, False, LAST - 1, None),
    "it went on after that, and answered": (LAST + SILENCE_NS, True, LAST - 1, Ending.ANSWERED),
    "the clock was set back": (LAST - 5, True, None, None),
}


@pytest.mark.parametrize(("now_ns", "is_final", "outcome_ns", "how"), CASES.values(), ids=CASES)
def test_a_run_ends(now_ns: int, is_final: bool, outcome_ns: int | None, how: Ending | None) -> None:
    assert how_it_ended(last_ns=LAST, is_final=is_final, outcome_ns=outcome_ns, now_ns=now_ns) is how


EXITS = {
    "its program is over": (LAST + 1, Ending.EXITED),
    "a call came from elsewhere after that": (LAST - 1, None),
    "it ran in no program that we launched": (None, None),
}


@pytest.mark.parametrize(("exited_ns", "how"), EXITS.values(), ids=EXITS)
def test_a_run_ends_with_its_program(exited_ns: int | None, how: Ending | None) -> None:
    ended = how_it_ended(last_ns=LAST, is_final=False, outcome_ns=None, now_ns=LAST + 2, exited_ns=exited_ns)
    assert ended is how


@pytest.mark.parametrize(
    ("closed_ns", "how"), [(LAST - 1, None), (LAST, Ending.CLOSED), (LAST + 7, Ending.CLOSED)]
)
def test_a_run_ends_where_its_end_is_reported(closed_ns: int, how: Ending | None) -> None:
    found = how_it_ended(last_ns=LAST, is_final=False, outcome_ns=None, now_ns=LAST + 9, closed_ns=closed_ns)
    assert found is how
