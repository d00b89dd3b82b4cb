"""
The dialect of Ollama's own chat and generate. No I/O.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md

A stream is lines of JSON, each with the next piece; the last one, `done`, has the counts. Tool calls come
whole, and mostly without an id. It streams unless it is asked not to.
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
    read_object,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset(
    {"model", "stream", "messages", "tools", "system", "prompt", "suffix", "images", "context"}
)
_ASKED = ("prompt", "suffix", "images")
_COUNTS = ("prompt_eval_count", "eval_count")


def read_prompt(body: JsonObject) -> Prompt:
    messages = [canonical({"tools": body["tools"]})] if body.get("tools") else []
    if body.get("system"):
        messages.append(canonical({"role": "system", "content": body["system"]}))
    spoken = body.get("messages")
    if spoken is None and body.get("prompt"):
        asked = {field: body[field] for field in _ASKED if body.get(field)}
        spoken = [{"role": "user", "content": asked.pop("prompt")} | asked]
    prompt = prompt_of(body, messages, spoken, _PROMPT_FIELDS)
    return replace(prompt, stream=body.get("stream", True) is True)


def read_reply(body: JsonObject) -> Reply:
    fold = _Fold()
    fold.add(body)
    return replace(fold.reply(), finished=True)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _Fold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(document)
    return replace(fold.reply(), events=count)


class _Fold:
    def __init__(self) -> None:
        self._model: str | None = None
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._finished = False
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[JsonObject] = []
        self._spoke = False

    def add(self, body: JsonObject) -> None:
        self._model = as_text(body.get("model")) or self._model
        error = read_error(body)
        if error is not None:
            self._error, self._finished = error, True
        message = as_object(body.get("message")) or body
        text = message.get("content", message.get("response"))
        if isinstance(text, str):
            self._spoke = True
            self._text.append(text)
        if isinstance(message.get("thinking"), str):
            self._thinking.append(message["thinking"])
        self._calls += [call for call in as_list(message.get("tool_calls")) if isinstance(call, dict)]
        if body.get("done") is True:
            self._finished = True
            self._finish_reason = as_text(body.get("done_reason"))
            self._usage = {field: body[field] for field in _COUNTS if body.get(field) is not None} or None

    def reply(self) -> Reply:
        message: JsonObject = {"role": "assistant", "content": "".join(self._text)}
        if self._thinking:
            message["thinking"] = "".join(self._thinking)
        if self._calls:
            message["tool_calls"] = self._calls
        return Reply(
            model=self._model,
            finish_reason=self._finish_reason,
            output_text="".join(self._text) if self._spoke else None,
            tool_calls=tuple(map(_tool_call, self._calls)),
            usage=self._usage,
            error=self._error,
            message=canonical(message) if self._spoke or self._calls else None,
            finished=self._finished,
        )


def _tool_call(call: JsonObject) -> ToolCall:
    function = as_object(call.get("function"))
    arguments: Any = function.get("arguments")
    return ToolCall(
        id=as_text(call.get("id")),
        name=as_text(function.get("name")) or "",
        arguments=arguments_text(arguments),
    )


OLLAMA_CHAT = Dialect(
    name="ollama.chat", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
