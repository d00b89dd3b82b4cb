"""
The process of one gateway worker, as the supervisor starts it.

    python -m arc_proxy.gateway CONFIG.json --worker N --socket FD --lifeline FD

The socket is bound and listening and stays the supervisor's, so that connections queue while a worker is
replaced. The lifeline is a pipe: when its other end closes, the supervisor is gone, and so is the reason to
run. That, SIGTERM and SIGINT let open calls come to their end first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import gc
import json
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from arc_proxy.errors import ConfigError
from arc_proxy.gateway.config import GatewayConfig
from arc_proxy.gateway.server import serve_gateway

COLLECT_AFTER = 20_000  # objects more made than dropped
DESCRIPTORS_WANTED = 65_536  # two for each stream, and some


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m arc_proxy.gateway", description="One gateway worker.")
    parser.add_argument("config", type=Path, help="the supervisor's JSON file")
    parser.add_argument("--worker", type=int, default=0, help="this worker's number")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--lifeline", type=int, help="descriptor that closes when the supervisor is gone")
    options = parser.parse_args(arguments)
    log_to_stderr()
    try:
        config = read_config(options.config, options.worker)
        raise_descriptor_limit()
        settle_collector()
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(config, options.socket, options.lifeline))
    except ConfigError as error:
        print(f"arc-proxy gateway: {error}", file=sys.stderr)  # noqa: T201 - stderr is for the operator
        return 2
    return 0


def log_to_stderr() -> None:
    """In the form that the supervisor's and the console's lines have."""
    form = logging.Formatter("{asctime} {levelname} {message}", "%Y-%m-%dT%H:%M:%SZ", style="{")
    form.converter = time.gmtime
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logging.addLevelName(level, logging.getLevelName(level).lower())
    handler = logging.StreamHandler()
    handler.setFormatter(form)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def read_config(path: Path, worker: int) -> GatewayConfig:
    """The "gateway" part of the supervisor's file. Raises ConfigError."""
    try:
        whole = json.loads(path.read_bytes())
        values = dict(whole["gateway"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is no configuration of arc-proxy: {error!r}") from error
    for name in ("host", "version", "drain_s"):
        if name in whole:
            values.setdefault(name, whole[name])
    return dataclasses.replace(GatewayConfig.from_json(values), worker=worker)


def raise_descriptor_limit() -> None:
    """As far as the system lets us, up to what many streams need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def settle_collector() -> None:
    """
    What is loaded by now stays, and a call leaves no cycles behind: to look for some seldom is enough.

    By default Python would look through all it has several times per thousand calls.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


async def _serve(config: GatewayConfig, listening: int, lifeline: int | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline is not None:
        loop.add_reader(lifeline, _watch, loop, lifeline, stop)
    with socket.socket(fileno=listening) as sock:
        sock.setblocking(False)
        await serve_gateway(config, sock, stop=stop)


def _watch(loop: asyncio.AbstractEventLoop, lifeline: int, stop: asyncio.Event) -> None:
    loop.remove_reader(lifeline)
    stop.set()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    sys.exit(main())
