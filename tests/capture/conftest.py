"""A data folder with a journal, what was written into it, and a server that stands where a proxy would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.capture import guard
from arc_proxy.journal.fact import decode_fact
from arc_proxy.journal.frame import Deframer
from arc_proxy.journal.record import RecordKind, decode_record
from arc_proxy.journal.segment import decode_header

Facts = Callable[[], list[dict[str, Any]]]

CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_said", set())
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-openai")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "journal").mkdir(parents=True)
    return folder


@pytest.fixture
def facts(data_dir: Path) -> Facts:
    def read() -> list[dict[str, Any]]:
        found = []
        for path in sorted((data_dir / "journal").glob("*/*.seg")):
            segment = path.read_bytes()
            records = map(decode_record, Deframer().feed(segment[decode_header(segment).header_bytes :]))
            found += [(r.mono_ns, decode_fact(r.content)) for r in records if r.kind is RecordKind.FACT]
        return [fact for _, fact in sorted(found, key=lambda entry: entry[0])]

    return read


class Sidecar(ThreadingHTTPServer):
    """Answers as proxy and provider at once; `requests` are (path, headers) in the order of arrival."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sidecar

    def do_GET(self) -> None:
        self._answer({"version": "0.1.0"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append(
            (self.path, {name.lower(): value for name, value in self.headers.items()})
        )
        self._answer(MESSAGE if self.path.endswith("/messages") else CHAT)

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def sidecar(data_dir: Path) -> Iterator[Sidecar]:
    with Sidecar() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        (data_dir / "serve.json").write_text(json.dumps({"url": server.url, "port": server.server_port}))
        yield server
        server.shutdown()
        thread.join()
