"""
The dialect of OpenAI's chat completions, and of everybody who took it over. No I/O.

Sources: https://platform.openai.com/docs/api-reference/chat and, for what others add to it, recorded calls
of DeepSeek, OpenRouter, Mistral, Groq, xAI, Azure, Perplexity, Together, llama.cpp, vLLM and some more.

Differences that are met with: usage in a last chunk without choices (OpenAI), in every chunk
(Perplexity), under `x_groq` (Groq); content as a list of parts (Mistral) or as an object (Cloudflare);
tool-call deltas without an index, or all with index 0; reasoning beside the content under three names.
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
    compact,
    joined_texts,
    overlay,
    read_object,
)
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_DONE = b"[DONE]"

_PROMPT_FIELDS = frozenset({"model", "stream", "messages", "tools", "functions"})
# What a client sends back of an assistant's message, besides role, content and tool calls.
_QUOTED_FIELDS = ("refusal", "function_call", "reasoning_content", "reasoning", "reasoning_details")


def read_prompt(body: JsonObject) -> Prompt:
    messages = [canonical({field: body[field]}) for field in ("tools", "functions") if body.get(field)]
    return prompt_of(body, messages, body.get("messages"), _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    choice = _first_choice(as_list(body.get("choices")))
    message = as_object(choice.get("message"))
    calls = [as_object(call) for call in as_list(message.get("tool_calls"))]
    return Reply(
        model=as_text(body.get("model")),
        response_id=as_text(body.get("id")),
        finish_reason=as_text(choice.get("finish_reason")),
        output_text=_answer(message.get("content"), message),
        tool_calls=_tool_calls(calls, message.get("function_call")),
        server_tools=_server_tools(message.get("executed_tools")),
        usage=_usage(body),
        service_tier=as_text(body.get("service_tier")),
        error=read_error(body) or read_error(choice),
        message=_quoted(message.get("content"), calls, message) if message else None,
        finished=True,
    )


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _ChatFold()
    count = 0
    for event in events:
        count += 1
        if event.data.startswith(_DONE):
            fold.finished = True
        else:
            chunk = read_object(event.data)
            if chunk is not None:
                fold.add(chunk)
    return replace(fold.reply(), events=count)


class _Call:
    """A tool call, put together from its deltas."""

    __slots__ = ("_kind", "_name", "_pieces", "id")

    def __init__(self, kind: str) -> None:
        self.id: str | None = None
        self._kind = kind  # "function" or "custom"
        self._name: str | None = None
        self._pieces: list[str] = []

    def add(self, call_id: str | None, function: JsonObject) -> None:
        self.id = self.id or call_id
        self._name = self._name or as_text(function.get("name"))  # it comes once, or again and again
        piece = function.get("input" if self._kind == "custom" else "arguments")
        if piece is not None:
            self._pieces.append(piece if isinstance(piece, str) else compact(piece))

    def function(self) -> JsonObject:
        field = "input" if self._kind == "custom" else "arguments"
        return {"name": self._name, field: "".join(self._pieces)}

    def whole(self) -> JsonObject:
        return {"id": self.id, "type": self._kind, self._kind: self.function()}


class _Detail:
    """One of OpenRouter's reasoning details, put together from its deltas."""

    __slots__ = ("_pieces", "said")

    def __init__(self) -> None:
        self.said: JsonObject = {}
        self._pieces: dict[str, list[str]] = {}

    def add(self, detail: JsonObject) -> None:
        for field, value in detail.items():
            if field in {"text", "summary", "data"} and isinstance(value, str):
                self._pieces.setdefault(field, []).append(value)
            elif value is not None:
                self.said[field] = value

    def whole(self) -> JsonObject:
        return self.said | {field: "".join(pieces) for field, pieces in self._pieces.items()}


