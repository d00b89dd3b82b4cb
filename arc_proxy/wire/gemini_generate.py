"""
The dialect of Gemini's generateContent and streamGenerateContent, also on Vertex AI. No I/O.

Sources: https://ai.google.dev/api/generate-content and, for what a client sends back of a reply,
https://ai.google.dev/gemini-api/docs/thought-signatures

A stream's chunks are whole responses, each with the next parts of a candidate: as server-sent events, or as
the items of one array. Counts are repeated in every chunk, and the last one holds. Nothing marks the end but
a reason to have finished. Code Assist wraps request and response once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from arc_proxy.call import CallError, Prompt, Reply, ToolCall
from arc_proxy.wire.call_error import read_error
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import (
    JsonObject,
    arguments_text,
    as_list,
    as_object,
    as_text,
    canonical,
    overlay,
    read_object,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_TOOLS = "tools"
_SYSTEM = ("systemInstruction", "system_instruction")
_PROMPT_FIELDS = frozenset({"model", "contents", _TOOLS, *_SYSTEM})
_SIGNATURE = "thoughtSignature"
# One use of it, billed where it is billed at all by what it searched for.
GROUNDING = "google_search"


def read_prompt(body: JsonObject) -> Prompt:
    body = _unwrapped(body, "request", "contents")
    messages = [canonical({_TOOLS: body[_TOOLS]})] if body.get(_TOOLS) else []
    system = next((body[field] for field in _SYSTEM if body.get(field)), None)
    if system is not None:
        parts = system.get("parts") if isinstance(system, dict) else system
        messages.append(canonical({"role": "system", "parts": parts}))
    return prompt_of(body, messages, body.get("contents"), _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    fold = _ContentFold()
    fold.add(body)
    return replace(fold.reply(), finished=True)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _ContentFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(document)
    return replace(fold.reply(), events=count)


def _unwrapped(body: JsonObject, wrapper: str, field: str) -> JsonObject:
    inner = body.get(wrapper)
    if field in body or not isinstance(inner, dict):
        return body
    model = {"model": body["model"]} if as_text(body.get("model")) else {}
    return model | inner


class _ContentFold:
    """The first candidate, put together chunk by chunk."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._response_id: str | None = None
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._role = "model"
        self._parts: list[JsonObject] = []
        self._spoke = False
        self._searches: tuple[str, ...] = ()

    def add(self, body: JsonObject) -> None:
        body = _unwrapped(body, "response", "candidates")
        self._model = as_text(body.get("modelVersion")) or self._model
        self._response_id = as_text(body.get("responseId")) or self._response_id
        self._usage = overlay(self._usage, body.get("usageMetadata"))
        self._error = read_error(body) or self._error
        candidates = [each for each in as_list(body.get("candidates")) if isinstance(each, dict)]
        first = next((each for each in candidates if not each.get("index")), None)
        if first is not None:
            self._add_candidate(first)
        blocked = as_object(body.get("promptFeedback")).get("blockReason")
        if blocked is not None:  # the prompt was refused: there is no candidate
            self._finish_reason = self._finish_reason or _word(blocked)

    def _add_candidate(self, candidate: JsonObject) -> None:
        self._finish_reason = _word(candidate.get("finishReason")) or self._finish_reason
        searched = as_list(as_object(candidate.get("groundingMetadata")).get("webSearchQueries"))
        if searched:
            self._searches = (GROUNDING,) * len(searched)
        content = candidate.get("content")
        if isinstance(content, dict):
            self._spoke = True
            self._role = as_text(content.get("role")) or self._role
            for part in as_list(content.get("parts")):
                if isinstance(part, dict):
                    self._add_part(part)

    def _add_part(self, part: JsonObject) -> None:
        """A text goes on where the one before it was of the same kind and had no signature yet."""
        last = self._parts[-1] if self._parts else {}
        is_open = _is_text(last) and _SIGNATURE not in last
        if is_open and _is_text(part) and _is_thought(part) == _is_thought(last):
            self._parts[-1] = {**last, **part, "text": last["text"] + part["text"]}
        else:
            self._parts.append(part)

    def reply(self) -> Reply:
        calls = [as_object(part["functionCall"]) for part in self._parts if part.get("functionCall")]
        texts = [part["text"] for part in self._parts if _is_text(part) and not _is_thought(part)]
        return Reply(
            model=self._model,
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            output_text="".join(texts) if texts else None,
            tool_calls=tuple(map(_tool_call, calls)),
            billed_tools=self._searches,
            usage=self._usage,
            error=self._error,
            message=canonical({"role": self._role, "parts": self._parts}) if self._spoke else None,
            finished=self._error is not None or self._finish_reason is not None,
        )


def _is_text(part: JsonObject) -> bool:
    return isinstance(part.get("text"), str) and not part.keys() - {"text", "thought", _SIGNATURE}


def _is_thought(part: JsonObject) -> bool:
    return bool(part.get("thought"))


def _tool_call(call: JsonObject) -> ToolCall:
    return ToolCall(
        id=as_text(call.get("id")),
        name=as_text(call.get("name")) or "",
        arguments=arguments_text(call.get("args")),
    )


def _word(value: Any) -> str | None:
    """An enum's value: its name, or its number where the caller asked for numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return as_text(value)


GEMINI_GENERATE = Dialect(
    name="gemini.generate",
    read_prompt=read_prompt,
    read_reply=read_reply,
    read_stream=read_stream,
    streams_arrays=True,
)
