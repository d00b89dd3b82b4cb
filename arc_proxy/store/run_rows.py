"""
A run's row, from the rows of its calls and facts. No SQL.

Adding is commutative: sums add up, times take the earliest and latest, of names the one that sorts first (of
sessions the one with the lowest key, of frameworks the most specific). So one more call costs the same in a
run of ten and of a million, and the row does not depend on the order of its calls. What cannot be taken back
by subtraction is derived again from all of the run's rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from arc_proxy.call import Kind
from arc_proxy.journal.fact import FactType
from arc_proxy.runs.framework import more_specific
from arc_proxy.store.bounds import json_text, some_word, word
from arc_proxy.store.rows import TOKEN_COLUMNS, Row, is_step, tokens_of
from pricing.cost import CostGrade

MODELS_MAX = 20
TAGS_MAX = 64

SUMS = (
    "calls",
    "attempts",
    "steps",
    "auxiliary_calls",
    "errors",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nanousd",
    "api_nanousd",
    "reported_calls",
    "estimated_calls",
    "partial_calls",
    "unpriced_calls",
    "api_calls",
)
_NAMES = ("session_key", "parent_run_id", "user", "version", "framework")


def call_sums(row: Mapping[str, Any]) -> tuple[int, ...]:
    """What one call's row adds to SUMS."""
    is_auxiliary = row["kind"] == Kind.AUXILIARY
    is_first = row["attempt_of"] is None
    tokens = dict(zip(TOKEN_COLUMNS, tokens_of(row), strict=True))
    cache_write = tokens["cache_write_5m_tokens"] + tokens["cache_write_1h_tokens"]
    grade = row["cost_grade"]
    cost = row["cost_nanousd"] or 0
    is_api = grade == CostGrade.API_EQUIVALENT
    return (
        not is_auxiliary and is_first,
        not is_auxiliary,
        is_step(row),
        is_auxiliary,
        row["failed"] and not is_auxiliary,
        tokens["input_text_tokens"]
        + tokens["input_audio_tokens"]
        + tokens["input_image_tokens"]
        + tokens["cache_read_tokens"]
        + cache_write,
        tokens["cache_read_tokens"],
        cache_write,
        tokens["output_text_tokens"] + tokens["output_audio_tokens"] + tokens["output_image_tokens"],
        tokens["reasoning_tokens"],
        0 if is_api else cost,
        cost if is_api else 0,
        grade == CostGrade.PROVIDER_REPORTED,
        grade == CostGrade.ESTIMATED,
        grade == CostGrade.PARTIAL,
        grade == CostGrade.UNKNOWN,
        is_api,
    )


def ended_ns(row: Mapping[str, Any]) -> int:
    """When a call's row was last heard of."""
    after: int = row["duration_ns"] or row["first_byte_ns"] or 0
    return min(int(row["started_ns"]) + after, 2**62)


