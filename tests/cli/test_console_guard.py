"""The console's verdicts, by rows that have all of the journal and by rows that do not."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.budget import Budgets
from arc_proxy.cli import console_guard
from arc_proxy.cli.console_guard import Guard, Limits
from arc_proxy.store.engine import Store, open_store
from arc_proxy.store.write import save
from arc_proxy.verdict import GO_ON, Question, Verdict
from tests.analysis.talk import run_of, says, user
from tests.store.conftest import build_call

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not make a question one that nobody waits for any more."""
    monkeypatch.setattr(console_guard, "WAIT_S", PATIENCE_S)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "arc.db")


def asked(store: Callable[[], Store], question: Question, *, is_current: bool) -> Verdict | None:
    """The verdict, None if there was none before the next question's."""
    guard = Guard(Limits(budgets=Budgets(per_run=1000), loop_limit=2), store, lambda _seconds: is_current)
    thread = threading.Thread(target=guard.judge_forever)
    thread.start()
    got: list[Verdict] = []
    done = threading.Event()
    guard.ask(question, got.append)
    guard.ask(Question(run_id="marker", budget_nanousd=0), lambda _: done.set())
    assert done.wait(PATIENCE_S)
    guard.stop()
    thread.join(PATIENCE_S)
    store().close()
    return got[0] if got else None


VERDICTS = {
    "rows that are current, a budget that is spent": (True, "spent", "run_budget_spent"),
    "rows that are behind, a budget that is spent": (False, "spent", "run_budget_spent"),
    "rows that are current, a run that may go on": (True, "fine", None),
    "rows that are behind, a run that may go on": (False, "fine", "no verdict"),
    "rows that are current, a run in circles": (True, "loop", "run_in_circles"),
    "rows that are behind, a run in circles": (False, "loop", "no verdict"),
}


@pytest.mark.parametrize(("is_current", "run_id", "code"), VERDICTS.values(), ids=VERDICTS)
def test_judges_by(store: Store, is_current: bool, run_id: str, code: str | None) -> None:
    now_ms = time.time_ns() // 1_000_000
    save(
        store,
        [
            build_call(1, at_ms=now_ms, grouping_run_id="spent", cost_nanousd=1000),
            build_call(2, at_ms=now_ms, grouping_run_id="fine", cost_nanousd=999),
        ],
    )
    looping = [user("hi"), says(None, ("c0", "search", "{}"))]
    looping += [{"role": "tool", "tool_call_id": "c0", "content": "x"}, says(None, ("c1", "search", "{}"))]
    for number, call in enumerate(run_of(*looping), 3):
        made = build_call(number, at_ms=now_ms + number, grouping_run_id="loop", cost_nanousd=1)
        save(store, [dataclasses.replace(made, prompt=call.prompt, reply=call.reply)])
    found = asked(lambda: store, Question(run_id=run_id), is_current=is_current)
    assert ("no verdict" if found is None else found.code) == code
    assert found is None or (found == GO_ON) is (code is None)
