"""Agents of the tests' own making: what they would send, call by call, in three dialects."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from arc_proxy.journal.record import Ended
from arc_proxy.prefix import NO_PREFIX
from arc_proxy.runs.clues import Clues, Sent, read_clues
from arc_proxy.wire.exchange import HttpExchange, read_exchange

SECOND_NS = 1_000_000_000
URLS = {
    "openai.chat": "https://api.openai.com/v1/chat/completions",
    "openai.responses": "https://api.openai.com/v1/responses",
    "anthropic.messages": "https://api.anthropic.com/v1/messages",
}
SYSTEM = "You are a careful assistant that looks things up before it answers."


@dataclass
class Step:
    """What the model says in one call, and what stands in the next request because of it."""

    text: str = ""
    tool: str | None = None  # what it asks the tool for
    result: str = "done"
    then: str | None = None  # what the user says after the answer


@dataclass
class Agent:
    """One run: its own messages, growing. `ids`: how tool calls are named."""

    task: str
    steps: Sequence[Step]
    dialect: str = "openai.chat"
    model: str = "gpt-5"
    ids: str = "unique"  # "unique", or "counted": call_1, call_2 ...
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    system: str = SYSTEM

    def calls(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Request and response of each call."""
        messages: list[Any] = [{"role": "user", "content": self.task}]
        made = []
        for number, step in enumerate(self.steps):
            call_id = f"call_{uuid.uuid4().hex}" if self.ids == "unique" else f"call_{number}"
            reply, result = _said(self.dialect, step, call_id)
            made.append((_request(self, messages), _response(self.dialect, self.model, reply)))
            messages = [*messages, *reply, *([result] if result is not None else [])]
            if step.then is not None:
                messages = [*messages, {"role": "user", "content": step.then}]
        return made


def _said(dialect: str, step: Step, call_id: str) -> tuple[list[Any], Any]:
    """The reply as the next request quotes it, and the tool's result."""
    arguments = {"query": step.tool}
    if dialect == "openai.chat":
        message: dict[str, Any] = {"role": "assistant", "content": step.text}
        if step.tool is None:
            return [message], None
        function = {"name": "look_up", "arguments": orjson.dumps(arguments).decode()}
        message["tool_calls"] = [{"id": call_id, "type": "function", "function": function}]
        return [message], {"role": "tool", "tool_call_id": call_id, "content": step.result}
    if dialect == "openai.responses":
        items: list[Any] = []
        if step.text:
            part = {"type": "output_text", "text": step.text}
            items.append({"type": "message", "role": "assistant", "content": [part]})
        if step.tool is None:
            return items, None
        items.append(
            {
                "type": "function_call",
                "call_id": call_id,
                "name": "look_up",
                "arguments": orjson.dumps(arguments).decode(),
            }
        )
        return items, {"type": "function_call_output", "call_id": call_id, "output": step.result}
    blocks: list[Any] = [{"type": "text", "text": step.text}] if step.text else []
    if step.tool is None:
        return [{"role": "assistant", "content": blocks}], None
    blocks.append({"type": "tool_use", "id": call_id, "name": "look_up", "input": arguments})
    result = {"type": "tool_result", "tool_use_id": call_id, "content": step.result}
    return [{"role": "assistant", "content": blocks}], {"role": "user", "content": [result]}


def _request(agent: Agent, messages: list[Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": agent.model, **agent.body}
    if agent.dialect == "openai.chat":
        return body | {"messages": [{"role": "system", "content": agent.system}, *messages]}
    if agent.dialect == "openai.responses":
        return body | {"instructions": agent.system, "input": list(messages)}
    return body | {"system": agent.system, "messages": list(messages), "max_tokens": 100}


def _response(dialect: str, model: str, reply: list[Any]) -> dict[str, Any]:
    if dialect == "openai.chat":
        return {"model": model, "choices": [{"index": 0, "message": reply[0], "finish_reason": "stop"}]}
    if dialect == "openai.responses":
        return {"model": model, "status": "completed", "output": reply}
    return {"model": model, "type": "message", "stop_reason": "end_turn", "content": reply[0]["content"]}


def clues_of(agent: Agent, request: dict[str, Any], response: dict[str, Any], **how: Any) -> Clues:
    """What grouping sees of one call; `how` as for `sent_of`."""
    return read_clues(sent_of(agent, request, response, **how))[0]


def sent_of(
    agent: Agent,
    request: dict[str, Any],
    response: dict[str, Any],
    *,
    call_id: str,
    started_ns: int,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Sent:
    url = URLS[agent.dialect]
    body = orjson.dumps(request)
    answer = response if status < 400 else {"error": {"type": "overloaded", "message": "later"}}
    reading = read_exchange(
        HttpExchange(
            method="POST",
            url=url,
            request_body=body,
            status=status,
            response_headers=(("content-type", "application/json"),),
            response_body=orjson.dumps(answer),
        )
    )
    sent = dict(agent.headers) | dict(headers or {})
    return Sent(
        call_id=call_id,
        started_ns=started_ns,
        duration_ns=SECOND_NS // 10,
        method="POST",
        url=url,
        target=url.partition(".com")[2],
        prefix=NO_PREFIX,
        headers=tuple((name.encode(), value.encode()) for name, value in sent.items()),
        body=body,
        kind=reading.kind,
        endpoint=reading.endpoint,
        prompt=reading.prompt,
        reply=reading.reply,
        status=status,
        ended=Ended.COMPLETE,
    )
