"""
The dialect of Amazon Bedrock's Converse, which Amazon's Nova models speak under InvokeModel too. No I/O.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html

No response names its model: it is the one in the path. A stream's counts come behind its end.
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
    read_value,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "modelId", "stream", "messages", "system", "toolConfig"})
EVENTS = frozenset(
    {
        *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"),
        *("messageStop", "metadata"),
    }
)


def read_prompt(body: JsonObject) -> Prompt:
    config = as_object(body.get("toolConfig"))
    messages = [canonical({"tools": config["tools"]})] if config.get("tools") else []
    if body.get("system"):
        messages.append(canonical({"role": "system", "content": body["system"]}))
    prompt = prompt_of(body, messages, body.get("messages"), _PROMPT_FIELDS)
    if config.get("toolChoice") is None:
        return prompt
    return replace(prompt, parameters={**prompt.parameters, "toolChoice": config["toolChoice"]})


def read_reply(body: JsonObject) -> Reply:
    message = as_object(as_object(body.get("output")).get("message"))
    blocks = [block for block in as_list(message.get("content")) if isinstance(block, dict)]
    usage = body.get("usage")
    return _reply(
        blocks,
        [arguments_text(as_object(block["toolUse"]).get("input")) for block in blocks if "toolUse" in block],
        [block["text"] for block in blocks if isinstance(block.get("text"), str)],
        finish_reason=as_text(body.get("stopReason")),
        usage=usage if isinstance(usage, dict) else None,
        service_tier=_tier(body),
        error=read_error(body),
        finished=True,
    )


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _ConverseFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(event.name, document)
    return replace(fold.reply(), events=count)


class _Block:
    """One content block, put together from its start and its deltas."""

    __slots__ = ("_citations", "_image", "_input", "_reasoning", "_redacted", "_result", "_text", "_tool")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._tool: JsonObject | None = None
        self._input: list[str] = []
        self._reasoning: dict[str, list[str]] = {}
        self._redacted: Any = None
        self._citations: list[Any] = []
        self._result: JsonObject | None = None  # of a tool that the provider runs itself
        self._image: JsonObject | None = None

    def start(self, start: JsonObject) -> None:
        if isinstance(start.get("toolUse"), dict):
            self._tool = start["toolUse"]
        if isinstance(start.get("toolResult"), dict):
            self._result = start["toolResult"]
        self._image = overlay(self._image, start.get("image"))

    def add(self, delta: JsonObject) -> None:
        if isinstance(delta.get("text"), str):
            self._text.append(delta["text"])
        tool = delta.get("toolUse")
        if isinstance(tool, dict):
            self._tool = self._tool or {}
            piece = tool.get("input")
            self._input.append(piece if isinstance(piece, str) else arguments_text(piece))
        for field, value in as_object(delta.get("reasoningContent")).items():
            if field in ("text", "signature") and isinstance(value, str):
                self._reasoning.setdefault(field, []).append(value)
            elif field == "redactedContent":
                self._redacted = value
        if "citation" in delta:
            self._citations.append(delta["citation"])
        if "toolResult" in delta:
            self._add_result(as_list(delta["toolResult"]))
        self._image = overlay(self._image, delta.get("image"))

    def _add_result(self, pieces: list[Any]) -> None:
        """Texts that follow one another are one text."""
        self._result = self._result or {}
        content = self._result.setdefault("content", [])
        for piece in pieces if isinstance(content, list) else ():
            text = as_object(piece).get("text")
            before = as_object(content[-1]).get("text") if content else None
            if isinstance(text, str) and isinstance(before, str):
                content[-1] = {"text": before + text}
            else:
                content.append(piece)

    @property
    def is_tool(self) -> bool:
        return self._tool is not None

    def arguments(self) -> str:
        return "".join(self._input) or arguments_text((self._tool or {}).get("input", {}))

    def text(self) -> str | None:
        return "".join(self._text) if self._text else None

    def whole(self) -> JsonObject:
        if self._tool is not None:
            text = self.arguments()
            try:
                value = read_value(text)
            except ValueError:  # the stream was cut in the middle of it
                value = text
            return {"toolUse": {**self._tool, "input": value}}
        if self._reasoning:
            said = {field: "".join(pieces) for field, pieces in self._reasoning.items()}
            return {"reasoningContent": {"reasoningText": said}}
        if self._redacted is not None:
            return {"reasoningContent": {"redactedContent": self._redacted}}
        if self._result is not None:
            return {"toolResult": self._result}
        if self._image is not None:
            return {"image": self._image}
        if self._citations:
            cited: JsonObject = {"citations": self._citations}
            if self._text:
                cited["content"] = [{"text": "".join(self._text)}]
            return {"citationsContent": cited}
        return {"text": "".join(self._text)}


class _ConverseFold:
    def __init__(self) -> None:
        self._blocks: dict[Any, _Block] = {}
        self._finish_reason: str | None = None
        self._usage: JsonObject | None = None
        self._service_tier: str | None = None
        self._error: CallError | None = None

    def add(self, name: str, body: JsonObject) -> None:
        """Under InvokeModel an event is wrapped in an object that has its name."""
        error = read_error(body)
        if error is not None:
            self._error = error
        wrapped = next((field for field in body if field in EVENTS), None)
        if wrapped is not None and name not in EVENTS:
            name, body = wrapped, as_object(body[wrapped])
        match name:
            case "contentBlockDelta":
                self._block(body).add(as_object(body.get("delta")))
            case "contentBlockStart":
                self._block(body).start(as_object(body.get("start")))
            case "messageStop":
                self._finish_reason = as_text(body.get("stopReason")) or self._finish_reason
            case "metadata":
                self._usage = overlay(self._usage, body.get("usage"))
                self._service_tier = _tier(body)

    def _block(self, body: JsonObject) -> _Block:
        index = body.get("contentBlockIndex")
        return self._blocks.setdefault(index if isinstance(index, int) else None, _Block())

    def reply(self) -> Reply:
        blocks = self._blocks.values()
        return _reply(
            [block.whole() for block in blocks],
            [block.arguments() for block in blocks if block.is_tool],
            [text for block in blocks if (text := block.text()) is not None],
            finish_reason=self._finish_reason,
            usage=self._usage,
            service_tier=self._service_tier,
            error=self._error,
            finished=self._finish_reason is not None or self._error is not None,
        )


def _tier(body: JsonObject) -> str | None:
    return as_text(as_object(body.get("serviceTier")).get("type"))


def _reply(blocks: list[JsonObject], arguments: list[str], texts: list[str], **said: Any) -> Reply:
    """A reply of these blocks; `arguments` are those of its toolUse blocks, in order."""
    tools = [as_object(block["toolUse"]) for block in blocks if "toolUse" in block]
    return Reply(
        output_text="".join(texts) if texts else None,
        tool_calls=tuple(
            ToolCall(id=as_text(tool.get("toolUseId")), name=as_text(tool.get("name")) or "", arguments=text)
            for tool, text in zip(tools, arguments, strict=True)
            if tool.get("type") != "server_tool_use"
        ),
        server_tools=tuple(
            as_text(tool.get("name")) or "" for tool in tools if tool.get("type") == "server_tool_use"
        ),
        message=canonical({"role": "assistant", "content": blocks}) if blocks else None,
        **said,
    )


BEDROCK_CONVERSE = Dialect(
    name="bedrock.converse", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
