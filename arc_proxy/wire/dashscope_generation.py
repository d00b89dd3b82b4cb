"""
The dialect of DashScope's own text and multimodal generation. No I/O.

Source: https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-dashscope

A stream's events hold the next piece (`incremental_output`) or all that was said so far; which of the two,
the response does not say. Counts are repeated and grow. "null" is no reason to have finished.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

from arc_proxy.call import CallError, Prompt, Reply, ToolCall
from arc_proxy.wire.call_error import read_error, read_refusal
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

_PROMPT_FIELDS = frozenset({"model", "input", "stream", "tools"})
_BESIDE = ("reasoning_content",)


def read_prompt(body: JsonObject) -> Prompt:
    asked = as_object(body.get("input"))
    tools = as_object(body.get("parameters")).get("tools") or body.get("tools")
    messages = [canonical({"tools": tools})] if tools else []
    spoken = asked.get("messages")
    if spoken is None and asked.get("prompt"):
        spoken = [{"role": "user", "content": asked["prompt"]}]
    prompt = prompt_of(body, messages, spoken, _PROMPT_FIELDS)
    parameters = prompt.parameters.get("parameters")
    if not isinstance(parameters, dict) or "tools" not in parameters:
        return prompt
    kept = {name: value for name, value in parameters.items() if name != "tools"}
    return replace(prompt, parameters={**prompt.parameters, "parameters": kept})


def read_reply(body: JsonObject) -> Reply:
    fold = _GenerationFold()
    fold.add(body)
    return replace(fold.reply(), finished=True)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _GenerationFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(document)
    return replace(fold.reply(), events=count)


class _Pieces:
    """A text as it came, in pieces or again and again from its beginning."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    def text(self) -> str:
        said = self._pieces
        if len(said) > 1 and said[0] and all(after.startswith(before) for before, after in pairwise(said)):
            return said[-1]
        return "".join(said)


class _Call:
    __slots__ = ("arguments", "id", "kind", "name")

    def __init__(self) -> None:
        self.id = _Pieces()
        self.name = _Pieces()
        self.kind = "function"
        self.arguments = _Pieces()

    def whole(self) -> JsonObject:
        function = {"name": self.name.text(), "arguments": self.arguments.text()}
        return {"id": self.id.text(), "type": self.kind, "function": function}


class _GenerationFold:
    def __init__(self) -> None:
        self._response_id: str | None = None
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._content: _Pieces | None = None
        self._beside: dict[str, _Pieces] = {}
        self._calls: dict[int, _Call] = {}
        self._spoke = False

    def add(self, body: JsonObject) -> None:
        self._response_id = as_text(body.get("request_id")) or self._response_id
        self._usage = overlay(self._usage, body.get("usage"))
        output = body.get("output")
        if not isinstance(output, dict):
            error = read_error(body)
            if error is None and as_text(body.get("code")):
                error = read_refusal(body)
            self._error = error or self._error
            return
        choice = next((each for each in as_list(output.get("choices")) if isinstance(each, dict)), output)
        reason = as_text(choice.get("finish_reason"))
        if reason != "null":
            self._finish_reason = reason or self._finish_reason
        message = choice.get("message")
        if isinstance(message, dict):
            self._add_message(message)
        elif isinstance(output.get("text"), str):  # result_format "text"
            self._add_message({"content": output["text"]})

    def _add_message(self, message: JsonObject) -> None:
        self._spoke = True
        text = _content_text(message.get("content"))
        if text is not None:
            self._content = self._content or _Pieces()
            self._content.add(text)
        for field in _BESIDE:
            if as_text(message.get(field)):
                self._beside.setdefault(field, _Pieces()).add(message[field])
        for at, call in enumerate(as_list(message.get("tool_calls"))):
            if isinstance(call, dict):
                self._add_call(at, call)

    def _add_call(self, at: int, said: JsonObject) -> None:
        index = said.get("index")
        call = self._calls.setdefault(index if isinstance(index, int) else at, _Call())
        function = as_object(said.get("function"))
        call.id.add(as_text(said.get("id")) or "")
        call.name.add(as_text(function.get("name")) or "")
        call.arguments.add(arguments_text(function.get("arguments")))

    def reply(self) -> Reply:
        text = None if self._content is None else self._content.text()
        calls = [call.whole() for call in self._calls.values()]
        message: JsonObject = {"role": "assistant", "content": text}
        message |= {field: pieces.text() for field, pieces in self._beside.items()}
        if calls:
            message["tool_calls"] = calls
        return Reply(
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            output_text=text,
            tool_calls=tuple(
                ToolCall(
                    id=call["id"] or None,
                    name=call["function"]["name"],
                    arguments=call["function"]["arguments"],
                )
                for call in calls
            ),
            usage=self._usage,
            error=self._error,
            message=canonical(message) if self._spoke else None,
            finished=self._error is not None or self._finish_reason is not None,
        )


def _content_text(content: Any) -> str | None:
    """A text, or the texts among the parts of a multimodal answer, which have no type."""
    if isinstance(content, str):
        return content
    texts = [part["text"] for part in as_list(content) if isinstance(as_object(part).get("text"), str)]
    return "".join(texts) if texts else None


DASHSCOPE_GENERATION = Dialect(
    name="dashscope.generation", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
