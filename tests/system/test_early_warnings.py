"""
What is going to happen, said before it does: real SDKs in loops that grow, through a real `serve`, and what
its commands say of them while they go on.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.system.installation import Installation

KEY = "sk-test-0123456789abcdef"
TURNS = 6
CHAT_TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
MESSAGES_TOOL: Any = {"name": "look_up", "input_schema": {"type": "object"}}


class _Handler(BaseHTTPRequestHandler):
    """Asks for its tool without end, and counts 8,000 tokens more with each turn; "hello" is answered."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        turn = sum(message["role"] == "assistant" for message in body["messages"])
        is_quiet = "hello" in json.dumps(body["messages"])
        is_chat = self.path.endswith("/completions")
        answer = json.dumps((completion if is_chat else message)(turn, is_quiet)).encode()
        self.send_response(200)
        for name, value in () if is_quiet else tokens(turn) if is_chat else plan():
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def tokens(turn: int) -> tuple[tuple[str, str], ...]:
    return (
        ("x-ratelimit-limit-tokens", "500000"),
        ("x-ratelimit-remaining-tokens", str(500_000 - 80_000 * turn)),
        ("x-ratelimit-reset-tokens", "30m0s"),
    )


def plan() -> tuple[tuple[str, str], ...]:
    return (
        ("anthropic-ratelimit-unified-5h-utilization", "0.91"),
        ("anthropic-ratelimit-unified-5h-reset", str(int(time.time()) + 2 * 3600)),
    )


def completion(turn: int, is_quiet: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": "Hello."}
    if not is_quiet:
        call = {"id": f"call_{turn}", "type": "function"}
        said = said | {"tool_calls": [call | {"function": {"name": "look_up", "arguments": "{}"}}]}
    prompt = 12 if is_quiet else 60_000 + 8_000 * turn
    return {
        "id": f"chatcmpl-{turn}",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "message": said, "finish_reason": "stop" if is_quiet else "tool_calls"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10},
    }


def message(turn: int, is_quiet: bool) -> dict[str, Any]:
    content = [{"type": "text", "text": "Hello."}]
    if not is_quiet:
        content = [{"type": "tool_use", "id": f"toolu_{turn}", "name": "look_up", "input": {}}]
    return {
        "id": f"msg_{turn}",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": content,
        "stop_reason": "end_turn" if is_quiet else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 12 if is_quiet else 110_000 + 8_000 * turn, "output_tokens": 10},
    }


def headers(agent: str) -> dict[str, str]:
    return {"x-arc-agent": agent, "x-arc-run-id": f"{agent}-1"}


def chat(port: int) -> None:
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go on."}]
    url = f"http://127.0.0.1:{port}/openai/v1"
    with openai.OpenAI(base_url=url, api_key=KEY, default_headers=headers("finance")) as client:
        for _ in range(TURNS):
            said = client.chat.completions.create(model="gpt-4o", messages=messages, tools=[CHAT_TOOL])
            answer = said.choices[0].message
            assert answer.tool_calls
            result = {"role": "tool", "tool_call_id": answer.tool_calls[0].id, "content": "It is there."}
            messages += [answer.model_dump(exclude_none=True), result]
    with openai.OpenAI(base_url=url, api_key=KEY, default_headers=headers("quiet")) as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])


def talk(port: int) -> None:
    """As a coding agent does: the mark for the cache moves along with each turn."""
    url = f"http://127.0.0.1:{port}/anthropic"
    messages: list[Any] = [{"role": "user", "content": "Go on."}]
    with anthropic.Anthropic(base_url=url, api_key=KEY, default_headers=headers("coder")) as client:
        for _ in range(TURNS):
            marked = json.loads(json.dumps(messages))
            if isinstance(marked[-1]["content"], list):
                marked[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
            said = client.messages.create(
                model="claude-haiku-4-5",
                max_tokens=20_000,
                system="Be brief.",
                messages=marked,
                tools=[MESSAGES_TOOL],
            )
            used = said.content[0]
            assert used.type == "tool_use"
            results = [{"type": "tool_result", "tool_use_id": used.id, "content": "It is there."}]
            messages.append({"role": "assistant", "content": [used.model_dump(exclude_none=True)]})
            messages.append({"role": "user", "content": results})


def warnings_of(report: dict[str, Any], agent: str) -> list[dict[str, Any]]:
    [found] = [each for each in report["agents"] if each["agent"] == agent]
    warnings: list[dict[str, Any]] = found["warnings"]
    return warnings


def test_what_a_loop_runs_into_is_said_while_it_goes_on(upstream: str, data_dir: Path) -> None:
    with Installation(data_dir, upstream, "--budget-per-run", "1.5") as proxy:
        chat(proxy.port)
        talk(proxy.port)
        text = proxy.cli("report")
        report = json.loads(proxy.cli("report", "--json"))
        markdown = proxy.cli("report", "--format", "md")
        run = proxy.cli("show", "finance-1")
        shown = json.loads(proxy.cli("show", "finance-1", "--json"))

    print(text)
    # 60,000 and five times 8,000 tokens; three more turns and a half fit into 128,000.
    context = "context window of gpt-4o (128k) full in about 3 turns (run finance-1, +8.0k a turn)"
    spent = "budget of $1.50 for run finance-1 is 80% used"
    finance = warnings_of(report, "finance")
    assert [each["kind"] for each in finance] == ["context", "limit", "budget"] or [
        each["kind"] for each in finance
    ] == ["limit", "context", "budget"]
    words = {each["kind"]: each["text"] for each in finance}
    assert words["context"] == context
    assert words["budget"] == spent
    assert re.fullmatch(
        r"rate limit of gpt-4o \(tokens\) 80% used, "
        r"at this pace used up in about \d+ [smh] \(full again in \d+ m\)",
        words["limit"],
    )
    assert next(each for each in finance if each["kind"] == "context")["figures"]["turns_left"] == 3

    # 20,000 of the 200,000 are kept for the answer: 180,000 - 150,000 are three turns of 8,000.
    coder = {each["kind"]: each["text"] for each in warnings_of(report, "coder")}
    assert set(coder) == {"context", "limit"}
    assert "claude-haiku-4-5 (200k, 20.0k of it for the answer) full in about 3 turns" in coder["context"]
    assert re.fullmatch(r"5h window of anthropic 91% used, full again in 2 h", coder["limit"])

    assert warnings_of(report, "quiet") == []
    assert report["warnings"] == []
    assert text.count("│ Warning ") == len(finance) + len(coder)
    assert f"- Warning: {context}" in markdown.replace("\\", "")
    assert f"warning     {context}" in run
    assert f"warning     {spent}" in run
    assert {each["kind"] for each in shown["warnings"]} == {"context", "budget"}
