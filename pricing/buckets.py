"""The nouns of usage: its buckets, how far it can be trusted, and the share of a call billed by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum


class UsageGrade(StrEnum):
    """How far a usage can be trusted. Values reach the database and the export."""

    REPORTED = "reported"  # the provider's own numbers, complete
    ESTIMATED = "estimated"  # counted by us
    PARTIAL = "partial"  # some of it (a stream cut before its last count), or contradictory
    NONE = "none"  # nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts in disjoint buckets. `reasoning` alone is a part of another bucket, output_text."""

    input_text: int = 0  # not cached, neither audio nor image
    input_audio: int = 0
    input_image: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0  # and writes of no stated lifetime
    cache_write_1h: int = 0
    output_text: int = 0  # reasoning included
    output_audio: int = 0
    output_image: int = 0
    reasoning: int = 0  # of output_text, as stated: some count it by another tokenizer, and have more of it
    tool_units: Mapping[str, int] = field(default_factory=dict)  # {"web_search": 2}, billed per use

    @property
    def input_tokens(self) -> int:
        """All tokens that went in, cache reads and writes included."""
        return (
            self.input_text
            + self.input_audio
            + self.input_image
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
        )

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_text + self.output_audio + self.output_image

    def __add__(self, other: Usage) -> Usage:
        sums = {name: getattr(self, name) + getattr(other, name) for name in (*TOKEN_BUCKETS, "reasoning")}
        tools = dict(self.tool_units)
        for name, units in other.tool_units.items():
            tools[name] = tools.get(name, 0) + units
        return Usage(**sums, tool_units=tools)


TOKEN_BUCKETS: tuple[str, ...] = tuple(
    each.name for each in fields(Usage) if each.name not in ("reasoning", "tool_units")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledPart:
    """A share of a call that is billed by itself: `model` None is the model that answered."""

    usage: Usage
    model: str | None = None
