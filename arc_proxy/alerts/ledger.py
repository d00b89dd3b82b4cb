"""
Changes of what is kept: each is on the disk before anything is sent.

So a console that is killed and started again tells nothing twice, and loses nothing: what was not yet
delivered is tried again. A message on its way when the console is killed may arrive twice, with the same id.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import structlog

from arc_proxy.alerts.firing import Alerts
from arc_proxy.alerts.kept import KEPT_FILE, Delivery, Kept, Parcel, read_kept, write_kept
from arc_proxy.alerts.message import Message
from arc_proxy.alerts.targets import Delivered

PARCELS_MAX = 200
RETRY_FIRST_NS = 10 * 10**9
RETRY_NS_MAX = 15 * 60 * 10**9
GIVE_UP_NS = 24 * 3600 * 10**9


class Ledger:
    """
    Any thread may call. `trouble`: why the file could not be written; alerts are told all the same, since a
    full disk is no time to be silent, and what is kept in memory is told once.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._kept = read_kept(data_dir)
        self.trouble: str | None = None

    @property
    def kept(self) -> Kept:
        return self._kept

    def note_look(
        self, alerts: Alerts, told: Iterable[tuple[str, Message]], targets: Iterable[str], now_ns: int
    ) -> None:
        """What a look found, and (target, message) to deliver. What is for targets that are gone goes."""
        known = set(targets)
        with self._lock:
            kept = self._kept
            new = tuple(
                Parcel(target=target, message=message, queued_ns=now_ns, due_ns=now_ns)
                for target, message in told
            )
            waiting = tuple(_in_time(each, now_ns) for each in kept.parcels if each.target in known) + new
            parcels, lost = waiting[:PARCELS_MAX], waiting[PARCELS_MAX:]
            deliveries = {name: each for name, each in kept.deliveries.items() if name in known}
            for each in lost:
                deliveries[each.target] = _given_up(deliveries.get(each.target), now_ns)
            self._save(replace(kept, alerts=alerts, parcels=parcels, deliveries=deliveries), now_ns)

    def next_parcel(self) -> Parcel | None:
        """The one that is due first, of each target only the oldest, so that all arrive in order."""
        heads: dict[str, Parcel] = {}
        for each in self._kept.parcels:
            heads.setdefault(each.target, each)
        return min(heads.values(), key=lambda each: each.due_ns, default=None)

    def note_delivery(self, parcel: Parcel, done: Delivered, now_ns: int) -> None:
        """A parcel that failed is tried again, later each time, until `GIVE_UP_NS` have passed."""
        with self._lock:
            kept = self._kept
            last = kept.deliveries.get(parcel.target)
            noted = Delivery(
                at_ns=now_ns,
                is_ok=done.is_ok,
                says=done.says,
                failures=0 if done.is_ok else 1 + (last.failures if last else 0),
                given_up=last.given_up if last else 0,
            )
            parcels = tuple(each for each in kept.parcels if each != parcel)
            if not done.is_ok and now_ns - parcel.queued_ns < GIVE_UP_NS:
                wait_ns = min(RETRY_FIRST_NS * 2**parcel.tries, RETRY_NS_MAX)
                again = replace(parcel, tries=parcel.tries + 1, due_ns=now_ns + wait_ns)
                parcels = tuple(again if each == parcel else each for each in kept.parcels)
            elif not done.is_ok:
                noted = replace(noted, given_up=noted.given_up + 1)
            deliveries = {**kept.deliveries, parcel.target: noted}
            self._save(replace(kept, parcels=parcels, deliveries=deliveries), now_ns)

    def _save(self, kept: Kept, now_ns: int) -> None:
        if kept == self._kept:
            return
        self._kept = replace(kept, changed_ns=now_ns)
        try:
            write_kept(self._data_dir, self._kept)
            self.trouble = None
        except OSError as error:
            self.trouble = f"{self._data_dir / KEPT_FILE} cannot be written: {error.strerror}"
            structlog.get_logger().warning("alerts.unkept", error=self.trouble)


def _in_time(parcel: Parcel, now_ns: int) -> Parcel:
    """Due at once, where it waits longer than any try does: the clock was ahead when it was put down."""
    if parcel.due_ns - now_ns <= RETRY_NS_MAX:
        return parcel
    return replace(parcel, due_ns=now_ns, queued_ns=min(parcel.queued_ns, now_ns))


def _given_up(last: Delivery | None, now_ns: int) -> Delivery:
    says = f"more than {PARCELS_MAX} messages wait, so some were given up"
    last = last or Delivery(at_ns=now_ns, is_ok=False, says=says)
    return replace(last, at_ns=now_ns, is_ok=False, says=says, given_up=last.given_up + 1)
