"""
A provider that coding agents talk to: it has one sub-agent started, which runs one command, and then ends.

    "please delegate"   start a sub-agent ("please list"), and say so once it has answered
    "please list"       run `ls`, and say so once it has run
    anything else       an answer in words

The first request that is told to delegate is refused once as overloaded. Speaks Anthropic's messages,
OpenAI's responses and chat completions, and what ChatGPT's back end is asked beside these. A WebSocket is
declined with 426, as a provider that has none.

It is also the HTTPS proxy that a client can be given: it then is each vendor's host, by an authority of its
own, so that a client which has no base URL reaches it too. Keeps what it was asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import re
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from arc_proxy.demo.dialects import Chat, Dialect, Messages, Responses, Turn
from arc_proxy.wire.content import decode_body

_DIALECTS = {"messages": Messages(), "responses": Responses(), "completions": Chat()}
DELEGATE, LIST = "please delegate", "please list"
DELEGATED, LISTED = "The sub-agent has answered.", "The files are listed."


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    host: str | None = None  # that was asked for, where the client took this for its HTTPS proxy
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return self.path.partition("?")[0].rpartition("/")[2]

    @property
    def is_generation(self) -> bool:
        return self.method == "POST" and self.endpoint in _DIALECTS

    @property
    def tokens(self) -> int:
        """About: four characters make one."""
        return len(json.dumps(self.body, ensure_ascii=False)) // 4


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: AgentProvider
    host: str | None = None

    def do_CONNECT(self) -> None:
        self.host = self.path.rpartition(":")[0]
        self.send_response(200)
        self.end_headers()
        try:
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        except OSError:  # a client that trusts nobody but its vendor's authority
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb")
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]
        self.close_connection = False

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        self._note({})
        path = self.path.partition("?")[0]
        if self.headers.get("upgrade"):
            self._send({"error": {"message": "no WebSocket here"}}, 426)
        elif path.endswith("/accounts/check"):
            self._send(ACCOUNTS)
        elif path.endswith("/models"):
            self._send({"models": [], "data": []})
        else:
            self._send({})

    def do_HEAD(self) -> None:
        self._note({})
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        raw = decode_body(list(self.headers.items()), raw).body
        asked = self._note(json.loads(raw) if raw.startswith(b"{") else {})
        if not asked.is_generation:
            self._send({})
            return
        dialect = _DIALECTS[asked.endpoint]
        turn = _turn(asked, dialect)
        if turn.tool in _STARTS and self.server.refuses():
            self._send(OVERLOADED, 503, {"retry-after": "0"})
        elif asked.body.get("stream"):
            self._send_events(dialect, turn, asked.body)
        else:
            self._send(dialect.reply(turn))

    def _note(self, body: dict[str, Any]) -> Asked:
        asked = Asked(self.command, self.path, self.host, body)
        self.server.asked.append(asked)
        return asked

    def _send_events(self, dialect: Dialect, turn: Turn, body: dict[str, Any]) -> None:
        text = ""
        for name, data in dialect.events(turn, body):
            document = data if isinstance(data, str) else json.dumps(_in_namespace(data, body))
            text += (f"event: {name}\n" if name else "") + f"data: {document}\n\n"
        self._send_bytes(text.encode(), "text/event-stream", 200, {})

    def _send(self, answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send_bytes(json.dumps(answer).encode(), "application/json", status, headers or {})

    def _send_bytes(self, content: bytes, kind: str, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "come back later"}}
# What Codex asks before it speaks to ChatGPT's back end: which workspace a login has.
ACCOUNTS: dict[str, Any] = {
    "accounts": [
        {
            "id": "acc-1",
            "workspace_backend_origin": "https://chatgpt.com",
            "account_routing_override": "us",
        }
    ]
}
_STARTS = frozenset({"Task", "Agent", "spawn_agent"})
_WAITS = frozenset({"wait_agent"})
_RUNS = frozenset({"Bash", "exec_command"})
# By the names of parameters, whatever tool has them.
_ARGUMENTS = {
    "description": "List files",
    "prompt": f"{LIST} of this folder",
    "message": f"{LIST} of this folder",
    "subagent_type": "general-purpose",
    "task_name": "lister",
    "fork_turns": "none",
    "timeout_ms": 10_000,
    "command": "ls",
    "cmd": "ls",
}
_AGENT_ID = re.compile(r"agent_id\W+([0-9a-f-]{36})")


class AgentProvider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority = folder / "authority.pem"
        self.tls = _any_host(folder)
        self.asked: list[Asked] = []
        self.is_busy = True  # for one more request
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def generations(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.is_generation]

    def begin(self) -> None:
        """Forget what was asked, and be busy once more."""
        self.asked = []
        self.is_busy = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none."""

    def refuses(self) -> bool:
        with self._lock:
            was, self.is_busy = self.is_busy, False
            return was


@contextmanager
def agent_provider(folder: Path) -> Iterator[AgentProvider]:
    """`folder` gets the authority's certificate, for NODE_EXTRA_CA_CERTS and SSL_CERT_FILE."""
    provider = AgentProvider(folder)
    thread = threading.Thread(target=provider.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.shutdown()
        provider.server_close()


HOSTS = ("api.anthropic.com", "api.openai.com", "chatgpt.com")  # whose calls must not go past us


def _any_host(folder: Path) -> ssl.SSLContext:
    """A certificate for the vendors' hosts, signed by an authority of this test's own."""
    key, request, names = folder / "host.key", folder / "host.csr", folder / "names.txt"
    names.write_text("subjectAltName=" + ",".join(f"DNS:{host}" for host in HOSTS))
    new = ("-newkey", "rsa:2048", "-nodes")
    authority = ("-keyout", str(folder / "authority.key"), "-out", str(folder / "authority.pem"))
    signed = (
        "-CA",
        str(folder / "authority.pem"),
        "-CAkey",
        str(folder / "authority.key"),
        "-CAcreateserial",
    )
    named = ("-extfile", str(names), "-out", str(folder / "host.pem"))
    for words in (
        ("req", "-x509", *new, *authority, "-subj", "/CN=a test", "-days", "2"),
        ("req", *new, "-keyout", str(key), "-out", str(request), "-subj", "/CN=a host"),
        ("x509", "-req", "-in", str(request), *signed, *named, "-days", "2"),
    ):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "host.pem", key)
    return context


def _turn(asked: Asked, dialect: Dialect) -> Turn:
    body = asked.body
    said = json.dumps(body.get(dialect.prompt_field))
    results = said.count('"tool_result"') + said.count('"function_call_output"')
    tool, text = None, "That is all."
    if DELEGATE in said:
        tool, text = _step(body, [_STARTS, _WAITS], results), DELEGATED
    elif LIST in said:
        tool, text = _step(body, [_RUNS], results), LISTED
    return Turn(
        model=body["model"],
        text="" if tool else text,
        tool=tool and tool["name"],
        arguments=_arguments(tool, said) if tool else {},
        is_cut=False,
        input_tokens=asked.tokens,
        cached_tokens=0,
        output_tokens=24,
        seed=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
    )


def _step(body: dict[str, Any], steps: list[Set[str]], done: int) -> dict[str, Any] | None:
    """The tool to use next, of those that the client has."""
    offered = [next((tool for tool, _ in _tools(body) if tool.get("name") in names), None) for names in steps]
    had = [tool for tool in offered if tool is not None]
    return had[done] if done < len(had) else None


def _arguments(tool: dict[str, Any], said: str) -> dict[str, Any]:
    schema = tool.get("input_schema") or tool.get("parameters") or {}
    arguments = {name: _ARGUMENTS[name] for name in schema.get("properties", ()) if name in _ARGUMENTS}
    started = _AGENT_ID.findall(said)
    return arguments | {"targets": started} if "targets" in schema.get("properties", ()) else arguments


def _tools(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Tools, with the namespace that Codex puts them into; some models get them as an item of input."""
    items = body.get("input")
    more = [item.get("tools") or () for item in items] if isinstance(items, list) else []
    for tool in itertools.chain(body.get("tools") or (), *more):
        if tool.get("type") == "namespace":
            yield from ((each, tool["name"]) for each in tool["tools"])
        else:
            yield tool, None


def _in_namespace(data: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """An event whose function call says which namespace its tool is of."""
    spaces = {tool.get("name"): space for tool, space in _tools(body)}
    items = [data.get("item"), *(data.get("response") or {}).get("output", ())]
    for item in items:
        if item and item.get("type") == "function_call" and spaces.get(item["name"]):
            item["namespace"] = spaces[item["name"]]
    return data
