"""
How work follows its run where context variables do not: into threads, and into HTTP clients.

Standard library only. A thread that is started in a run belongs to it, and so does what is submitted to a
`ThreadPoolExecutor`. httpx (which the OpenAI, Anthropic, Mistral, Groq and Google SDKs send with) is met at
`Client.send` and `AsyncClient.send`, its public door, so clients that were made long before the run and
several runs at once are told apart. All of them are passed through untouched outside of runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from arc_proxy.capture.guard import harmless
from arc_proxy.capture.run import Inside, current_run, inside

Visit = Callable[[Any, Any], object]

_MARK = "__arc_follows__"
_waiting: dict[str, Callable[[Any], object]] = {}


def follow_everywhere(visit: Visit) -> None:
    """Install all of it, once. `visit(client, request)` is called before each request that httpx sends."""
    _when_imported("threading", _follow_threads)
    _when_imported("concurrent.futures.thread", _follow_pools)
    for name in ("httpx", "httpx2"):
        _when_imported(name, partial(_visit_requests, visit))


def _follow_threads(threading: Any) -> None:
    original = threading.Thread.start

    @wraps(original)
    def start(thread: Any) -> None:
        run = current_run()
        if run is not None:
            thread.run = partial(inside, run, thread.run)
        original(thread)

    _replace(threading.Thread, "start", start)


def _follow_pools(pools: Any) -> None:
    original = pools.ThreadPoolExecutor.submit

    @wraps(original)
    def submit(executor: Any, work: Any, /, *args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None:
            return original(executor, work, *args, **kwargs)
        with Inside(None):  # a worker that is started here serves other runs later
            return original(executor, inside, run, work, *args, **kwargs)

    _replace(pools.ThreadPoolExecutor, "submit", submit)


def _visit_requests(visit: Visit, httpx: Any) -> None:
    send_now, send_later = httpx.Client.send, httpx.AsyncClient.send

    @wraps(send_now)
    def send(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        visit(client, request)
        return send_now(client, request, *args, **kwargs)

    @wraps(send_later)
    async def send_async(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        visit(client, request)
        return await send_later(client, request, *args, **kwargs)

    _replace(httpx.Client, "send", send)
    _replace(httpx.AsyncClient, "send", send_async)


def _replace(owner: Any, name: str, function: Any) -> None:
    if not hasattr(getattr(owner, name), _MARK):
        setattr(function, _MARK, True)
        setattr(owner, name, function)


def _when_imported(name: str, change: Callable[[Any], object]) -> None:
    """Change a module now if the program has it, else as soon as it does; never import it for that."""
    if name in sys.modules:
        change(sys.modules[name])
        return
    _waiting[name] = harmless(change)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """
    Finds nothing itself: it asks the others, and hears when what they found has been loaded.

    A meta path finder by its method alone; the import of `importlib.abc` costs 10 ms.
    """

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        change = _waiting.pop(fullname, None)
        if change is None:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                _hear(spec, change)
                return spec
        return None


def _hear(spec: Any, change: Callable[[Any], object]) -> None:
    load = getattr(spec.loader, "exec_module", None)
    if load is None:
        return

    def exec_module(module: Any) -> None:
        load(module)
        if module.__name__ == spec.name:
            change(module)

    spec.loader.exec_module = exec_module
