"""
What an exchange says of its place in so many words, one statement at a time. No I/O.

Agent, session, parent run and run are resolved separately: a rule claims only the levels that it knows. A
claim *joins* if two calls with the same value belong together, and *separates* if two calls with different
values do not, whatever weaker rules say. Most ids only join: many clients send a fresh one per request.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    AGENT = "agent"
    SESSION = "session"
    PARENT_RUN = "parent_run"
    RUN = "run"
    USER = "user"
    VERSION = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """
    `value` is as the client sent it. `is_name`: the value is the id itself, byte for byte (`x-arc-run-id`);
    else it is only a key by which calls are told to belong together, and the run's id is inferred.
    """

    level: Level
    value: str
    rule: str  # which rule spoke: "arc.header", "arc.prefix", "claude_code", "helicone", "traceparent" ...
    joins: bool = True
    separates: bool = False
    is_name: bool = False
    confidence: float = 1.0  # 0..1, that calls with this value belong together
