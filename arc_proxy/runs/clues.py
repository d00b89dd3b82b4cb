"""Everything that grouping needs to know of one call, without its bodies. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arc_proxy.runs.claim import Claim
from arc_proxy.runs.quotes import Key, Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Clues:
    """
    `issued` and `quoted` are lineage: what a later request may quote of this call's reply, strongest first,
    and what this request quotes. Passages are lines and sentences of some length: `passages` those that the
    reply brought, `brief` those of the messages by which a conversation begins. They tell that a worker was
    sent by an earlier reply, count for some minutes only, and are never stored.
    """

    call_id: str
    started_ns: int
    ended_ns: int | None  # when the last record was seen; None if it has not ended
    claims: tuple[Claim, ...] = ()  # strongest first
    tags: Mapping[str, str] = field(default_factory=dict)
    agent_hint: str | None = None  # proposed agent name where none is claimed
    framework: str | None = None
    version_hint: str | None = None
    auxiliary: str | None = None  # kind of auxiliary traffic, None if it is a step
    model: str | None = None  # as requested: tells runs apart that are equal so far
    issued: tuple[Key, ...] = ()
    quoted: tuple[Quote, ...] = ()
    passages: tuple[Key, ...] = ()
    brief: tuple[Key, ...] = ()
    body_key: Key | None = None  # same method, path and body
    idempotency_key: Key | None = None
    retry_count: int | None = None  # x-stainless-retry-count
    failed: bool = False
    retryable: bool = False  # 408, 409, 429, >= 500, no response, a stream that was cut
    final: bool = False  # finished, and asks for no tool: a run may end here
