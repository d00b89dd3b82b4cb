"""
The dialect of OpenAI's responses, also at xAI, OpenRouter, Azure and others. No I/O.

Sources: https://platform.openai.com/docs/api-reference/responses and .../responses-streaming

The last event carries the whole response again, so a stream that came to its end is read like a plain
body; the events before it count only where it was cut, or where the last one lists no output (as Codex's
backend does). What a next request quotes is not one message but items, so `Reply.message` is their list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
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
    joined_texts,
    overlay,
    read_object,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "stream", "input", "tools", "instructions"})
_CLIENT_TOOLS = frozenset({"function_call", "custom_tool_call"})
TERMINAL_EVENTS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
_PART_DELTAS = {
    "response.output_text.delta": ("output_text", "text"),
    "response.refusal.delta": ("refusal", "refusal"),
}
_ITEM_DELTAS = {
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
    "response.code_interpreter_call_code.delta": "code",
}


def read_prompt(body: JsonObject) -> Prompt:
    messages = [canonical({"tools": body["tools"]})] if body.get("tools") else []
    if body.get("instructions"):
        messages.append(canonical({"role": "system", "content": body["instructions"]}))
    spoken = body.get("input")
    if isinstance(spoken, str):
        spoken = [{"role": "user", "content": spoken}]
    return prompt_of(body, messages, spoken, _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    items = [item for item in as_list(body.get("output")) if isinstance(item, dict)]
    ours = [item for item in items if _is_server_tool(item.get("type"))]
    usage = body.get("usage")
    return Reply(
        model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        finish_reason=_finish_reason(body),
        output_text=_output_text(items),
        tool_calls=tuple(_tool_call(item) for item in items if as_text(item.get("type")) in _CLIENT_TOOLS),
        server_tools=tuple(str(item["type"]) for item in ours),
        billed_tools=tuple(str(item["type"]) for item in ours if _is_billed(item)),
        usage=usage if isinstance(usage, dict) else None,
        service_tier=as_text(body.get("service_tier")),
        error=read_error(body),
        message=canonical(items) if items else None,
        finished=True,
    )


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _ResponseFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(as_text(document.get("type")) or event.name, document)
    return replace(fold.reply(), events=count)


class _Item:
    """One output item: as its events say it is, and the pieces that came for it since."""

    __slots__ = ("_parts", "_pieces", "_said")

    def __init__(self) -> None:
        self._said: JsonObject = {"type": "message", "role": "assistant"}  # if its first event never came
        self._parts: dict[tuple[Any, str], list[str]] = {}  # by content index and kind of delta
        self._pieces: dict[str, list[str]] = {}  # by field of the item

    def say(self, item: Any, *, whole: bool) -> None:
        self._said = as_object(item)
        if whole:
            self._parts.clear()
            self._pieces.clear()

    def add(self, kind: str, content_index: Any, piece: str) -> None:
        if kind in _PART_DELTAS:
            index = content_index if isinstance(content_index, int) else None
            self._parts.setdefault((index, kind), []).append(piece)
        elif kind in _ITEM_DELTAS:
            self._pieces.setdefault(_ITEM_DELTAS[kind], []).append(piece)

    def arrived(self) -> JsonObject:
        item = dict(self._said)
        for field, pieces in self._pieces.items():
            item[field] = "".join(pieces)
        if self._parts:
            item["content"] = [
                {"type": _PART_DELTAS[kind][0], _PART_DELTAS[kind][1]: "".join(pieces)}
                for (_, kind), pieces in self._parts.items()
            ]
        return item


class _ResponseFold:
    def __init__(self) -> None:
        self._response: JsonObject = {}  # as the latest event that carried one has it
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._finished = False
        self._items: dict[int | None, _Item] = {}  # by output index

    def add(self, kind: str, body: JsonObject) -> None:
        piece = body.get("delta")
        if isinstance(piece, str):
            if kind in _PART_DELTAS or kind in _ITEM_DELTAS:
                self._item(body).add(kind, body.get("content_index"), piece)
        elif kind == "response.output_item.added":
            self._item(body).say(body.get("item"), whole=False)
        elif kind == "response.output_item.done":
            self._item(body).say(body.get("item"), whole=True)
        elif isinstance(body.get("response"), dict):
            self._response = body["response"]
            self._usage = overlay(self._usage, self._response.get("usage"))
            self._finished = self._finished or kind in TERMINAL_EVENTS
        elif kind == "error":
            self._fail(read_refusal(body | {"type": None}))
        else:  # a gateway's error has no type
            self._fail(read_error(body))

    def _fail(self, error: CallError | None) -> None:
        if error is not None:
            self._error = error
            self._finished = True

    def _item(self, body: JsonObject) -> _Item:
        index = body.get("output_index")
        return self._items.setdefault(index if isinstance(index, int) else None, _Item())

    def reply(self) -> Reply:
        response = dict(self._response)
        if not response.get("output"):
            response["output"] = [item.arrived() for item in self._items.values()]
        reply = read_reply(response)
        return replace(
            reply,
            # Of a cut stream the latest status is "in_progress": true, and no reason to have finished.
            finish_reason=reply.finish_reason if self._finished else None,
            usage=self._usage,
            error=self._error or reply.error,
            finished=self._finished,
        )


def _finish_reason(body: JsonObject) -> str | None:
    if body.get("status") == "incomplete":
        reason = as_text(as_object(body.get("incomplete_details")).get("reason"))
        if reason:
            return reason
    return as_text(body.get("status"))


def _output_text(items: list[JsonObject]) -> str | None:
    messages = (as_list(item.get("content")) for item in items if item.get("type") == "message")
    return joined_texts(chain.from_iterable(messages), "output_text")


def _tool_call(item: JsonObject) -> ToolCall:
    return ToolCall(
        id=as_text(item.get("call_id")) or as_text(item.get("id")),
        name=as_text(item.get("name")) or "",
        arguments=arguments_text(item.get("arguments", item.get("input"))),
    )


def _is_server_tool(kind: Any) -> bool:
    """Built-in tools are items named after themselves: web_search_call, mcp_call ..."""
    return isinstance(kind, str) and kind.endswith("_call") and kind not in _CLIENT_TOOLS


def _is_billed(item: JsonObject) -> bool:
    """Opening a page or searching in it comes as a `web_search_call` too, and is no search."""
    if item["type"] != "web_search_call":
        return True
    action = as_object(item.get("action")).get("type", "search")
    return isinstance(action, str) and action == "search"


OPENAI_RESPONSES = Dialect(
    name="openai.responses", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
