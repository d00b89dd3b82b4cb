"""
The console: ingest, retention, the API and the dashboard of one data folder, in one process.

    python -m arc_proxy.cli.console CONFIG.json [--lifeline FD]

The supervisor starts it, and starts another if it dies. It ends on SIGTERM, or when the other end of the
lifeline is closed, which is when the supervisor is gone: one last catch-up, so that what a stop drained is
in the rows, and then out. No request of an agent ever waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from analysis.budget import Budgets
from analysis.failure import FailureCode
from arc_proxy.alerts.notify import Means
from arc_proxy.api.app import Answers, add_api
from arc_proxy.api.auth import LOGIN_PATH, Gate
from arc_proxy.api.outcome import add_outcomes
from arc_proxy.cli.budgets import read_budgets
from arc_proxy.cli.console_work import ConsoleWork
from arc_proxy.cli.folder import Folder, read_secret
from arc_proxy.cli.guard_socket import serve_guard
from arc_proxy.cli.log import log_to_file_too
from arc_proxy.dashboard.app import add_dashboard
from arc_proxy.dashboard.issue_forms import FORM_PATHS, add_issue
from arc_proxy.dashboard.rendering import POLICY

LAST_CATCH_UP_S = 10.0
NICENESS = 15
COLLECT_AFTER = 10_000  # objects more made than dropped
THREADS_MAX = 2  # reports at once; more would only wait for the database and each other

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleConfig:
    """The console's part of the supervisor's file."""

    folder: Folder
    version: str
    socket: Path
    database_url: str | None
    journal_days: int
    journal_bytes_max: int
    rows_months: int
    budgets: Budgets
    hints: tuple[FailureCode, ...]
    alerts_every_s: float
    means: Means  # of alerts
    loop_limit: int
    guard_socket: Path | None  # where gateways ask whether a call may go on; None: they do not
    log_level: str


def read_config(path: Path) -> ConsoleConfig:
    whole = json.loads(path.read_bytes())
    own: Mapping[str, Any] = whole["console"]
    return ConsoleConfig(
        folder=Folder(Path(whole["data_dir"]), "serve"),
        version=whole["version"],
        socket=Path(own["socket"]),
        database_url=own["database_url"],
        journal_days=own["journal_days"],
        journal_bytes_max=own["journal_bytes_max"],
        rows_months=own["rows_months"],
        budgets=read_budgets(own["budgets"]),
        hints=tuple(map(FailureCode, own["hints"])),
        alerts_every_s=own["alerts_every_s"],
        means=Means(
            own_port=whole["port"],
            environ=os.environ,
            https_proxy=own["https_proxy"],
            no_proxy=tuple(own["no_proxy"]),
            ca_bundle=Path(own["ca_bundle"]) if own["ca_bundle"] else None,
        ),
        loop_limit=own["loop_limit"],
        guard_socket=Path(own["guard_socket"]) if own["guard_socket"] else None,
        log_level=own["log_level"],
    )


def make_app(config: ConsoleConfig, work: ConsoleWork) -> web.Application:
    gate = Gate(
        read_secret(config.folder),
        cookie=f"arc_{config.folder.digest}",
        policy=POLICY,
        used_logins=config.socket.with_name("used-logins"),
        forms=FORM_PATHS,
    )
    app = web.Application(middlewares=[gate.middleware()])
    app.router.add_get(LOGIN_PATH, gate.login, allow_head=False)
    threads = asyncio.Semaphore(THREADS_MAX)
    add_api(app, Answers(catch_up=work.catch_up, status=work.status, report=work.report), threads)
    add_outcomes(app, work.outcomes.tell, threads)
    source = work.source()
    add_dashboard(app, source, threads)
    add_issue(app, source, threads, gate.form_token)
    return app


async def serve_console(config: ConsoleConfig, work: ConsoleWork, stop: asyncio.Event) -> None:
    """Until `stop` is set."""
    runner = web.AppRunner(make_app(config, work), access_log=None, handle_signals=False, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(config.socket)).start()
        config.socket.chmod(0o600)
        with contextlib.ExitStack() as served:
            if config.guard_socket is not None:
                server = await serve_guard(work.guard.ask, config.guard_socket)
                served.callback(server.close)  # gateways may stay on the line: their end is not waited for
            _log.info("console.ready", pid=os.getpid())
            await stop.wait()
        await asyncio.to_thread(work.catch_up, LAST_CATCH_UP_S)
    finally:
        await runner.cleanup()


async def _run(config: ConsoleConfig, lifeline: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline is not None:
        os.set_blocking(lifeline, False)
        loop.add_reader(lifeline, _lifeline_cut, loop, lifeline, stop)
    work = ConsoleWork(config)
    threads = [threading.Thread(target=each, name=name) for name, each in work.threads.items()]
    for thread in threads:
        thread.start()
    try:
        await serve_console(config, work, stop)
    finally:
        work.stop()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        work.close()
        _log.info("console.stopped")


def _lifeline_cut(loop: asyncio.AbstractEventLoop, lifeline: int, stop: asyncio.Event) -> None:
    """Nothing is ever written to it: readable means closed, and would mean so again in every turn."""
    loop.remove_reader(lifeline)
    stop.set()


def make_room(*, is_waited_for: bool) -> None:
    """
    Stand back for the gateways, which may share this core, unless requests wait for an answer from here, and
    look for garbage seldom.

    What is loaded by now stays, and ingest leaves few cycles behind.
    """
    if not is_waited_for:
        stand_back()
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def stand_back() -> None:
    os.nice(NICENESS)
    if hasattr(os, "SCHED_BATCH"):  # Linux: whoever runs when it wakes up, a gateway perhaps, runs on
        with contextlib.suppress(OSError):  # a sandbox may refuse
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="arc_proxy.cli.console", description="Started by `arc-proxy serve`."
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--lifeline", type=int, default=None)
    given = parser.parse_args(arguments)
    config = read_config(given.config)
    log_to_file_too(config.folder.logs / "console.log", config.log_level)
    make_room(is_waited_for=config.guard_socket is not None)
    asyncio.run(_run(config, given.lifeline))


if __name__ == "__main__":
    main()
