"""
The dialect of Gemini's interactions. No I/O.

Source: https://ai.google.dev/api/interactions-api

A reply is a list of steps: thoughts, answers, calls of tools, and what the provider's own tools did. A stream
starts each step, adds to it by deltas, and ends in an event with the counts. Arguments come as a text.
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
    overlay,
    read_object,
    read_value,
)
from arc_proxy.wire.gemini_generate import GROUNDING
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "stream", "input", "tools", "system_instruction"})
_ANSWER = "model_output"
_CLIENT_TOOL = "function_call"


def read_prompt(body: JsonObject) -> Prompt:
    messages = [canonical({"tools": body["tools"]})] if body.get("tools") else []
    if body.get("system_instruction"):
        messages.append(canonical({"role": "system", "content": body["system_instruction"]}))
    asked = body.get("input")
    if isinstance(asked, str):
        asked = [{"type": "user_input", "content": asked}]
    return prompt_of(body, messages, asked, _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    fold = _InteractionFold()
    fold.end(body)
    for step in as_list(body.get("steps")):
        fold.begin(None, as_object(step))
    return replace(fold.reply(), finished=True)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    fold = _InteractionFold()
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data)
        if document is not None:
            fold.add(as_text(document.get("event_type")) or event.name, document)
    return replace(fold.reply(), events=count)


class _Step:
    """One step, put together from its start and its deltas."""

    __slots__ = ("_arguments", "_blocks", "_start")

    def __init__(self, start: JsonObject) -> None:
        self._start = start
        self._arguments: list[str] = []
        self._blocks: list[JsonObject] = []  # of content; texts that follow each other are one

    def add(self, delta: JsonObject) -> None:
        match delta.get("type"):
            case "arguments_delta":
                self._arguments.append(as_text(delta.get("arguments")) or "")
            case "thought_signature":
                self._start = {**self._start, "signature": delta.get("signature")}
            case "thought_summary":
                self._add_summary(as_object(delta.get("content")))
            case _:
                self._add_block(delta)

    def _add_summary(self, content: JsonObject) -> None:
        self._start = {**self._start, "summary": [*as_list(self._start.get("summary")), content]}

    def _add_block(self, block: JsonObject) -> None:
        last = self._blocks[-1] if self._blocks else {}
        texts = (last.get("text"), block.get("text"))
        if last.get("type") == block.get("type") == "text" and all(isinstance(each, str) for each in texts):
            self._blocks[-1] = {**last, "text": f"{texts[0]}{texts[1]}"}
        else:
            self._blocks.append(block)

    def arguments(self) -> str:
        return "".join(self._arguments) or arguments_text(self._start.get("arguments"))

    def whole(self) -> JsonObject:
        step = dict(self._start)
        if self._blocks:
            step["content"] = [*as_list(step.get("content")), *self._blocks]
        if self._arguments:
            text = "".join(self._arguments)
            try:
                step["arguments"] = read_value(text)
            except ValueError:  # the stream was cut in the middle of it
                step["arguments"] = text
        return step


class _InteractionFold:
    def __init__(self) -> None:
        self._steps: dict[Any, _Step] = {}
        self._said: JsonObject = {}
        self._usage: JsonObject | None = None
        self._error: CallError | None = None
        self._finished = False

    def add(self, kind: str, body: JsonObject) -> None:
        match kind:
            case "step.start":
                self.begin(_index(body), as_object(body.get("step")))
            case "step.delta":
                step = self._steps.get(_index(body))
                if step is not None:
                    step.add(as_object(body.get("delta")))
            case "interaction.created":
                self._say(as_object(body.get("interaction")))
            case "interaction.completed":
                self._finished = True
                self.end(as_object(body.get("interaction")))
            case _:
                self._fail(read_error(body))

    def begin(self, index: int | None, step: JsonObject) -> None:
        self._steps[len(self._steps) if index is None else index] = _Step(step)

    def end(self, interaction: JsonObject) -> None:
        self._say(interaction)
        self._usage = overlay(self._usage, interaction.get("usage"))
        self._fail(read_error(interaction))

    def _say(self, interaction: JsonObject) -> None:
        fields = ("id", "model", "status", "service_tier")
        self._said |= {name: interaction[name] for name in fields if as_text(interaction.get(name))}

    def _fail(self, error: CallError | None) -> None:
        if error is not None:
            self._error, self._finished = error, True

    def reply(self) -> Reply:
        steps = [(step.whole(), step.arguments()) for step in self._steps.values()]
        kinds = [as_text(step.get("type")) or "" for step, _ in steps]
        texts = [
            text
            for (step, _), kind in zip(steps, kinds, strict=True)
            if kind == _ANSWER and (text := joined_texts(as_list(step.get("content")), "text")) is not None
        ]
        return Reply(
            model=self._said.get("model"),
            response_id=self._said.get("id"),
            finish_reason=self._said.get("status"),
            output_text="".join(texts) if texts else None,
            tool_calls=tuple(
                ToolCall(id=as_text(step.get("id")), name=as_text(step.get("name")) or "", arguments=text)
                for (step, text), kind in zip(steps, kinds, strict=True)
                if kind == _CLIENT_TOOL
            ),
            server_tools=tuple(kind for kind in kinds if kind.endswith("_call") and kind != _CLIENT_TOOL),
            billed_tools=tuple(
                GROUNDING
                for (step, _), kind in zip(steps, kinds, strict=True)
                if kind == "google_search_call"
                for _ in as_list(as_object(step.get("arguments")).get("queries")) or [None]
            ),
            usage=self._usage,
            service_tier=self._said.get("service_tier"),
            error=self._error,
            message=canonical([step for step, _ in steps]) if steps else None,
            finished=self._finished,
        )


def _index(body: JsonObject) -> int | None:
    index = body.get("index")
    return index if isinstance(index, int) else None


GEMINI_INTERACTIONS = Dialect(
    name="gemini.interactions", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