@dataclass(slots=True)
class RunState:
    """A run's row while it is being added to."""

    id: int
    agent_id: int
    run_id: str
    sums: list[int] = field(default_factory=lambda: [0] * len(SUMS))
    started_ns: int | None = None
    ended_ns: int = 0
    names: dict[str, Any] = field(default_factory=dict)
    rule: tuple[float, str] = (-1.0, "")  # (confidence, rule), the most confident one
    models: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    announced: bool = False
    exceptions: int = 0
    last_call: tuple[int, bool] = (0, False)  # (started_ns, failed) of the last one that is not auxiliary
    outcome: tuple[int, str, str] | None = None  # (at, outcome, source), the latest one

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> RunState:
        return cls(
            id=row["id"],
            agent_id=row["agent_id"],
            run_id=row["run_id"],
            sums=[row[name] for name in SUMS],
            started_ns=row["started_ns"],
            ended_ns=row["ended_ns"],
            names={name: row[name] for name in _NAMES if row[name] is not None},
            rule=(row["grouping_confidence"], row["grouping_rule"]),
            models=set(orjson.loads(row["models"])),
            tags=orjson.loads(row["tags"]) if row["tags"] else {},
            announced=row["announced"],
            exceptions=row["exceptions"],
            last_call=(row["last_call_ns"], bool(row["last_call_failed"])),
            outcome=None
            if row["outcome_ns"] is None
            else (row["outcome_ns"], row["outcome"] or "", row["outcome_source"] or ""),
        )

    @property
    def is_empty(self) -> bool:
        """Nothing is left that speaks of it."""
        return self.started_ns is None

    def add_call(self, row: Mapping[str, Any]) -> None:
        self.sums = [old + new for old, new in zip(self.sums, call_sums(row), strict=True)]
        self._spread(row["started_ns"], ended_ns(row))
        for name in _NAMES:
            self._name(name, row[name])
        rule = (row["grouping_confidence"], row["grouping_rule"])
        self.rule = max(self.rule, rule)
        model = row["model"] or row["model_requested"]
        if row["kind"] != Kind.AUXILIARY:
            self.last_call = max(self.last_call, (row["started_ns"], bool(row["failed"])))
            if model:
                self.models.add(model)
        if row["tags"] is not None:
            self._tag(orjson.loads(row["tags"]))

    def subtract_call(self, row: Mapping[str, Any]) -> None:
        """Only the sums: see `covers`."""
        self.sums = [old - new for old, new in zip(self.sums, call_sums(row), strict=True)]

    def add_fact(self, row: Mapping[str, Any], fact: Mapping[str, Any], session_key: int | None) -> None:
        """One fact's row, its body, and the key of the session that it names."""
        at_ns = row["at_ns"]
        kind = row["type"]
        if kind == FactType.OUTCOME:
            said = (at_ns, word(_text(fact, "outcome")) or "", word(_text(fact, "source")) or "")
            self.outcome = max(self.outcome or said, said)
            return
        if kind == FactType.EXCEPTION:
            self.exceptions += 1
        elif kind == FactType.RUN_START:
            self.announced = True
            for name in ("parent_run_id", "user", "version", "framework"):
                self._name(name, word(_text(fact, name)))
            self._name("session_key", session_key)
            self._tag(tags_of(fact))
        self._spread(at_ns, at_ns)

    def as_row(self) -> Row:
        outcome = self.outcome or (None, None, None)
        confidence, rule = self.rule
        sums = dict(zip(SUMS, map(int, self.sums), strict=True))
        return {
            "id": self.id,
            "agent_id": self.agent_id,
            "run_id": self.run_id,
            **{name: self.names.get(name) for name in _NAMES},
            "grouping_rule": rule,
            "grouping_confidence": max(confidence, 0.0),
            "started_ns": self.started_ns or 0,
            "ended_ns": self.ended_ns,
            **sums,
            "models": orjson.dumps(sorted(self.models)[:MODELS_MAX]).decode(),
            "tags": json_text(dict(sorted(self.tags.items())[:TAGS_MAX])),
            "announced": self.announced,
            "exceptions": self.exceptions,
            "last_call_ns": self.last_call[0],
            "last_call_failed": self.last_call[1],
            "outcome_ns": outcome[0],
            "outcome": outcome[1],
            "outcome_source": outcome[2],
            "failed": self._is_failed(),
        }

    def _is_failed(self) -> bool:
        """
        A reported outcome beats what the traffic says, an exception beats silence.

        From traffic alone a run failed if its last call did: after an error that a retry or another step
        made up for, the run went on.
        """
        if self.outcome is not None:
            return self.outcome[1] == "failure"
        return self.exceptions > 0 or self.last_call[1]

    def _spread(self, started: int, ended: int) -> None:
        self.started_ns = started if self.started_ns is None else min(self.started_ns, started)
        self.ended_ns = max(self.ended_ns, ended)

    def _name(self, name: str, value: Any) -> None:
        if value is None:
            return
        known = self.names.get(name)
        if name == "framework":
            self.names[name] = more_specific(known, value)
        elif known is None or value < known:
            self.names[name] = value

    def _tag(self, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.tags[name] = min(self.tags.get(name, value), value)


def covers(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """
    Does the new row of a call say all of what the old one said that subtraction cannot take back?

    Then the run that has both needs no second look at its other calls.
    """
    return (
        new["run_key"] == old["run_key"]
        and new["started_ns"] == old["started_ns"]
        and new["failed"] >= old["failed"]
        and ended_ns(new) >= ended_ns(old)
        and new["tags"] == old["tags"]
        and (new["grouping_confidence"], new["grouping_rule"])
        >= (old["grouping_confidence"], old["grouping_rule"])
        and all(old[name] is None or new[name] == old[name] for name in _NAMES)
        and (old["model"] or old["model_requested"]) in (None, new["model"] or new["model_requested"])
        and (new["kind"] == Kind.AUXILIARY) <= (old["kind"] == Kind.AUXILIARY)
    )


def cost_grade(sums: Mapping[str, int], calls: int) -> CostGrade:
    """
    The grade of a sum of costs over `calls` calls, from how many of them have which doubtful grade.

    unknown: nothing of it has a price, and then the sum is not $0 but None. partial: a lower bound.
    api_equivalent: nothing of it was billed.
    """
    if sums["unpriced_calls"] and not sums["cost_nanousd"] and not sums["api_nanousd"]:
        return CostGrade.UNKNOWN
    if sums["unpriced_calls"] or sums["partial_calls"]:
        return CostGrade.PARTIAL
    if sums["api_calls"] and not sums["cost_nanousd"]:
        return CostGrade.API_EQUIVALENT
    if sums["estimated_calls"]:
        return CostGrade.ESTIMATED
    if calls and sums["reported_calls"] == calls:
        return CostGrade.PROVIDER_REPORTED
    return CostGrade.COMPUTED


def tags_of(fact: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a fact gives."""
    tags = fact.get("tags")
    if not isinstance(tags, dict):
        return {}
    return {some_word(str(name)): some_word(str(value)) for name, value in tags.items()}


def _text(fact: Mapping[str, Any], name: str) -> str | None:
    value = fact.get(name)
    if value is None or isinstance(value, str):
        return value
    return (
        str(value) if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else None
    )
