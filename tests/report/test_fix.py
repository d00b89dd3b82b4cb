"""The fix of an issue, from what the store knows of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from arc_proxy.call import Grouping
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.report.fix import read_fix
from arc_proxy.store.engine import open_store
from arc_proxy.store.issues import read_issues
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.totals import Period
from arc_proxy.store.write import save
from pricing.book import load_book
from tests.analysis.talk import BASE_NS, result, run_of, says, user


def test_a_cap_is_judged_by_the_runs_that_ended_well(tmp_path: Path) -> None:
    store = open_store(tmp_path / "arc.db")
    for number in range(23):
        is_stopped = number >= 20
        talk = [user("?")]
        for step in range(9 if is_stopped else 4):
            use = says(None, (f"c{number}-{step}", "look_up", f'{{"n":{step}}}'))
            talk += [use, result(f"c{number}-{step}", f"is {step}")]
        calls = run_of(*talk, says("It is 7."))
        save(
            store,
            [
                replace(
                    call,
                    call_id=f"{number}.{call.call_id}",
                    started_ns=call.started_ns + number * DAY_NS,
                    grouping=Grouping(run_id=f"r{number}", agent="finance"),
                )
                for call in (calls[:-1] if is_stopped else calls)
            ],
        )
    now_ns = BASE_NS + 30 * DAY_NS
    analyse_due(store, load_book(), now_ns)
    issues = read_issues(store, Period(since_ns=0, until_ns=now_ns), recent_ns=now_ns)
    [cap] = [each for each in issues if each.code == "run.step_cap"]
    assert cap.subject == "9 calls"
    fix = read_fix(store, cap, total_runs=23)
    assert fix.title == "Runs end at the cap of 9 steps: good ones need up to 5"
    store.close()
