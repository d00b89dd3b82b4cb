"""
What must outlive the console: which alerts fire, what was told of them, and what is still to be delivered.

One JSON file, `alerts.json` of the data folder, mode 0600, replaced as a whole and synced before anything is
sent: see `ledger`.

    version      1
    changed_at   ns, Unix time
    firing       alerts, with their last readings
    quiet        [rule, key, until ns, level]: told lately; older files have no level, which is 1 then
    parcels      messages to deliver, each with its target, tries so far, and when the next one is due
    deliveries   by target: the last try
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from analysis.burn_rate import Urgency
from arc_proxy.alerts.firing import Alerts, Firing, Quiet
from arc_proxy.alerts.message import Message
from arc_proxy.alerts.rules import Reading, Unit

KEPT_FILE = "alerts.json"
VERSION = 1


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


def read_kept(data_dir: Path) -> Kept:
    """Nothing, where there is no file, or one that is none of ours."""
    try:
        return _decode(orjson.loads((data_dir / KEPT_FILE).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Kept()


def write_kept(data_dir: Path, kept: Kept) -> None:
    """Whole or not at all. Raises OSError."""
    path = data_dir / KEPT_FILE
    unfinished = path.with_suffix(".tmp")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_encode(kept))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _encode(kept: Kept) -> bytes:
    document = {
        "version": VERSION,
        "changed_at": kept.changed_ns,
        "firing": list(map(asdict, kept.alerts.firing.values())),
        "quiet": [[*place, each.until_ns, each.level] for place, each in kept.alerts.quiet.items()],
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
            {(rule, key): _quiet(*told) for rule, key, *told in document["quiet"]},
        ),
        parcels=tuple(Parcel(**each) for each in document["parcels"]),
        deliveries={name: Delivery(**each) for name, each in document["deliveries"].items()},
    )


def _quiet(until_ns: int, level: int = 1) -> Quiet:
    return Quiet(until_ns, level)


def _firing(body: Mapping[str, Any]) -> Firing:
    said = body["reading"]
    reading = Reading(**said | {"urgency": Urgency(said["urgency"]), "unit": Unit(said["unit"])})
    return Firing(**{**body, "reading": reading})
