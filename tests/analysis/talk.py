"""Runs of the tests' own making: calls in OpenAI's chat format, as ingest would have read them."""

from __future__ import annotations

import json
from typing import Any

from arc_proxy.call import Call, CallError, Grouping, Kind, Prompt, Reply, ToolCall
from arc_proxy.journal.record import Ended
from pricing.cost import Cost, CostGrade
from pricing.usage import Usage, UsageGrade

BASE_NS = 1_795_500_000 * 10**9  # 2026-11-24T06:00:00Z
LOOK_UP = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {"id": {"type": "string"}, "limit": {"type": "integer"}},
            "required": ["id"],
        },
    },
}


def canonical(message: Any) -> bytes:
    return json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str | None = None, *calls: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """An assistant's message; a call is (id, name, arguments)."""
    message: dict[str, Any] = {"role": "assistant", "content": text} | more
    if calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ]
    return message


def result(call_id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def call(
    number: int,
    messages: list[dict[str, Any]],
    reply: dict[str, Any] | None,
    *,
    tools: list[Any] | None = None,
    parameters: dict[str, Any] | None = None,
    finish: str | None = None,
    status: int | None = 200,
    error: CallError | None = None,
    ended: Ended = Ended.COMPLETE,
    **more: Any,
) -> Call:
    """One call: a request of these messages, and this reply to it."""
    asked = [canonical({"tools": tools})] if tools else []
    calls = tuple(
        ToolCall(id=each["id"], name=each["function"]["name"], arguments=each["function"]["arguments"])
        for each in (reply or {}).get("tool_calls", ())
    )
    fields: dict[str, Any] = {
        "call_id": f"call-{number}",
        "writer": "w",
        "grouping": Grouping(run_id="run"),
        "provider": "openai",
        "dialect": "openai.chat",
        "endpoint": "chat.completions",
        "kind": Kind.GENERATION,
        "method": "POST",
        "target": "/v1/chat/completions",
        "url": "https://api.openai.com/v1/chat/completions",
        "started_ns": BASE_NS + number * 10**9,
        "first_byte_ns": 1,
        "duration_ns": 2,
        "status": status,
        "ended": ended,
        "prompt": Prompt(
            model="m", messages=(*asked, *map(canonical, messages)), parameters=parameters or {}
        ),
        "reply": Reply(
            model="m",
            finish_reason=finish or (None if reply is None else "tool_calls" if calls else "stop"),
            output_text=content if isinstance(content := (reply or {}).get("content"), str) else None,
            tool_calls=calls,
            message=None if reply is None else canonical(reply),
            error=error,
            finished=reply is not None,
        ),
        "usage": Usage(),
        "usage_grade": UsageGrade.NONE,
        "cost": Cost(nanousd=None, grade=CostGrade.UNKNOWN, reason="no usage"),
    }
    return Call(**(fields | more))


def run_of(*messages: dict[str, Any], **more: Any) -> list[Call]:
    """The calls of a run: one for each assistant's message, with all that stands before it."""
    return [
        call(number, list(messages[:number]), message, **more)
        for number, message in enumerate(messages)
        if message["role"] == "assistant"
    ]
