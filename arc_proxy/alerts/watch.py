"""
The loops of alerts: one thread looks, another one delivers. Neither is waited for by ingest or by a request.

What goes wrong is logged, and tried again with the next look. The log has rules, numbers and codes, and no
title of an issue, which may quote what was captured.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from analysis.budget import Budgets
from arc_proxy.alerts.courier import Clock, Courier
from arc_proxy.alerts.file import ALERTS_FILE, AlertsFile, read_alerts_file
from arc_proxy.alerts.firing import Notice, Status, look
from arc_proxy.alerts.kept import Kept
from arc_proxy.alerts.ledger import Ledger
from arc_proxy.alerts.message import Message, kind_of, message_of
from arc_proxy.alerts.notify import Means, deliver
from arc_proxy.alerts.observe import read_alerts
from arc_proxy.alerts.targets import Delivered
from arc_proxy.errors import ArcError, ConfigError
from arc_proxy.ingest.mistake import describe_bug
from arc_proxy.store.engine import Store

FIRST_LOOK_S = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a page, or a health check, shows. `trouble`: why nothing is watched, or not as it was meant."""

    kept: Kept
    rules: int
    looked_ns: int | None
    trouble: str | None


class Watcher:
    """
    `run_forever` looks, `deliver_forever` delivers; each wants a thread of its own. `open_store` gives the
    store to read from.
    """

    def __init__(
        self,
        data_dir: Path,
        open_store: Callable[[], Store],
        *,
        every_s: float,
        means: Means,
        budgets: Budgets,
        clock: Clock = time.time_ns,
    ) -> None:
        self._open_store = open_store
        self._every_s = every_s
        self._means = means
        self._budgets = budgets
        self._clock = clock
        self._file = _LiveFile(data_dir)
        self._file.read()
        self._ledger = Ledger(data_dir)
        self._looked_ns: int | None = None
        self._failed: str | None = None
        self._stop = threading.Event()
        self._courier = Courier(self._ledger, self._deliver, clock)

    @property
    def state(self) -> Watched:
        return Watched(
            kept=self._ledger.kept,
            rules=0 if self._file.last is None else len(self._file.last.rules),
            looked_ns=self._looked_ns,
            trouble=self._file.trouble or self._failed or self._ledger.trouble,
        )

    def stop(self) -> None:
        self._stop.set()
        self._courier.stop()

    def run_forever(self) -> None:
        pause_s = min(FIRST_LOOK_S, self._every_s)
        while not self._stop.wait(pause_s):
            pause_s = self._every_s
            try:
                self.look_once()
            except ArcError as error:
                self._failed = str(error)
                _log.warning("alerts.failed", error=str(error))
            except Exception as error:  # noqa: BLE001  the thread's top: to die of a bug would end all alerts
                self._failed = type(error).__name__
                _log.error("alerts.failed", **describe_bug(error))

    def look_once(self) -> None:
        """Raises StoreError. Before alerts.toml could be read once, nobody knows what to look for."""
        file, now_ns = self._file.read(), self._clock()
        if file is None:
            return
        before = self._ledger.kept.alerts
        readings = read_alerts(self._open_store(), file.rules, self._budgets, now_ns, before.firing.values())
        alerts, notices = look(before, file.rules, readings, now_ns)
        told = [(name, message_of(each)) for each in notices for name in file.recipients(each.rule)]
        self._ledger.note_look(alerts, told, file.targets, now_ns)
        for notice in notices:
            _note(notice)
        self._looked_ns, self._failed = now_ns, None
        if told:
            self._courier.wake()

    def deliver_forever(self) -> None:
        self._courier.run_forever()

    async def _deliver(self, name: str, message: Message) -> Delivered:
        if self._file.last is None:
            return Delivered(False, "alerts.toml cannot be read")
        target = self._file.last.targets.get(name)
        if target is None:
            return Delivered(False, "alerts.toml names it no more")
        return await deliver(target, message, self._means)


class _LiveFile:
    """
    alerts.toml, read again when it changed. A mistake in it leaves the last one that could be read. None:
    there was none yet; to go by the default rules then would drop what is kept of its own.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._stamp: object = None
        self.last: AlertsFile | None = None
        self.trouble: str | None = None

    def read(self) -> AlertsFile | None:
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                found = read_alerts_file(self._data_dir)
                self.last, self.trouble = found, None
                _log.info("alerts.read", rules=len(found.rules), targets=len(found.targets))
            except ConfigError as error:
                self.trouble = str(error)
                _log.error("alerts.refused", error=str(error))
        return self.last

    def _stamp_now(self) -> object:
        try:
            found = (self._data_dir / ALERTS_FILE).stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size)


def _note(notice: Notice) -> None:
    reading = notice.firing.reading
    log = _log.warning if notice.status is Status.FIRING else _log.info
    about = {"agent": reading.agent, "issue": reading.issue_key, "code": reading.code}
    log(
        f"alert.{notice.status}",
        rule=notice.rule.name,
        kind=kind_of(notice.rule),
        urgency=str(reading.urgency),
        value=reading.value,
        limit=reading.limit,
        **{name: each for name, each in about.items() if each is not None},
    )
