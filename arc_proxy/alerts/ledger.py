"""
What must outlive the console: which alerts fire, what was told of them, and what is still to be delivered.

One JSON file, `alerts.json` of the data folder, mode 0600, replaced as a whole and synced before anything is
sent. So a console that is killed and started again tells nothing twice, and loses nothing: what was not yet
delivered is tried again. A message on its way when the console is killed may arrive twice, with the same id.

    version      1
    changed_at   ns, Unix time
    firing       alerts, with their last readings
    quiet        [rule, key, until ns]: told lately
    parcels      messages to deliver, each with its target, tries so far, and when the next one is due
    deliveries   by target: the last try
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import structlog

from analysis.burn_rate import Urgency
from arc_proxy.alerts.firing import Alerts, Firing
from arc_proxy.alerts.message import Message
from arc_proxy.alerts.notify import Delivered
from arc_proxy.alerts.rules import Reading, Unit

LEDGER_FILE = "alerts.json"
VERSION = 1
PARCELS_MAX = 200
RETRY_FIRST_NS = 10 * 10**9
RETRY_NS_MAX = 15 * 60 * 10**9
GIVE_UP_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message for one target."""

    target: str
    message: Message
    queued_ns: int
    due_ns: int
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The last try of a target. `given_up`: messages that never arrived, ever; `failures`: tries in a row."""

    at_ns: int
    is_ok: bool
    says: str
    failures: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """All that is kept, at one moment."""

    changed_ns: int = 0
    alerts: Alerts = field(default_factory=Alerts)
    parcels: tuple[Parcel, ...] = ()
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)

    @property
    def failing(self) -> dict[str, Delivery]:
        """Targets whose last try failed."""
        return {name: each for name, each in self.deliveries.items() if not each.is_ok}


class Ledger:
    """
    Any thread may call. `trouble`: why the file could not be written; alerts are told all the same, since a
    full disk is no time to be silent, and what is kept in memory is told once.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / LEDGER_FILE
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
            waiting = tuple(each for each in kept.parcels if each.target in known) + new
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
            self._write(_encode(self._kept))
            self.trouble = None
        except OSError as error:
            self.trouble = f"{self._path} cannot be written: {error.strerror}"
            structlog.get_logger().warning("alerts.unkept", error=self.trouble)

    def _write(self, content: bytes) -> None:
        unfinished = self._path.with_suffix(".tmp")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)


def read_kept(data_dir: Path) -> Kept:
    """Nothing, where there is no file, or one that is none of ours."""
    try:
        return _decode(orjson.loads((data_dir / LEDGER_FILE).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Kept()


def _given_up(last: Delivery | None, now_ns: int) -> Delivery:
    says = f"more than {PARCELS_MAX} messages wait, so some were given up"
    last = last or Delivery(at_ns=now_ns, is_ok=False, says=says)
    return replace(last, at_ns=now_ns, is_ok=False, says=says, given_up=last.given_up + 1)


def _encode(kept: Kept) -> bytes:
    document = {
        "version": VERSION,
        "changed_at": kept.changed_ns,
        "firing": list(map(asdict, kept.alerts.firing.values())),
        "quiet": [[*place, until_ns] for place, until_ns in kept.alerts.quiet_until_ns.items()],
        "parcels": list(map(asdict, kept.parcels)),
        "deliveries": {name: asdict(each) for name, each in kept.deliveries.items()},
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _decode(document: Any) -> Kept:
    if document["version"] != VERSION:
        return Kept()
    firing = [_firing(each) for each in document["firing"]]
    return Kept(
        changed_ns=document["changed_at"],
        alerts=Alerts(
            {(each.rule, each.reading.key): each for each in firing},
            {(rule, key): until_ns for rule, key, until_ns in document["quiet"]},
        ),
        parcels=tuple(Parcel(**each) for each in document["parcels"]),
        deliveries={name: Delivery(**each) for name, each in document["deliveries"].items()},
    )


def _firing(body: Mapping[str, Any]) -> Firing:
    said = body["reading"]
    reading = Reading(**said | {"urgency": Urgency(said["urgency"]), "unit": Unit(said["unit"])})
    return Firing(**{**body, "reading": reading})
