"""
A price asked for outside any proxy: `arc-proxy prices cost` reads one question per line.

    {"id": "a", "provider": "openai", "api": "chat", "model": "gpt-5", "at": "2026-11-22T12:00:00Z",
     "context": {"endpoint": "batch"}, "response": {"model": ..., "service_tier": ..., "usage": {...}}}

`response` is a provider's response, or a list with the events of its stream; only what bears on the price is
read. All but `provider`, and `model` or a response that names one, may be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pricing.book import PriceBook
from pricing.cost import Cost, price_call
from pricing.counts import mapping
from pricing.usage import Usage, UsageGrade, normalise_usage

# The question's word for an API -> the dialect of its usage; others are recognised by the usage's shape.
DIALECTS = {
    "chat": "openai.chat",
    "chat.completions": "openai.chat",
    "responses": "openai.responses",
    "embeddings": "openai.embeddings",
    "messages": "anthropic.messages",
    "generateContent": "gemini.generate",
    "converse": "bedrock.converse",
}


class QuestionError(ValueError):
    """A question that cannot be read. Says which field, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    id: str
    usage: Usage
    usage_grade: UsageGrade
    cost: Cost


def quote(book: PriceBook, question: object, *, now: datetime) -> Quote:
    """
    The price of one question; QuestionError if it is not one.

    `now`: the moment to price at where the question has no `at`.
    """
    if not isinstance(question, Mapping):
        raise QuestionError("a question is a JSON object")
    provider = question.get("provider")
    if not isinstance(provider, str) or not provider:
        raise QuestionError("provider: must be the name of a provider, like openai")
    response = question.get("response")
    reply = _overlaid(response) if isinstance(response, list) else mapping(response)
    raw = reply.get("usage") or reply.get("usageMetadata")
    context = mapping(question.get("context"))
    usage, grade = normalise_usage(
        raw,
        dialect=DIALECTS.get(str(question.get("api", "")).partition(".sse")[0], "unknown"),
        provider=provider,
        server_tools=_server_tools(reply.get("output")),
    )
    cost = price_call(
        book,
        usage,
        grade,
        provider=provider,
        model=_text(reply.get("model")) or _text(reply.get("modelVersion")),
        model_requested=_text(question.get("model")),
        at=_moment(question.get("at"), now),
        service_tier=_text(reply.get("service_tier")),
        endpoint=_text(context.get("endpoint")),
        region=_text(context.get("region")),
        raw_usage=raw,
    )
    return Quote(id=str(question.get("id", "")), usage=usage, usage_grade=grade, cost=cost)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(value: object, now: datetime) -> datetime:
    if value is None:
        return now
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise QuestionError(f"at: must be a time like 2026-11-22T12:00:00Z, not {value!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _server_tools(output: object) -> Iterable[str]:
    """The provider's own tools among the items of a Responses reply, one entry per use."""
    for item in output if isinstance(output, list) else ():
        kind = mapping(item).get("type")
        action = mapping(mapping(item).get("action")).get("type", "search")
        if isinstance(kind, str) and (kind != "web_search_call" or action == "search"):
            yield kind


def _overlaid(events: Iterable[object]) -> dict[str, Any]:
    """What a stream's events say together: of each field the last value that is not null."""
    reply: dict[str, Any] = {}
    for event in events:
        said = mapping(event)
        for layer in (said, mapping(said.get("message")), mapping(said.get("response"))):
            for name in ("model", "modelVersion", "service_tier", "output"):
                if layer.get(name) is not None:
                    reply[name] = layer[name]
            for name in ("usage", "usageMetadata"):
                if isinstance(layer.get(name), Mapping):
                    reply[name] = _last_said(mapping(reply.get(name)), layer[name])
    return reply


def _last_said(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Field by field, at any depth that JSON allows in a usage: two levels in all that was seen."""
    merged = dict(before)
    for name, value in after.items():
        if value is None:
            continue
        earlier = merged.get(name)
        if isinstance(value, Mapping) and isinstance(earlier, Mapping):
            value = {**earlier, **{inner: each for inner, each in value.items() if each is not None}}
        merged[name] = value
    return merged
