"""
What a program's exit code says of its runs: a non-zero one that the last run failed, zero nothing.

A server may have made a thousand runs before it died: only the one that moved last was on its way then. Who
stops a program by a signal of the kind that asks, has not seen a run fail.
"""

from __future__ import annotations

import os
import signal

from arc_proxy.cli.facts import write_fact
from arc_proxy.cli.folder import Folder
from arc_proxy.cli.instance import Instance
from arc_proxy.journal.fact import FactType

_ASKING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_LATEST = 50


def note_failure(
    folder: Folder, instance: Instance, agent: str, started_ns: int, code: int, signal_number: int | None
) -> None:
    """Report the last of the program's runs as failed, unless somebody reported on it. Raises ArcError."""
    if code == 0 or signal_number in _ASKING:
        return
    from arc_proxy.cli.rows import NothingYet, open_rows
    from arc_proxy.store.filters import RunFilter
    from arc_proxy.store.read import list_runs

    try:
        with open_rows(folder, os.environ, instance=instance) as store:
            runs = list_runs(store, RunFilter(agent=agent, since_ns=started_ns), limit=_LATEST)
    except NothingYet:
        return
    last = max(runs, key=lambda run: (run.ended_ns, run.started_ns), default=None)
    if last is None or last.outcome is not None:
        return
    how = f"was ended by signal {signal_number}" if signal_number else f"exited with {code}"
    write_fact(
        folder,
        FactType.OUTCOME,
        run_id=last.run_id,
        agent=agent,
        outcome="failure",
        reason=f"the program {how}",
        source="exit",
    )
