"""
The dialect of Amazon Bedrock's InvokeModel: each family of models has its own, told by its shape. No I/O.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html

Where a family speaks a dialect that others speak too (Anthropic's messages, OpenAI's chat, Cohere's chat,
Converse), that one reads it; choices of Mistral and DeepSeek end by a `stop_reason`. The rest take a text
and give one: Titan, Llama, Mistral, Command, Jurassic, Claude before messages. Usage stands in the body, in
the metrics behind a stream, or in headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from arc_proxy.call import CallError, Prompt, Reply
from arc_proxy.wire.anthropic_messages import ANTHROPIC_MESSAGES
from arc_proxy.wire.bedrock_converse import BEDROCK_CONVERSE, EVENTS
from arc_proxy.wire.call_error import read_error
from arc_proxy.wire.cohere_chat import COHERE_CHAT
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import (
    JsonObject,
    as_list,
    as_object,
    as_text,
    canonical,
    overlay,
    read_object,
)
from arc_proxy.wire.openai_chat import OPENAI_CHAT
from arc_proxy.wire.openai_completions import OPENAI_COMPLETIONS
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

METRICS = "amazon-bedrock-invocationMetrics"
_METRICS_MARK = METRICS.encode()
_REASON_MARK = b'"stop_reason"'

_TEXT_PROMPTS = ("inputText", "prompt")
_PROMPT_FIELDS = frozenset({*_TEXT_PROMPTS, "model", "stream"})
_LISTS = ("results", "outputs", "generations", "completions")  # Titan, Mistral, Command, Jurassic
_TEXTS = ("outputText", "text", "generation", "completion")
_REASONS = ("completionReason", "stop_reason", "finish_reason", "stopReason", "finishReason")
_COUNTS = (
    "inputTextTokenCount",
    "totalOutputTextTokenCount",
    "prompt_token_count",
    "generation_token_count",
)
_CONVERSE_FIELDS = frozenset({"inferenceConfig", "toolConfig", "schemaVersion"})
_HEADER_COUNTS = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}


def read_prompt(body: JsonObject) -> Prompt:
    if "anthropic_version" in body and "messages" in body:
        return ANTHROPIC_MESSAGES.read_prompt(body)
    if not _CONVERSE_FIELDS.isdisjoint(body) or _has_untyped_parts(body):
        return BEDROCK_CONVERSE.read_prompt(body)
    if "message" in body or "chat_history" in body:
        return COHERE_CHAT.read_prompt(body)
    if "messages" in body:
        return OPENAI_CHAT.read_prompt(body)
    text = next((body[field] for field in _TEXT_PROMPTS if body.get(field)), None)
    return prompt_of(body, [], [{"role": "user", "content": text}] if text else [], _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    dialect = _speaker(body)
    if dialect is not None:
        return dialect.read_reply(_with_reasons(body))
    fold = _TextFold()
    fold.add(body)
    return replace(fold.reply(), finished=True)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    following = iter(events)
    first = next(following, None)
    if first is None:
        return Reply()
    every = chain([first], following)
    dialect = _speaker(read_object(first.data) or {})
    if dialect is not None:
        metrics: JsonObject = {}
        reply = dialect.read_stream(_spoken(every, metrics))
        return reply if reply.usage is not None else replace(reply, usage=metrics or None)
    fold = _TextFold()
    count = 0
    for event in every:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(document)
    return replace(fold.reply(), events=count)


def _spoken(events: Iterable[StreamEvent], metrics: JsonObject) -> Iterator[StreamEvent]:
    """The events as their dialect knows them; what Bedrock measured goes into `metrics`."""
    for event in events:
        if _METRICS_MARK in event.data:
            metrics.update(as_object((read_object(event.data) or {}).get(METRICS)))
        if _REASON_MARK in event.data:
            document = read_object(event.data) or {}
            if "choices" in document:
                event = event._replace(data=canonical(_with_reasons(document)))
        yield event


def _with_reasons(body: JsonObject) -> JsonObject:
    """A reply whose choices say why they end as OpenAI's do."""
    choices = body.get("choices")
    if not isinstance(choices, list):
        return body
    named = [
        {"finish_reason": choice["stop_reason"], **choice} if "stop_reason" in choice else choice
        for choice in map(as_object, choices)
    ]
    return {**body, "choices": named}


def _has_untyped_parts(body: JsonObject) -> bool:
    """Converse tells the parts of a message by their only field, the others by a `type`."""
    return any(
        isinstance(part, dict) and "type" not in part
        for message in as_list(body.get("messages"))
        for part in as_list(as_object(message).get("content"))
    )


def read_header_usage(headers: Iterable[tuple[str, str]]) -> Mapping[str, int] | None:
    """What the headers of a response count, in the words of the metrics; None if they count nothing."""
    counts = {
        _HEADER_COUNTS[name.lower()]: int(value)
        for name, value in headers
        if name.lower() in _HEADER_COUNTS and value.isascii() and value.isdigit() and len(value) < 16
    }
    return counts or None


def _speaker(body: JsonObject) -> Dialect | None:
    """Whose dialect this is, a response or the first event of a stream; None: of a text and no more."""
    kind = body.get("type")
    if kind in ("message", "message_start"):
        return ANTHROPIC_MESSAGES
    if as_object(body.get("output")).get("message") is not None or not EVENTS.isdisjoint(body):
        return BEDROCK_CONVERSE
    if isinstance(body.get("choices"), list):
        return OPENAI_COMPLETIONS  # which reads chats, too
    if "event_type" in body or "chat_history" in body or "generation_id" in body:
        return COHERE_CHAT
    return None


class _TextFold:
    """What a model of texts said, put together piece by piece."""

    def __init__(self) -> None:
        self._response_id: str | None = None
        self._text: list[str] = []
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._metrics: JsonObject | None = None
        self._error: CallError | None = None

    def add(self, body: JsonObject) -> None:
        self._error = read_error(body) or self._error
        self._response_id = self._response_id or as_text(body.get("id"))
        listed = next((as_list(body.get(name)) for name in _LISTS if as_list(body.get(name))), [body])
        piece = as_object(listed[0])
        piece = {**as_object(piece.get("data")), **piece}  # Jurassic
        text = next((piece[name] for name in _TEXTS if isinstance(piece.get(name), str)), None)
        if text is not None:
            self._text.append(text)
        reasons: list[Any] = [piece.get(name) for name in _REASONS]
        reasons += [as_object(reason).get("reason") for reason in reasons]
        self._finish_reason = next(filter(None, map(as_text, reasons)), None) or self._finish_reason
        counts = {name: body[name] for name in _COUNTS if body.get(name) is not None}
        if "tokenCount" in piece:
            counts["tokenCount"] = piece["tokenCount"]
        self._usage = overlay(self._usage, counts or None)
        self._metrics = overlay(self._metrics, body.get(METRICS))

    def reply(self) -> Reply:
        text = "".join(self._text) if self._text else None
        return Reply(
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            output_text=text,
            usage=self._metrics or self._usage,
            error=self._error,
            message=None if text is None else canonical({"role": "assistant", "content": text}),
            finished=self._finish_reason is not None or self._error is not None,
        )


BEDROCK_INVOKE = Dialect(
    name="bedrock.invoke", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
