"""
The noun Call: one generation (or embedding ...), as everything after ingest sees it. No I/O.

`wire` reads an exchange into a `Prompt` and a `Reply`, `ingest` puts them together with times, usage,
cost and grouping into a `Call`, `store` keeps it, `analysis` and the surfaces read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from arc_proxy.journal.record import Ended
from pricing.cost import Cost
from pricing.usage import Usage, UsageGrade


class Kind(StrEnum):
    """What a call is. Values reach the database and the export: append, never rename."""

    GENERATION = "generation"
    EMBEDDING = "embedding"
    MEDIA = "media"  # images, audio, video
    BATCH = "batch"
    AUXILIARY = "auxiliary"  # no step: probes, model lists, retrievals, and titles, which are billed
    OTHER = "other"


class Captured(StrEnum):
    """How much of the bodies was kept. Values reach the database and the export."""

    FULL = "full"
    HEAD = "head"  # only the beginning: the body was over the limit, or capture lost a piece
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    id: str | None
    name: str
    arguments: str  # text as on the wire; an object becomes compact JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError:
    type: str | None  # the provider's own word
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """
    What a request asked for.

    `messages` are in order, each the canonical JSON (sorted keys, compact, UTF-8) of one message in the
    dialect's own form; system prompts and instructions come first as messages of their own, and the
    tool list, where there is one, is the very first (`{"tools": [...]}`). So two requests share a
    prefix exactly when the model would see one.
    """

    model: str | None = None
    stream: bool = False
    messages: tuple[bytes, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)  # the rest of the body: no messages, no tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    What a response said; of a cut stream, what did arrive.

    finish_reason and error.type are the provider's own words. output_text is the answer text of the
    first choice without reasoning, None where the response has none. `finished`: the dialect's own end
    was seen (`data: [DONE]`, `message_stop`, the end of a JSON document).
    """

    model: str | None = None
    response_id: str | None = None
    finish_reason: str | None = None
    output_text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    server_tools: tuple[str, ...] = ()
    billed_tools: tuple[str, ...] | None = None  # uses of the provider's tools that cost; None: all of them
    usage: Mapping[str, Any] | None = None  # the provider's own object, last non-null value per field
    service_tier: str | None = None  # as served, where the response says so outside `usage`
    error: CallError | None = None
    message: bytes | None = None  # the assistant's message as the next request would quote it, canonical JSON
    finished: bool = False
    events: int = 0  # stream events read; 0 for a plain body


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Where a call belongs, and how we know. See `runs`."""

    run_id: str
    agent: str | None = None
    session_id: str | None = None
    parent_run_id: str | None = None
    user: str | None = None
    version: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    rule: str = "none"  # "header", "prefix", or "none": a call nobody named is a run of its own
    confidence: float = 0.0  # 0..1, of the run level
    separated_by: int | None = None  # key of the claim that keeps calls with another value out of the run


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkTime:
    """One captured piece of the response: when it came, after the request head, and its size."""

    after_ns: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    call_id: str  # `journal.record.id_text` of the exchange, `.<n>` behind it on a WebSocket
    writer: str  # the journal writer that recorded it
    grouping: Grouping
    provider: str  # the words of the export schema: "openai", "anthropic", "azure", "other" ...
    dialect: str  # "openai.chat", "openai.responses", "anthropic.messages", "openai.embeddings", "unknown"
    endpoint: str  # "chat.completions", "responses", "messages", "embeddings", "models", "other" ...
    kind: Kind
    method: str
    target: str  # path and query as sent, credentials cut
    url: str | None  # the whole URL it went to, credentials cut; None if arc-proxy answered itself
    started_ns: int  # wall clock, request head received
    first_byte_ns: int | None  # after started_ns: first byte of the response body
    duration_ns: int | None  # after started_ns: last record seen; None if the call has not ended
    status: int | None  # None if there was no response
    ended: Ended
    ended_detail: str = ""
    captured: Captured = Captured.FULL
    unsecured: bool = False  # recorded while the disk was too slow for the record to precede the bytes
    prompt: Prompt
    reply: Reply
    usage: Usage
    usage_grade: UsageGrade
    cost: Cost
    estimated_by: str | None = None  # how tokens were counted, or why they were not, where none are stated
    attempt_of: str | None = None
    attempt: int = 1
    request_bytes: int = 0
    response_bytes: int = 0
    request_headers: tuple[tuple[str, str], ...] = ()  # credentials cut
    response_headers: tuple[tuple[str, str], ...] = ()
    chunk_times: tuple[ChunkTime, ...] = ()
    request_id: str | None = None  # the provider's own x-request-id / request-id
    framework: str | None = None  # what made the request, as far as it shows
    auxiliary: str | None = None  # what an auxiliary call was for: "title", "probe" ...
    clues: tuple[
        int, ...
    ] = ()  # keys that later calls find this one by; the store takes them and gives none back
