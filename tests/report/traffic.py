"""Recorded traffic of the tests' own making: HAR entries, as another recorder would have saved them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000


def call(
    agent: str | None,
    run: str,
    *,
    days_ago: float = 1,
    model: str = "gpt-5",
    tokens: tuple[int, int] | None = (1000, 100),
    status: int = 200,
    answer: str = "42",
    ms: int = 500,
    **headers: str,
) -> dict[str, Any]:
    """One chat completion; `tokens` None: the reply says nothing of usage."""
    started = NOW - timedelta(days=days_ago)
    names = {"x-arc-run-id": run} | ({"x-arc-agent": agent} if agent else {}) | headers
    body: dict[str, Any] = {
        "id": f"chatcmpl-{run}",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}
        ],
    }
    if tokens:
        body["usage"] = {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        }
    if status >= 400:
        body = {"error": {"type": "rate_limit_error", "message": "slow down"}}
    request = {"model": model, "messages": [{"role": "user", "content": f"question of {run}"}]}
    return {
        "startedDateTime": started.isoformat(),
        "time": ms,
        "request": {
            "method": "POST",
            "url": "https://api.openai.com/v1/chat/completions",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": name.replace("_", "-"), "value": value} for name, value in names.items()],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": -1,
            "postData": {"mimeType": "application/json", "text": json.dumps(request)},
        },
        "response": {
            "status": status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "content-type", "value": "application/json"}],
            "cookies": [],
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
            "content": {"size": -1, "mimeType": "application/json", "text": json.dumps(body)},
        },
        "cache": {},
        "timings": {"send": 0, "wait": ms, "receive": 0},
    }


def messages(
    agent: str,
    run: str,
    *,
    days_ago: float,
    model: str = "claude-opus-4-5",
    tokens: tuple[int, int] = (1000, 400),
    cached: int = 0,
    **asked: Any,
) -> dict[str, Any]:
    """One call of Anthropic's messages; `asked`: what its request has beside."""
    entry = call(agent, run, days_ago=days_ago)
    request = {"model": model, "max_tokens": 900, "messages": [{"role": "user", "content": run}]} | asked
    reply = {
        "id": f"msg_{run}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "42"}],
        "usage": {
            "input_tokens": tokens[0],
            "cache_read_input_tokens": cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": tokens[1],
        },
    }
    entry["request"] |= {"url": "https://api.anthropic.com/v1/messages"}
    entry["request"]["postData"]["text"] = json.dumps(request)
    entry["response"]["content"]["text"] = json.dumps(reply)
    return entry


def write_har(path: Path, entries: list[dict[str, Any]]) -> Path:
    log = {"version": "1.2", "creator": {"name": "tests", "version": "1"}, "entries": entries}
    path.write_text(json.dumps({"log": log}))
    return path
