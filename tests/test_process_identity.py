"""Telling one process from all others that had its pid."""

from __future__ import annotations

import pytest

from arc_proxy import process


def test_a_program_of_the_system_that_hangs_is_one_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "_ANSWER_S", 0.01)
    with pytest.raises(OSError, match="sleep did not end"):
        process._ask("sleep", "60")


def test_a_program_that_is_missing_is_one_that_does_not_answer() -> None:
    with pytest.raises(OSError, match="No such file"):
        process._ask("arc-proxy-has-no-such-program")
