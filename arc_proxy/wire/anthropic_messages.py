"""
The dialect of Anthropic's messages, also on Vertex AI and at those who took it over. No I/O.

Sources: https://docs.claude.com/en/api/messages and https://docs.claude.com/en/build-with-claude/streaming

The counts of `message_delta` are cumulative and repeat those of `message_start`: they are laid over them,
never added. Completions, as they were before messages, are read along. New event types and blocks appear
without notice; the docs ask clients to ignore them.
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
    as_list,
    as_object,
    as_text,
    canonical,
    compact,
    joined_texts,
    overlay,
    read_object,
    read_value,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "stream", "messages", "tools", "system", "prompt"})
_SERVER_TOOL_BLOCKS = frozenset({"server_tool_use", "mcp_tool_use"})
_DELTA_FIELDS = {  # the field of the block that the pieces of a delta belong to
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "compaction_delta": "content",
}


def read_prompt(body: JsonObject) -> Prompt:
    messages = [canonical({"tools": body["tools"]})] if body.get("tools") else []
    if body.get("system"):
        messages.append(canonical({"role": "system", "content": body["system"]}))
    spoken = body.get("messages")
    if spoken is None and body.get("prompt"):
        spoken = [{"role": "user", "content": body["prompt"]}]
    return prompt_of(body, messages, spoken, _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    blocks = [block for block in as_list(body.get("content")) if isinstance(block, dict)]
    if not blocks and isinstance(body.get("completion"), str):
        blocks = [{"type": "text", "text": body["completion"]}]
    usage = body.get("usage")
    return _reply(
        blocks,
        [compact(block.get("input", {})) for block in blocks if block.get("type") == "tool_use"],
        model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        finish_reason=as_text(body.get("stop_reason")),
        usage=usage if isinstance(usage, dict) else None,
        error=read_error(body),
        finished=True,
    )


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _MessageFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(as_text(document.get("type")) or event.name, document)
    return replace(fold.reply(), events=count)


class _Block:
    """One content block, put together from its start and its deltas."""

    __slots__ = ("_json", "_pieces", "_start")

    def __init__(self, start: JsonObject) -> None:
        self._start = start
        self._pieces: dict[str, list[str]] = {}
        self._json: list[str] = []

    @property
    def type(self) -> Any:
        return self._start.get("type")

    def add(self, delta: JsonObject) -> None:
        kind = delta.get("type")
        if kind == "input_json_delta":
            if isinstance(delta.get("partial_json"), str):
                self._json.append(delta["partial_json"])
        elif kind == "citations_delta":
            if not isinstance(self._start.get("citations"), list):
                self._start["citations"] = []
            self._start["citations"].append(delta.get("citation"))
        elif isinstance(kind, str) and kind in _DELTA_FIELDS:
            field = _DELTA_FIELDS[kind]
            piece = delta.get(field)
            if isinstance(piece, str):
                self._pieces.setdefault(field, []).append(piece)

    def arguments(self) -> str:
        """The input as it came over the wire; nothing came for a tool that takes nothing."""
        return "".join(self._json) or compact(self._start.get("input", {}))

    def whole(self) -> JsonObject:
        block = dict(self._start)
        for field, pieces in self._pieces.items():
            before = block.get(field)
            block[field] = (before if isinstance(before, str) else "") + "".join(pieces)
        text = "".join(self._json)
        if text:
            try:
                block["input"] = read_value(text)
            except ValueError:  # the stream was cut in the middle of it
                block["input"] = text
        return block


class _MessageFold:
    def __init__(self) -> None:
        self._model: str | None = None
        self._response_id: str | None = None
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._finished = False
        self._blocks: dict[Any, _Block] = {}

    def add(self, kind: str, body: JsonObject) -> None:
        match kind:
            case "content_block_delta":
                block = self._blocks.get(_index(body))
                if block is not None:
                    block.add(as_object(body.get("delta")))
            case "content_block_start":
                self._blocks[_index(body)] = _Block(as_object(body.get("content_block")))
            case "message_start":
                self._start(as_object(body.get("message")))
            case "message_delta":
                delta = as_object(body.get("delta"))
                self._finish_reason = as_text(delta.get("stop_reason")) or self._finish_reason
                self._usage = overlay(self._usage, body.get("usage"))
            case "message_stop":
                self._finished = True
            case "completion":
                self._complete(body)
            case "error":
                self._fail(read_error(body) or CallError(type=None, message=None))
            case _:  # a gateway's error has no type
                self._fail(read_error(body))

    def _complete(self, body: JsonObject) -> None:
        block = self._blocks.setdefault(0, _Block({"type": "text"}))
        block.add({"type": "text_delta", "text": body.get("completion")})
        self._model = as_text(body.get("model")) or self._model
        self._finish_reason = as_text(body.get("stop_reason")) or self._finish_reason
        self._finished = self._finish_reason is not None

    def _fail(self, error: CallError | None) -> None:
        if error is not None:
            self._error = error
            self._finished = True

    def _start(self, message: JsonObject) -> None:
        self._model = as_text(message.get("model"))
        self._response_id = as_text(message.get("id"))
        self._finish_reason = as_text(message.get("stop_reason"))
        self._usage = overlay(self._usage, message.get("usage"))
        for index, block in enumerate(as_list(message.get("content"))):
            self._blocks[index] = _Block(dict(as_object(block)))

    def reply(self) -> Reply:
        blocks = self._blocks.values()
        return _reply(
            [block.whole() for block in blocks],
            [block.arguments() for block in blocks if block.type == "tool_use"],
            model=self._model,
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            usage=self._usage,
            error=self._error,
            finished=self._finished,
        )


def _index(body: JsonObject) -> int | None:
    index = body.get("index")
    return index if isinstance(index, int) else None


def _reply(blocks: list[JsonObject], arguments: list[str], **said: Any) -> Reply:
    """A reply of these blocks; `arguments` are those of its tool_use blocks, in order."""
    tools = [block for block in blocks if block.get("type") == "tool_use"]
    return Reply(
        output_text=joined_texts(blocks, "text"),
        tool_calls=tuple(
            ToolCall(
                id=as_text(block.get("id")), name=as_text(block.get("name")) or "", arguments=arguments_text
            )
            for block, arguments_text in zip(tools, arguments, strict=True)
        ),
        server_tools=tuple(
            as_text(block.get("name")) or ""
            for block in blocks
            if as_text(block.get("type")) in _SERVER_TOOL_BLOCKS
        ),
        message=canonical({"role": "assistant", "content": blocks}) if blocks else None,
        **said,
    )


ANTHROPIC_MESSAGES = Dialect(
    name="anthropic.messages", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
