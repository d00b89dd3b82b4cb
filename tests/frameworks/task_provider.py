"""
A provider whose answers depend on the task that it is asked about: two tool calls, then an answer in words.

What a task is stands in the user's first message ("task 7 of ..."); the replies name it, so that a test can
tell from stored replies alone which task a call was for. Speaks OpenAI's chat completions and Anthropic's
messages.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TASK = re.compile(r"task (\d+) of (\w+)")
LOOKUPS = 2


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TaskProvider

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        found = TASK.search(json.dumps(body["messages"]))
        assert found is not None, "every request speaks of a task"
        task = found[0]
        if self.server.refuses(task):
            self._send(503, {"error": {"type": "overloaded_error", "message": "come back later"}})
        elif self.path.endswith("/messages"):
            self._send(200, _message(task, body))
        else:
            self._send(200, _completion(task, body))

    def _send(self, status: int, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
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


def _completion(task: str, body: dict[str, Any]) -> dict[str, Any]:
    looked_up = sum(message["role"] == "tool" for message in body["messages"])
    message: dict[str, Any] = {"role": "assistant", "content": f"Looking up part {looked_up} of {task}."}
    if body.get("tools") and looked_up < LOOKUPS:
        function = {"name": "look_up", "arguments": json.dumps({"part": looked_up})}
        message["tool_calls"] = [
            {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function", "function": function}
        ]
    else:
        message["content"] = f"This is all there is to say on {task} after {len(body['messages'])} messages."
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def _message(task: str, body: dict[str, Any]) -> dict[str, Any]:
    looked_up = sum(
        isinstance(message["content"], list) and message["content"][0].get("type") == "tool_result"
        for message in body["messages"]
    )
    content: list[dict[str, Any]] = [{"type": "text", "text": f"Looking up part {looked_up} of {task}."}]
    if body.get("tools") and looked_up < LOOKUPS:
        content.append(
            {
                "type": "tool_use",
                "id": f"toolu_{uuid.uuid4().hex[:24]}",
                "name": "look_up",
                "input": {"part": looked_up},
            }
        )
    else:
        content = [{"type": "text", "text": f"This is all there is to say on {task}."}]
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