class _ChatFold:
    """The first choice of a stream, put together chunk by chunk."""

    def __init__(self) -> None:
        self.finished = False
        self._model: str | None = None
        self._response_id: str | None = None
        self._finish_reason: str | None = None
        self._service_tier: str | None = None
        self._usage: JsonObject | None = None
        self._groq_usage: JsonObject | None = None
        self._error: CallError | None = None
        self._spoke = False  # a delta came, be it an empty one
        self._has_text = False
        self._text: list[str] = []
        self._content: Any = None  # of a provider that sends an object where others send text
        self._calls: list[_Call] = []
        self._call_at: dict[int, _Call] = {}
        self._function_call: _Call | None = None
        self._server_tools: list[str] = []
        self._audio_id: str | None = None
        self._transcript: list[str] = []
        self._beside: dict[str, list[str]] = {}  # refusal, reasoning
        self._reasoning_details: list[_Detail] = []

    def add(self, chunk: JsonObject) -> None:
        choices = chunk.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) and not choice.get("index"):
                    self._add_choice(choice)
        if self._model is None:
            self._model = as_text(chunk.get("model"))
        if self._response_id is None:
            self._response_id = as_text(chunk.get("id"))
        self._service_tier = as_text(chunk.get("service_tier")) or self._service_tier
        if chunk.get("usage") is not None:
            self._usage = overlay(self._usage, chunk["usage"])
        if "x_groq" in chunk:
            self._groq_usage = overlay(self._groq_usage, as_object(chunk["x_groq"]).get("usage"))
        if "error" in chunk:
            self._fail(read_error(chunk))

    def _fail(self, error: CallError | None) -> None:
        if error is not None:
            self._error = error
            self.finished = True

    def _add_choice(self, choice: JsonObject) -> None:
        if choice.get("finish_reason") is not None:
            self._finish_reason = as_text(choice["finish_reason"]) or self._finish_reason
        if "error" in choice:
            self._fail(read_error(choice))
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = choice.get("message")
            if not isinstance(delta, dict):
                return
        self._spoke = True
        for field, value in delta.items():
            if field == "content":
                self._add_content(value)
            elif value:
                self._add_beside(field, value)

    def _add_content(self, content: Any) -> None:
        text = _content_text(content)
        if text is not None:
            self._text.append(text)
            self._has_text = True
        elif isinstance(content, dict):
            self._content = content

    def _add_beside(self, field: str, value: Any) -> None:
        match field:
            case "tool_calls":
                for call in as_list(value):
                    self._add_tool_call(as_object(call))
            case "function_call":
                self._function_call = self._function_call or _Call("function")
                self._function_call.add(None, as_object(value))
            case "refusal" | "reasoning_content" | "reasoning":
                if isinstance(value, str):
                    self._beside.setdefault(field, []).append(value)
            case "reasoning_details":
                self._add_reasoning_details(as_list(value))
            case "audio":
                self._add_audio(as_object(value))
            case "executed_tools":
                self._server_tools += _server_tools(value)

    def _add_tool_call(self, delta: JsonObject) -> None:
        kind = "custom" if isinstance(delta.get("custom"), dict) else "function"
        function = as_object(delta.get(kind))
        index, call_id, name = delta.get("index"), as_text(delta.get("id")), as_text(function.get("name"))
        if isinstance(index, int):
            call = self._call_at.get(index)
        else:
            call = self._calls[-1] if self._calls else None
        # Some send every parallel call under index 0, or none: another id and a name begin a new one.
        if call is None or (name and call_id and call.id not in {None, call_id}):
            call = _Call(kind)
            self._calls.append(call)
            if isinstance(index, int):
                self._call_at[index] = call
        call.add(call_id, function)

    def _add_audio(self, delta: JsonObject) -> None:
        self._audio_id = self._audio_id or as_text(delta.get("id"))
        if isinstance(delta.get("transcript"), str):
            self._transcript.append(delta["transcript"])

    def _add_reasoning_details(self, details: list[Any]) -> None:
        """OpenRouter's: pieces of one detail share its index and type, and their texts are joined."""
        for detail in details:
            if not isinstance(detail, dict):
                continue
            last = self._reasoning_details[-1] if self._reasoning_details else None
            if last is None or any(last.said.get(field) != detail.get(field) for field in ("index", "type")):
                last = _Detail()
                self._reasoning_details.append(last)
            last.add(detail)

    def reply(self) -> Reply:
        text = "".join(self._text) if self._has_text else None
        beside: JsonObject = {field: "".join(pieces) for field, pieces in self._beside.items()}
        beside["reasoning_details"] = [detail.whole() for detail in self._reasoning_details]
        if self._function_call is not None:
            beside["function_call"] = self._function_call.function()
        if self._audio_id is not None:
            beside["audio"] = {"id": self._audio_id, "transcript": "".join(self._transcript)}
        calls = [call.whole() for call in self._calls]
        content = text if self._content is None else self._content
        return Reply(
            model=self._model,
            response_id=self._response_id,
            finish_reason=self._finish_reason,
            output_text=_answer(text, beside),
            tool_calls=_tool_calls(calls, beside.get("function_call")),
            server_tools=tuple(self._server_tools),
            usage=self._usage or self._groq_usage,
            service_tier=self._service_tier,
            error=self._error,
            message=_quoted(content, calls, beside) if self._spoke else None,
            finished=self.finished,
        )


def _content_text(content: Any) -> str | None:
    """The answer in a message's content: a string, or the text parts of a list. None if there is no text."""
    if isinstance(content, str):
        return content
    return joined_texts(as_list(content), "text")


def _answer(content: Any, message: JsonObject) -> str | None:
    """The text of the answer: of its content, or of what was said aloud instead."""
    text = _content_text(content)
    return as_text(as_object(message.get("audio")).get("transcript")) if text is None else text


def _first_choice(choices: list[Any]) -> JsonObject:
    objects = [choice for choice in choices if isinstance(choice, dict)]
    return next((choice for choice in objects if not choice.get("index")), objects[0] if objects else {})


def _usage(body: JsonObject) -> JsonObject | None:
    usage = body.get("usage") or as_object(body.get("x_groq")).get("usage")
    return usage if isinstance(usage, dict) else None


def _tool_calls(calls: list[JsonObject], function_call: Any) -> tuple[ToolCall, ...]:
    read = [_tool_call(call.get("id"), call.get("function") or call.get("custom")) for call in calls]
    if isinstance(function_call, dict):  # the legacy form: one call, no id
        read.append(_tool_call(None, function_call))
    return tuple(read)


def _tool_call(call_id: Any, function: Any) -> ToolCall:
    function = as_object(function)
    return ToolCall(
        id=as_text(call_id),
        name=as_text(function.get("name")) or "",
        arguments=arguments_text(function.get("arguments", function.get("input"))),
    )


def _server_tools(executed: Any) -> tuple[str, ...]:
    """Groq's compound models list the tools that they ran themselves."""
    return tuple(str(tool["type"]) for tool in as_list(executed) if as_object(tool).get("type"))


def _quoted(content: Any, calls: list[JsonObject], beside: JsonObject) -> bytes:
    """The assistant's message as the next request quotes it, the same whether it came streamed or not."""
    message: JsonObject = {"role": "assistant", "content": content}
    message |= {field: beside[field] for field in _QUOTED_FIELDS if beside.get(field)}
    if isinstance(beside.get("audio"), dict):  # quoted by its id alone
        message["audio"] = {"id": beside["audio"].get("id")}
    if calls:
        message["tool_calls"] = [
            {field: value for field, value in call.items() if field != "index"} for call in calls
        ]
    return canonical(message)


OPENAI_CHAT = Dialect(
    name="openai.chat", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
