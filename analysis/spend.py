"""
Where the money of runs went. Pure.

Sums are kept by kind and name, of a bounded number of names: those that come when there is no more room are
counted together, under the name "other". So the sums stay exact however many runs they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from analysis.call_share import Key
from analysis.parts import PartKind
from analysis.run_share import CacheBreak, CallSpend

NAMES_MAX = 300
OTHER_NAMES = "other"

_Name = TypeVar("_Name")


@dataclass(frozen=True, slots=True)
class Resent:
    """
    The costliest result of a tool in each run: what sending it again cost, the first time left out.

    `nanousd` sums over runs; `costliest` is the run's in which it was most, `times` how often it was sent
    again there.
    """

    nanousd: int
    costliest: int
    times: int

    def __add__(self, other: Resent) -> Resent:
        most = max(self, other, key=lambda each: (each.costliest, each.times))
        return Resent(self.nanousd + other.nanousd, most.costliest, most.times)


@dataclass(frozen=True, slots=True)
class Broken:
    """Caches that one kind of part broke. `message_index` is that of the costliest."""

    nanousd: int
    tokens: int
    times: int
    costliest: int
    message_index: int

    def __add__(self, other: Broken) -> Broken:
        most = max(self, other, key=lambda each: (each.costliest, -each.message_index))
        return Broken(
            self.nanousd + other.nanousd,
            self.tokens + other.tokens,
            self.times + other.times,
            most.costliest,
            most.message_index,
        )


_Sum = TypeVar("_Sum", Resent, Broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """
    Sums over runs. `parts` sum to `nanousd`, that of the calls with a known cost: `calls`.

    `called`: how often tools were called, in any call. `resent` is by tool, `broken` by the kind and the name
    of the part that changed.
    """

    runs: int = 0
    calls: int = 0
    nanousd: int = 0
    unknown_calls: int = 0
    plan_calls: int = 0  # paid by a plan: what they would have cost is in no sum
    parts: Mapping[Key, int] = field(default_factory=dict)
    called: Mapping[str, int] = field(default_factory=dict)
    resent: Mapping[str, Resent] = field(default_factory=dict)
    broken: Mapping[Key, Broken] = field(default_factory=dict)

    def __add__(self, other: Spend) -> Spend:
        parts = dict(self.parts)
        for key, nanousd in sorted(other.parts.items(), key=lambda each: (-abs(each[1]), each[0])):
            _add_part(parts, key, nanousd)
        called = dict(self.called)
        for tool, times in other.called.items():
            _add_called(called, parts, tool, times)
        return Spend(
            runs=self.runs + other.runs,
            calls=self.calls + other.calls,
            nanousd=self.nanousd + other.nanousd,
            unknown_calls=self.unknown_calls + other.unknown_calls,
            plan_calls=self.plan_calls + other.plan_calls,
            parts=parts,
            called=called,
            resent=_merged(self.resent, other.resent),
            broken=_merged(self.broken, other.broken),
        )

    def of_kind(self, kind: PartKind) -> int:
        """Nanodollars."""
        return sum(nanousd for key, nanousd in self.parts.items() if key[0] is kind)


def sum_run(calls: Iterable[CallSpend]) -> Spend:
    counts = {"calls": 0, "nanousd": 0, "unknown_calls": 0, "plan_calls": 0}
    parts: dict[Key, int] = {}
    called: dict[str, int] = {}
    results: dict[tuple[str, int], tuple[int, int]] = {}
    broken: dict[Key, Broken] = {}
    for call in calls:
        if call.nanousd is None:
            counts["plan_calls" if call.is_plan else "unknown_calls"] += 1
        else:
            counts["calls"] += 1
            counts["nanousd"] += call.nanousd
        for share in call.shares:
            _add_part(parts, (share.kind, share.name), share.nanousd)
            if share.sent > 1:
                paid, _ = results.get((share.name, share.result), (0, 0))
                results[share.name, share.result] = (paid + share.nanousd, share.sent - 1)
        for tool in call.called:
            _add_called(called, parts, tool, 1)
        if call.cache_break is not None:
            broken = _merged(broken, _broken(call.cache_break))
    return Spend(runs=1, parts=parts, called=called, resent=_costliest(results), broken=broken, **counts)


def sum_spend(runs: Iterable[Spend]) -> Spend:
    return sum(runs, Spend())


def _add_part(parts: dict[Key, int], key: Key, nanousd: int) -> None:
    if key not in parts and len(parts) >= NAMES_MAX:
        key = (key[0], OTHER_NAMES)
    parts[key] = parts.get(key, 0) + nanousd


def _add_called(called: dict[str, int], parts: Mapping[Key, int], tool: str, times: int) -> None:
    """A tool whose schema has a sum of its own is never left out, or it would count as not called."""
    if tool in called or len(called) < NAMES_MAX or (PartKind.TOOL_SCHEMA, tool) in parts:
        called[tool] = called.get(tool, 0) + times


def _merged(one: Mapping[_Name, _Sum], other: Mapping[_Name, _Sum]) -> dict[_Name, _Sum]:
    """Those that come when there is no more room are left out: they are hints and no sums."""
    merged = dict(one)
    for name, more in other.items():
        if name in merged:
            merged[name] = merged[name] + more
        elif len(merged) < NAMES_MAX:
            merged[name] = more
    return merged


def _broken(found: CacheBreak) -> dict[Key, Broken]:
    return {
        (found.kind, found.name): Broken(found.nanousd, found.tokens, 1, found.nanousd, found.message_index)
    }


def _costliest(results: Mapping[tuple[str, int], tuple[int, int]]) -> dict[str, Resent]:
    """By tool, of what each of its results cost beyond the first time."""
    found: dict[str, Resent] = {}
    for (name, _), (nanousd, times) in results.items():
        before = found.get(name)
        if before is None and len(found) >= NAMES_MAX:
            continue
        if before is None or (nanousd, times) > (before.costliest, before.times):
            found[name] = Resent(nanousd, nanousd, times)
    return found
