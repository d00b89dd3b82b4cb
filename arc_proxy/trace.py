"""
ArcTracer: one line that makes each task of an agent a run.

    from arc_proxy.trace import ArcTracer

    agent = ArcTracer("finance").trace_agent(agent)

Every call of the agent's `run`, `invoke`, `call` (and `arun`, `ainvoke`, `stream` ..., see METHODS) is a run
from then on, with its exception if it has one; a function works as well. OpenAI and Anthropic SDKs are led
through the proxy of the data folder: new clients by OPENAI_BASE_URL and ANTHROPIC_BASE_URL, where you have
not set them yourself; clients that exist already and aim at api.openai.com or api.anthropic.com, within a
run. Each of their requests says which run it belongs to, across threads, tasks and several runs at once.

What it cannot do: a client with an HTTP proxy or a transport of its own keeps going where it went (a warning
says so), and a client that sends with something else than httpx (boto3, requests) joins its run only if it
sends `tracer.headers()`. It never raises into your program; with no proxy running it warns, once.

Standard library only. Importing it loads neither the journal nor anything of the proxy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from arc_proxy.capture.facts import FactLog
from arc_proxy.capture.guard import harmless, warn_once
from arc_proxy.capture.inherit import follow_everywhere
from arc_proxy.capture.run import Inside, Run, current_run
from arc_proxy.capture.tracer import METHODS, Tracer

if TYPE_CHECKING:
    from arc_proxy.capture.sidecar import Sidecar

__all__ = ["METHODS", "ArcTracer", "RunBlock"]

A = TypeVar("A")

CONFIRM_EVERY_S = 1.0

# Of each SDK: the variable it reads, the host it goes to without one, and where the proxy has that provider.
_SDKS = (
    ("OPENAI_BASE_URL", "api.openai.com", "/openai", "/openai/v1"),
    ("ANTHROPIC_BASE_URL", "api.anthropic.com", "/anthropic", "/anthropic"),
)
_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_SECRET_CHARS_MIN = 8


class ArcTracer:
    """
    Traces one named agent.

    `session_id`, `user`, `version` and `tags` hold for all of its runs. `data_dir` is the proxy's data
    folder, by default that of ARC_DATA_DIR, else ~/.local/share/arc-proxy.
    """

    def __init__(
        self,
        agent: str,
        *,
        session_id: str | None = None,
        user: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        folder = os.path.abspath(data_dir or _default_data_dir())  # noqa: PTH100  pathlib is a slow import
        self._route = _routes.setdefault(folder, _Route(folder))
        self._tracer = Tracer(
            agent,
            labels={"session_id": session_id, "user": user, "version": version},
            tags=tags or {},
            write=self._route.facts.write,
            before_run=self._route.confirm,
            secrets=_secrets,
        )
        harmless(follow_everywhere)(_visit)
        self._route.join(agent)

    def trace_agent(self, agent: A, *, methods: tuple[str, ...] = METHODS) -> A:
        """
        The agent, each call of these methods now a run. For a function, a function that wraps it.

        An object stays the same object. What cannot be traced comes back as it was, with a warning.
        """
        return harmless(self._tracer.trace)(agent, methods) or agent

    def run(
        self,
        *,
        session_id: str | None = None,
        user: str | None = None,
        version: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunBlock:
        """`with tracer.run() as run:` makes what happens in the block a run; `run.run_id` is its id."""
        return RunBlock(
            self._tracer, {"session_id": session_id, "user": user, "version": version, "tags": tags}
        )

    @property
    def run_id(self) -> str | None:
        """The run that this code is in, else the last one that ended; None where several could be meant."""
        return self._tracer.run_id

    def headers(self) -> dict[str, str]:
        """Headers that make a request part of the open run, for clients that do not send with httpx."""
        run = current_run()
        return run.headers() if run else {}

    @harmless
    def outcome(
        self,
        outcome: Literal["success", "failure"] | bool,
        *,
        run_id: str | None = None,
        score: float | None = None,
        reason: str | None = None,
    ) -> None:
        """Say how a run went, during it or later; without `run_id` the one that `self.run_id` names."""
        word = (
            {True: "success", False: "failure"}.get(outcome, outcome)
            if isinstance(outcome, bool)
            else outcome
        )
        named = run_id or self.run_id
        if word not in ("success", "failure"):
            warn_once(f"arc-proxy: an outcome is success or failure, not {word!r}; it was not kept")
        elif named is None:
            warn_once("arc-proxy: an outcome needs run_id= where no single run is meant; it was not kept")
        else:
            why = None if reason is None else self._tracer.cut(reason)
            self._route.facts.write(
                "outcome", run_id=named, outcome=word, score=score, reason=why, source="tracer"
            )


class RunBlock:
    """What `ArcTracer.run` gives: one run, for one `with`."""

    def __init__(self, tracer: Tracer, labels: Mapping[str, Any]) -> None:
        self._tracer = tracer
        self._labels = labels
        self._run: Run | None = None
        self._inside: Inside | None = None

    @property
    def run_id(self) -> str | None:
        return self._run.run_id if self._run else None

    def __enter__(self) -> RunBlock:
        self._run = harmless(self._tracer.open)(self, **self._labels)
        self._inside = Inside(self._run)
        self._inside.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._inside is not None:
            self._inside.__exit__()
        if self._run is not None:
            self._tracer.end(self._run, error)


class _Route:
    """The way from this process to the proxy of one data folder, while there is one."""

    def __init__(self, data_dir: str) -> None:
        self.facts = FactLog(data_dir)
        self._data_dir = data_dir
        self._sidecar: Sidecar | None = None
        self._confirmed_at: float | None = None
        self._set: dict[str, str] = {}
        self._agents: set[str] = set()

    @harmless
    def join(self, agent: str) -> None:
        """Have the calls of this agent led, too."""
        self._agents.add(agent)
        self.confirm()
        if self._sidecar is not None and len(self._agents) == 2:
            self._lead(self._sidecar)

    @harmless
    def confirm(self) -> None:
        """Look for the proxy, or whether it is still there; at most once a second."""
        now = time.monotonic()
        if self._confirmed_at is not None and now - self._confirmed_at < CONFIRM_EVERY_S:
            return
        self._confirmed_at = now
        from arc_proxy.capture.sidecar import find_sidecar, is_listening

        if self._sidecar is not None and is_listening(self._sidecar):
            return
        self._restore()
        self._sidecar = find_sidecar(self._data_dir)
        if self._sidecar is None:
            warn_once(
                f"arc-proxy: no proxy answers for {self._data_dir}, so calls go straight to their provider "
                "and are not recorded; `arc-proxy serve` starts one"
            )
        else:
            self._lead(self._sidecar)

    def _lead(self, sidecar: Sidecar) -> None:
        # Outside of runs the URL says whose a call is, where that is sure: with one agent in the process.
        prefix = (
            "".join(f"/agent/{_quote(agent)}" for agent in self._agents) if len(self._agents) == 1 else ""
        )
        for variable, _, _, path in _SDKS:
            chosen = os.environ.get(variable)
            if not chosen or chosen == self._set.get(variable):
                self._set[variable] = os.environ[variable] = f"{sidecar.url}{prefix}{path}"
            elif not _is_at(chosen, sidecar):
                warn_once(f"arc-proxy: {variable} leads past the proxy; its calls are not recorded")
        if self._set:
            _spare_from_http_proxies(sidecar.host)

    def _restore(self) -> None:
        """The proxy is gone: new clients go straight to their provider again."""
        for variable, value in self._set.items():
            if os.environ.get(variable) == value:
                del os.environ[variable]
        self._set = {}

    @harmless
    def visit(self, client: Any, request: Any) -> None:
        """Make a request of httpx part of the open run, if it goes to the proxy or can be led there."""
        run = current_run()
        if run is None or self._sidecar is None:
            return
        if not _is_at(str(request.url), self._sidecar) and not self._redirect(client, request, run.agent):
            return
        for name, value in run.headers().items():
            request.headers.setdefault(name, value)

    def _redirect(self, client: Any, request: Any, agent: str) -> bool:
        """Lead a request of a client that was made before us to the proxy. False: it goes where it went."""
        host = request.url.host
        led = {vendor: path for variable, vendor, path, _ in _SDKS if variable in self._set}
        prefix = led.get(host)
        if prefix is None:
            return False
        if not _goes_directly(client):
            warn_once(f"arc-proxy: a client reaches {host} in its own way; its calls are not recorded")
            return False
        self.confirm()
        sidecar = self._sidecar
        if sidecar is None:
            return False
        path = f"/agent/{_quote(agent)}{prefix}".encode() + request.url.raw_path
        request.url = request.url.copy_with(
            scheme="http", host=sidecar.host, port=sidecar.port, raw_path=path
        )
        request.headers["host"] = f"{sidecar.host}:{sidecar.port}"
        return True


_routes: dict[str, _Route] = {}


def _visit(client: Any, request: Any) -> None:
    for route in tuple(_routes.values()):
        route.visit(client, request)


def _goes_directly(client: Any) -> bool:
    """Whether it is an SDK's own default client, with no HTTP proxy in between; if in doubt it is not."""
    pool = getattr(getattr(client, "_transport", None), "_pool", None)
    return (
        type(client).__name__.endswith("HttpxClientWrapper")
        and getattr(client, "_mounts", None) == {}
        and type(pool).__name__ in ("ConnectionPool", "AsyncConnectionPool")
    )


def _is_at(url: str, sidecar: Sidecar) -> bool:
    here = (sidecar.host, "localhost", "127.0.0.1")
    return any(url.startswith(f"http://{host}:{sidecar.port}/") for host in here)


def _spare_from_http_proxies(host: str) -> None:
    """Keep a proxy that is set for http:// URLs from being asked for the one on this machine."""
    if not any(os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")):
        return
    either = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for name in ("no_proxy", "NO_PROXY"):
        spared = os.environ.get(name) or either
        if spared.strip() != "*" and host not in spared.split(","):
            os.environ[name] = f"{spared},{host}" if spared else host


def _quote(text: str) -> str:
    """As one part of a URL's path (RFC 3986), without the import of urllib."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in text.encode(errors="replace"))


def _default_data_dir() -> str:
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return os.environ.get("ARC_DATA_DIR") or os.path.join(home, "arc-proxy")  # noqa: PTH118


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        if name.upper().endswith(_SECRET_NAMES) and len(value) >= _SECRET_CHARS_MIN:
            yield value
