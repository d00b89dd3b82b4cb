"""
A provider whose answers depend on the task that it is asked about and on who asks: two tool calls and an
answer in words, a hand-off where one is offered, briefs for workers where a supervisor asks.

What a task is stands in the request ("task 7 of ..."); the replies name it, so that a test can tell from
stored replies alone which task a call was for. Speaks OpenAI's chat completions, streamed or not, its
responses, and Anthropic's messages.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TASK = re.compile(r"task (\d+) of (\w+)")
LOOKUPS = 2


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TaskProvider

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = TASK.search(json.dumps(body.get("messages", body.get("input"))))
        assert found is not None, "every request speaks of a task"
        task = found[0]
        if self.server.refuses(task):
            self._send({"error": {"type": "overloaded_error", "message": "come back later"}}, 503)
        elif self.path.endswith("/messages"):
            self._send(_message(task, body))
        elif self.path.endswith("/responses"):
            self._send(_response(task, body))
        elif body.get("stream"):
            self._send_events(_chunks(_completion(task, body)))
        else:
            self._send(_completion(task, body))

    def _send(self, answer: dict[str, Any], status: int = 200) -> None:
        self._send_bytes(json.dumps(answer).encode(), "application/json", status)

    def _send_events(self, chunks: list[dict[str, Any]]) -> None:
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
        self._send_bytes("".join(lines).encode(), "text/event-stream", 200)

    def _send_bytes(self, content: bytes, kind: str, status: int) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


class TaskProvider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.busy: Counter[str] = Counter()  # by task, how many requests are still refused
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def refuses(self, task: str) -> bool:
        with self._lock:
            self.busy[task] -= 1
            return self.busy[task] >= 0


@contextmanager
def task_provider() -> Iterator[TaskProvider]:
    provider = TaskProvider()
    thread = threading.Thread(target=provider.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.shutdown()
        provider.server_close()


@dataclass(frozen=True)
class Said:
    """What the model says: a text, and perhaps one call of a tool."""

    text: str
    tool: str | None = None
    arguments: str = "{}"


def _say(task: str, who: str, tools: list[str], looked_up: int, messages: list[Any]) -> Said:
    """`who`: the system prompt; `looked_up`: how many results of look_up there are."""
    said = json.dumps(messages)
    handoff = next((name for name in tools if name.startswith("transfer_to_")), None)
    if handoff is not None and handoff not in said:
        return Said("", handoff)
    if "look_up" in tools and looked_up < LOOKUPS:
        arguments = json.dumps({"part": looked_up})
        return Said(f"Looking up part {looked_up} of {task}.", "look_up", arguments)
    if "supervisor" in who and "Report of" not in said:
        return Said(
            f"Reader: please collect everything that the handbook says in its text on {task}.\n"
            f"Writer: please collect everything that the handbook shows in its figures on {task}."
        )
    speaker = "".join(re.findall(r"You are (?:the )?(\w+)", who)[:1]) or "somebody"
    text = f"This is all there is to say on {task} after {len(messages)} messages, says {speaker}."
    if "Final Answer" in said:  # what CrewAI asks for
        text = f"Thought: I now can give a great answer\nFinal Answer: {text}"
    return Said(text)


def _system(messages: list[Any]) -> str:
    return " ".join(
        json.dumps(each["content"]) for each in messages if each.get("role") in {"system", "developer"}
    )


def _completion(task: str, body: dict[str, Any]) -> dict[str, Any]:
    messages = body["messages"]
    tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
    looked_up = sum(message["role"] == "tool" for message in messages)
    said = _say(task, _system(messages), tools, looked_up, messages)
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.tool is not None:
        function = {"name": said.tool, "arguments": said.arguments}
        message["tool_calls"] = [
            {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}
        ]
    reason = "tool_calls" if said.tool is not None else "stop"
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def _chunks(completion: dict[str, Any]) -> list[dict[str, Any]]:
    [choice] = completion["choices"]
    head = {"id": completion["id"], "object": "chat.completion.chunk", "created": 1}
    head["model"] = completion["model"]
    delta = dict(choice["message"])
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": 0, **call} for call in delta["tool_calls"]]

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    return [
        chunk({"role": "assistant", "content": ""}),
        chunk(delta),
        chunk({}, choice["finish_reason"]),
        head | {"choices": [], "usage": completion["usage"]},
    ]


def _response(task: str, body: dict[str, Any]) -> dict[str, Any]:
    items = body["input"] if isinstance(body["input"], list) else [{"content": body["input"]}]
    tools = [tool["name"] for tool in body.get("tools") or ()]
    asked = {item["call_id"]: item["name"] for item in items if item.get("type") == "function_call"}
    looked_up = sum(
        item.get("type") == "function_call_output" and asked.get(item["call_id"]) == "look_up"
        for item in items
    )
    said = _say(task, body.get("instructions") or _system(items), tools, looked_up, items)
    output: list[dict[str, Any]] = []
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": []}
        output.append(
            {
                "id": f"msg_{uuid.uuid4().hex}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    if said.tool is not None:
        output.append(
            {
                "id": f"fc_{uuid.uuid4().hex}",
                "call_id": f"call_{uuid.uuid4().hex[:24]}",
                "type": "function_call",
                "name": said.tool,
                "arguments": said.arguments,
                "status": "completed",
            }
        )
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 120,
        },
    }


def _message(task: str, body: dict[str, Any]) -> dict[str, Any]:
    looked_up = sum(
        isinstance(message["content"], list) and message["content"][0].get("type") == "tool_result"
        for message in body["messages"]
    )
    tools = [tool["name"] for tool in body.get("tools") or ()]
    said = _say(task, json.dumps(body.get("system", "")), tools, looked_up, body["messages"])
    content: list[dict[str, Any]] = [{"type": "text", "text": said.text}]
    if said.tool is not None:
        content.append(
            {
                "type": "tool_use",
                "id": f"toolu_{uuid.uuid4().hex[:24]}",
                "name": said.tool,
                "input": json.loads(said.arguments),
            }
        )
    return {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if len(content) > 1 else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }
