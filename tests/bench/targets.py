"""
What the bench puts side by side: the provider alone, nginx, and arc-proxy with capture on.

Each target listens on a port of its own, and what is on its hot path is pinned to core 0. All else shares
core 1: the provider, the load generator, arc-proxy's console. So a proxy is measured by what one core can do.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PROXY_CORE, LOAD_CORE = 0, 1
HERE = Path(__file__).parent
START_S_MAX = 20

NGINX_CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; keepalive_requests 100000000;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; client_max_body_size 0;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    port: int
    path_prefix: str
    process: psutil.Process | None  # None: no proxy in between

    def path(self, query: str = "") -> str:
        return f"{self.path_prefix}/v1/chat/completions{query}"

    def gateways(self) -> list[psutil.Process]:
        """The processes on the hot path: nginx's worker, arc-proxy's gateway."""
        if self.process is None:
            return []
        if self.name == "nginx":
            return self.process.children()
        return [p for p in self.process.children() if "arc_proxy.gateway" in " ".join(p.cmdline())]

    def family(self) -> list[psutil.Process]:
        return [] if self.process is None else [self.process, *self.process.children(recursive=True)]


def cpu_s(processes: list[psutil.Process]) -> float:
    """User and system time, from the scheduler's own nanoseconds where Linux has them."""
    total = 0.0
    for process in processes:
        schedstat = Path(f"/proc/{process.pid}/schedstat")
        if schedstat.exists():
            threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
            total += sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
        else:
            times = process.cpu_times()
            total += times.user + times.system
    return total


def pss_mb(processes: list[psutil.Process]) -> float:
    return sum(process.memory_full_info().pss for process in processes) / 1e6


def compile_tools(folder: Path) -> tuple[Path, Path]:
    """The provider and the load generator, from the C beside this file."""
    compiler = shutil.which("cc") or shutil.which("gcc") or sys.exit("the bench needs a C compiler")
    built = []
    for name in ("upstream", "load"):
        binary = folder / name
        subprocess.run([compiler, "-O2", "-o", binary, HERE / f"{name}.c"], check=True)
        built.append(binary)
    return built[0], built[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + START_S_MAX
    while time.monotonic() < give_up:
        if process.poll() is not None:
            sys.exit(f"{process.args} exited with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"{process.args} did not open port {port} in {START_S_MAX} s")


def pinned(core: int) -> Callable[[], None]:
    def pin() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {core})

    return pin


@contextmanager
def running(command: list[str | Path], port: int, core: int) -> Iterator[psutil.Process]:
    process = subprocess.Popen(command, preexec_fn=pinned(core), stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


@contextmanager
def nginx(upstream_port: int) -> Iterator[Target | None]:
    binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if binary is None:
        print("nginx is not installed: no ratios to it", file=sys.stderr)
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="arc-bench-nginx-") as folder:
        port = free_port()
        Path(folder, "nginx.conf").write_text(
            NGINX_CONF.format(folder=folder, port=port, upstream=upstream_port)
        )
        command: list[str | Path] = [binary, "-p", folder, "-c", f"{folder}/nginx.conf"]
        with running(command, port, PROXY_CORE) as process:
            yield Target("nginx", port, "", process)


@contextmanager
def arc_proxy(upstream_port: int) -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="arc-bench-data-") as folder:
        port = free_port()
        command: list[str | Path] = [
            Path(sys.executable).parent / "arc-proxy",
            *("serve", "--port", str(port), "--data-dir", folder, "--workers", "1"),
            *("--upstream", f"*=http://127.0.0.1:{upstream_port}"),
        ]
        with running(command, port, PROXY_CORE) as process:
            time.sleep(4)  # the console imports for a while
            target = Target("arc-proxy", port, "/openai", process)
            _move_beside(target)
            yield target


def _move_beside(target: Target) -> None:
    """All but the gateway go to the other core: ingest is a process and has figures of its own."""
    hot = {process.pid for process in target.gateways()}
    for process in target.family():
        if process.pid not in hot and hasattr(process, "cpu_affinity"):
            process.cpu_affinity([LOAD_CORE])


def request_body(size: int) -> bytes:
    """A chat completion request of about `size` bytes."""
    messages = [{"role": "system", "content": "You are a careful assistant. Name your sources."}]
    turn = "How does a proxy beside my agent see its calls, and what does that cost per request? "
    while len(json.dumps(messages)) < size - 400:
        role = "user" if len(messages) % 2 else "assistant"
        messages.append({"role": role, "content": f"{len(messages)}. " + turn * 3})
    body = {"model": "gpt-4o-mini", "messages": messages, "temperature": 0.2, "max_tokens": 256}
    return json.dumps(body).ljust(size).encode()
