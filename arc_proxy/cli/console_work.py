"""What the console does behind its pages: follows the journal, keeps the limits, answers from the rows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_proxy.alerts.shown import deliveries_json, firing_json, warning_lines
from arc_proxy.alerts.watch import Watcher
from arc_proxy.cli.budgets import budgets_json
from arc_proxy.cli.console_guard import Guard, Limits
from arc_proxy.cli.live_book import LiveBook
from arc_proxy.cli.retention import Retention
from arc_proxy.cli.told import ToldOutcomes
from arc_proxy.cli.told_fixes import ToldFixes
from arc_proxy.cli.when import parse_period
from arc_proxy.dashboard.source import Source
from arc_proxy.errors import ArcError
from arc_proxy.ingest.follower import Follower
from arc_proxy.ingest.worker import read_resume_points, unread_bytes
from arc_proxy.journal.fact import rfc3339
from arc_proxy.journal.standing import read_standing
from arc_proxy.report.build import build_report
from arc_proxy.report.document import Document
from arc_proxy.report.jsonable import report_json
from arc_proxy.report.layout import costs_of, document_of
from arc_proxy.report.model import Report
from arc_proxy.store.due import count_due
from arc_proxy.store.engine import Store, is_replaced, open_store

if TYPE_CHECKING:
    from arc_proxy.cli.console import ConsoleConfig

PROJECTS_SHOWN_MAX = 5  # of which it is told what their money went for
CATCH_UP_S = 55.0  # less than a command waits for its answer


class ConsoleWork:
    """Threads to run, and answers to give. Every method may be called from any thread and may block."""

    def __init__(self, config: ConsoleConfig) -> None:
        self._config = config
        self._target: str | Path = config.database_url or config.folder.path / "arc.db"
        self._book = LiveBook(config.folder)
        self._follower = Follower(config.folder.path, self._open_store, self._book, hints=config.hints)
        self.guard = Guard(
            Limits(budgets=config.budgets, loop_limit=config.loop_limit),
            self._store,
            lambda seconds: self._follower.catch_up(seconds, rows_only=True),
        )
        self.retention = Retention(
            config.folder.journal,
            self._store,
            journal_days=config.journal_days,
            journal_bytes_max=config.journal_bytes_max,
            rows_months=config.rows_months,
        )
        self._reading: Store | None = None
        self._lock = threading.Lock()  # over _reading
        self._watcher = Watcher(
            config.folder.path,
            self._store,
            every_s=config.alerts_every_s,
            means=config.means,
            budgets=config.budgets,
        )
        self.outcomes = ToldOutcomes(config.folder, self._store)
        self._fixes = ToldFixes(config.folder, self._store, self._follower.catch_up)

    @property
    def threads(self) -> Mapping[str, Callable[[], None]]:
        threads = {
            "ingest": self._follower.run_forever,
            "retention": self.retention.keep_forever,
            "alerts": self._watcher.run_forever,
            "deliveries": self._watcher.deliver_forever,
        }
        return threads if self._config.guard_socket is None else threads | {"guard": self.guard.judge_forever}

    def stop(self) -> None:
        self.retention.stop()
        self._follower.stop()
        self._watcher.stop()
        self.guard.stop()

    def close(self) -> None:
        self.outcomes.close()
        self._fixes.close()
        with self._lock:
            if self._reading is not None:
                self._reading.close()
                self._reading = None

    def catch_up(self, timeout_s: float = CATCH_UP_S) -> Mapping[str, Any]:
        """Wait until the rows have all that the journal holds now."""
        is_done = self._follower.catch_up(timeout_s)
        state = self._follower.state
        return {"is_done": is_done, "calls": state.calls, "trouble": state.trouble}

    def status(self) -> Mapping[str, Any]:
        state = self._follower.state
        since = state.stored_at
        now_ns = time.time_ns()
        try:
            behind = unread_bytes(self._config.folder.journal, read_resume_points(self._store()))
            due_runs, due_since_ns = count_due(self._store(), now_ns)
        except ArcError:
            behind, due_runs, due_since_ns = None, None, None
        return {
            "version": self._config.version,
            "pid": os.getpid(),
            "calls": state.calls,
            "open_calls": state.open_calls,
            "behind_bytes": behind,
            "behind_s": None if since is None else round(time.monotonic() - since, 3),
            "trouble": state.trouble,
            "unanalysed_runs": due_runs,
            "unanalysed_s": None if due_since_ns is None else round((now_ns - due_since_ns) / 1e9, 3),
            "price_book": self._book().version,
            "budgets_nanousd": budgets_json(self._config.budgets),
            "guards": self.guard.counts if self._config.guard_socket is not None else None,
            "retention": self.retention.last,
            "alerts": self._alerts_status(),
        }

    def _alerts_status(self) -> Mapping[str, Any]:
        watched = self._watcher.state
        return {
            "rules": watched.rules,
            "looked_at": None if watched.looked_ns is None else rfc3339(watched.looked_ns),
            "trouble": watched.trouble,
            "firing": firing_json(watched.kept),
            "deliveries": deliveries_json(watched.kept),
        }

    def report(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        found = self._report(query.get("since", "30d"), query.get("until"), query.get("agent"))
        return report_json(found) | {"alerts": firing_json(self._watcher.state.kept)}

    def document(self, since: str) -> Document:
        trouble = self._follower.state.trouble
        warnings = [f"The rows are behind the journal: {trouble}"] if trouble else []
        watched = self._watcher.state
        warnings += warning_lines(watched.kept, time.time_ns())
        warnings += [f"alerts are not as they should be: {watched.trouble}"] if watched.trouble else []
        report = self._report(since, None, None)
        return document_of(report, since, warnings=warnings, mark=self._config.folder.mark)

    def source(self) -> Source:
        return Source(
            store=self._store,
            period=parse_period,
            document=self.document,
            costs=self._costs,
            tell_fix=self._fixes.tell,
        )

    def _costs(self, since: str) -> Document:
        report = self._report(since, None, None, days=True, versions=True, projects_max=PROJECTS_SHOWN_MAX)
        return costs_of(report, since)

    def _report(self, since: str, until: str | None, agent: str | None, **more: Any) -> Report:
        now_ns = time.time_ns()
        since_ns, until_ns = parse_period(since, until, now_ns)
        return build_report(
            self._store(),
            self._book(),
            since_ns=since_ns,
            until_ns=until_ns,
            now_ns=now_ns,
            agent=agent,
            budgets=self._config.budgets,
            standing=read_standing(self._config.socket.parent),
            **more,
        )

    def _open_store(self) -> Store:
        return open_store(self._target)

    def _store(self) -> Store:
        """The one that answers read from; opened anew if its file is another one now."""
        with self._lock:
            if self._reading is not None and is_replaced(self._reading):
                self._reading.close()
                self._reading = None
            if self._reading is None:
                self._reading = self._open_store()
            return self._reading
