"""
The dialects of Cohere's chat, of both its versions, and of its older generate. No I/O.

Sources: https://docs.cohere.com/v2/reference/chat (streamed as server-sent events),
https://docs.cohere.com/v1/reference/chat and https://docs.cohere.com/v1/reference/generate (streamed as
lines of JSON)

Version 2 counts in `usage`, version 1 in `meta`: `tokens` is what the model saw, `billed_units` what is
billed. No response names a model. Version 1 streams end in an event that holds the whole response.
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
    joined_texts,
    read_object,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset(
    {"model", "stream", "messages", "tools", "message", "chat_history", "preamble", "tool_results", "prompt"}
)
_QUOTED_FIELDS = ("tool_plan", "content", "tool_calls")


def read_prompt(body: JsonObject) -> Prompt:
    messages = [canonical({"tools": body["tools"]})] if body.get("tools") else []
    if body.get("preamble"):
        messages.append(canonical({"role": "system", "content": body["preamble"]}))
    return prompt_of(body, messages, body.get("messages") or _spoken_v1(body), _PROMPT_FIELDS)


def _spoken_v1(body: JsonObject) -> list[Any]:
    """Version 1 has the last turn beside the turns before it."""
    spoken = list(as_list(body.get("chat_history")))
    if body.get("tool_results"):
        spoken.append({"role": "TOOL", "tool_results": body["tool_results"]})
    text = as_text(body.get("message")) or as_text(body.get("prompt"))
    if text is not None:
        spoken.append({"role": "USER", "message": text})
    return spoken


def read_reply(body: JsonObject) -> Reply:
    message = body.get("message")
    if isinstance(message, dict):
        return _reply_v2(
            message,
            response_id=as_text(body.get("id")),
            finish_reason=as_text(body.get("finish_reason")),
            usage=_object_or_none(body.get("usage")),
            error=read_error(body),
            finished=True,
        )
    return _reply_v1(body)


def _reply_v2(message: JsonObject, **said: Any) -> Reply:
    content = message.get("content")
    calls = [as_object(call) for call in as_list(message.get("tool_calls"))]
    return Reply(
        output_text=content if isinstance(content, str) else joined_texts(as_list(content), "text"),
        tool_calls=tuple(_tool_call(call.get("id"), as_object(call.get("function"))) for call in calls),
        message=canonical(
            {"role": "assistant"} | {field: message[field] for field in _QUOTED_FIELDS if message.get(field)}
        ),
        **said,
    )


def _reply_v1(body: JsonObject) -> Reply:
    first = next((each for each in as_list(body.get("generations")) if isinstance(each, dict)), body)
    text = first.get("text")
    calls = [as_object(call) for call in as_list(body.get("tool_calls"))]
    has_spoken = isinstance(text, str) or bool(calls)
    return Reply(
        response_id=as_text(body.get("generation_id")) or as_text(body.get("id")),
        finish_reason=as_text(first.get("finish_reason")),
        output_text=text if isinstance(text, str) else None,
        tool_calls=tuple(_tool_call(None, call) for call in calls),
        usage=_object_or_none(body.get("meta")),
        error=read_error(body),
        message=_quoted_v1(text, calls) if has_spoken else None,
        finished=True,
    )


def _quoted_v1(text: Any, calls: list[JsonObject]) -> bytes:
    return canonical({"role": "CHATBOT", "message": text} | ({"tool_calls": calls} if calls else {}))


def _tool_call(call_id: Any, function: JsonObject) -> ToolCall:
    return ToolCall(
        id=as_text(call_id),
        name=as_text(function.get("name")) or "",
        arguments=arguments_text(function.get("arguments", function.get("parameters"))),
    )


def _object_or_none(value: Any) -> JsonObject | None:
    return value if isinstance(value, dict) else None


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _ChatFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(as_text(document.get("type")) or as_text(document.get("event_type")) or "", document)
    return replace(fold.reply(), events=count)


class _ChatFold:
    """A stream of either version, put together event by event."""

    def __init__(self) -> None:
        self._response_id: str | None = None
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._finished = False
        self._whole: JsonObject | None = None  # what version 1 says at the end
        self._is_v1 = False
        self._spoke = False
        self._plan: list[str] = []
        self._blocks: dict[Any, JsonObject] = {}
        self._calls: dict[Any, JsonObject] = {}
        self._text: list[str] = []

    def add(self, kind: str, body: JsonObject) -> None:
        said = as_object(body.get("delta"))
        message = as_object(said.get("message"))
        index = body.get("index") if isinstance(body.get("index"), int) else None
        match kind:
            case "content-delta" | "content-start":
                self._add_content(index, as_object(message.get("content")))
            case "message-start":
                self._spoke = True
                self._response_id = as_text(body.get("id"))
            case "tool-plan-delta":
                self._plan.append(as_text(message.get("tool_plan")) or "")
            case "tool-call-start" | "tool-call-delta":
                self._add_call(index, as_object(message.get("tool_calls")))
            case "message-end":
                self._finished = True
                self._finish_reason = as_text(said.get("finish_reason"))
                self._usage = _object_or_none(said.get("usage"))
                self._error = read_error(said)
            case "stream-start":
                self._is_v1 = True
                self._response_id = as_text(body.get("generation_id"))
            case "text-generation":
                self._is_v1 = True
                self._text.append(as_text(body.get("text")) or "")
            case "stream-end":
                self._finished = self._is_v1 = True
                self._whole = as_object(body.get("response"))
                self._finish_reason = as_text(body.get("finish_reason"))
            case _:
                error = read_error(body)
                if error is not None:
                    self._error, self._finished = error, True

    def _add_content(self, index: int | None, piece: JsonObject) -> None:
        block = self._blocks.setdefault(index, {"type": "text"})
        for field, value in piece.items():
            before = block.get(field)
            is_more = isinstance(value, str) and isinstance(before, str) and field != "type"
            block[field] = before + value if is_more else value

    def _add_call(self, index: int | None, piece: JsonObject) -> None:
        call = self._calls.setdefault(index, {"id": None, "type": "function", "function": {}})
        call["id"] = as_text(piece.get("id")) or call["id"]
        function, more = call["function"], as_object(piece.get("function"))
        function["name"] = as_text(more.get("name")) or function.get("name")
        function["arguments"] = function.get("arguments", "") + (as_text(more.get("arguments")) or "")

    def reply(self) -> Reply:
        if self._is_v1:
            return self._reply_v1()
        if not self._spoke:
            return Reply(error=self._error, finished=self._finished)
        message = {
            "tool_plan": "".join(self._plan),
            "content": list(self._blocks.values()),
            "tool_calls": list(self._calls.values()),
        }
        return _reply_v2(
            message,
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            usage=self._usage,
            error=self._error,
            finished=self._finished,
        )

    def _reply_v1(self) -> Reply:
        if self._whole:
            whole = _reply_v1(self._whole)
            return replace(
                whole,
                response_id=self._response_id or whole.response_id,
                finish_reason=self._finish_reason or whole.finish_reason,
            )
        text = "".join(self._text) if self._text else None
        return Reply(
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            output_text=text,
            error=self._error,
            message=_quoted_v1(text, []) if text is not None else None,
            finished=self._finished,
        )


COHERE_CHAT = Dialect(
    name="cohere.chat", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
