"""kill -9 in the middle of saving: positions and rows agree, nothing is missing and nothing is double."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from arc_proxy.call import Call
from arc_proxy.store import rollup
from arc_proxy.store.engine import open_store
from arc_proxy.store.read import iter_whole_calls
from arc_proxy.store.write import Saved, read_positions, save

MakeCall = Callable[..., Call]

SAVER = """
import pickle, sys
from arc_proxy.store.engine import open_store
from arc_proxy.store.write import read_positions, save
store = open_store(sys.argv[1])
calls = pickle.load(open(sys.argv[2], "rb"))
for number in range(read_positions(store).get("w", 0), len(calls), 3):
    save(store, calls[number : number + 3], positions={"w": number + 3})
    print(number + 3, flush=True)
"""


def test_a_saver_that_is_killed_goes_on_where_it_was(tmp_path: Path, make_call: MakeCall) -> None:
    calls = [make_call(number, grouping_run_id=f"r{number // 50}") for number in range(1500)]
    (tmp_path / "calls").write_bytes(pickle.dumps(calls))
    command = [sys.executable, "-c", SAVER, str(tmp_path / "arc.db"), str(tmp_path / "calls")]
    for kill_after in (7, 40):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as saver:
            assert saver.stdout is not None
            said = [int(line) for line, _ in zip(saver.stdout, range(kill_after), strict=False)]
            saver.send_signal(signal.SIGKILL)
            said += [int(line) for line in saver.stdout]
        store = open_store(tmp_path / "arc.db")
        saved = read_positions(store)["w"]
        # It may have been killed between the commit and the word.
        assert said[-1] <= saved <= said[-1] + 3
        assert saved < len(calls)
        assert list(iter_whole_calls(store)) == calls[:saved]
        assert rollup.check(store) == ()
        store.close()
    store = open_store(tmp_path / "arc.db")
    assert save(store, calls).same == saved
    assert save(store, calls) == Saved(same=len(calls))
    assert rollup.check(store) == ()
    store.close()
