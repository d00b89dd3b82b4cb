"""`arc-proxy status`: does it run, where, and is it well?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict

import typer

from arc_proxy import __version__
from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import ConsoleUnreachable, ask_console, find_instance
from arc_proxy.cli.options import AsJson, DataDir
from arc_proxy.cli.terminal import out, out_json, style
from arc_proxy.format import clean, count, plural, size

app = typer.Typer(add_completion=False)

FRESH_S = 3.0
ALERTS_MAX = 5
WAITING_RUNS_MAX = 100  # fewer are looked at within a second


@app.command(cls=HelpCommand)
def status(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Say whether the proxy of the data folder runs, and where. Exit code 1 if it does not."""
    folder = find_folder(data_dir, os.environ)
    instance = find_instance(folder)
    if instance is None:
        if as_json:
            out_json({"running": False, "data_dir": str(folder.path)})
        else:
            out(f"not running   {folder.path}   start it with: arc-proxy serve")
        raise typer.Exit(1)
    try:
        console = ask_console(instance, folder, "GET", "/_arc/api/status")
    except ConsoleUnreachable:
        console = None
    if as_json:
        known = asdict(instance) | {"console_socket": str(instance.console_socket)}
        out_json({"running": True, "data_dir": str(folder.path), **known, "console": console})
        return
    out(f"{style('running', 'green')}    {instance.url}   since {instance.started_at}")
    out(f"version    {instance.version}" + _other_version(instance.version))
    out(f"process    {instance.pid}, {plural(instance.workers, 'gateway worker')}")
    out(f"data       {folder.path}")
    out(f"console    {_console_line(console)}")
    if isinstance(console, dict) and console.get("guards"):
        out(f"guards     {_guards_line(console['guards'])}")
    for line in _alert_lines(console):
        out(f"alerts     {style(clean(line), 'yellow')}")


def _other_version(version: str) -> str:
    return "" if version == __version__ else f"   (this command is {__version__}: restart to use it)"


def _guards_line(guards: dict[str, int]) -> str:
    judged, refused = guards["judged_calls"], guards["refused_calls"]
    return f"enforced: {plural(judged, 'call')} judged, {count(refused)} refused"


def _alert_lines(console: object) -> Iterator[str]:
    """What fires, and what keeps alerts from being looked at or from arriving."""
    alerts = console.get("alerts") if isinstance(console, dict) else None
    if alerts is None:  # it does not answer, or is of a version without them
        return
    for each in alerts["firing"][:ALERTS_MAX]:
        yield each["title"]
    if len(alerts["firing"]) > ALERTS_MAX:
        yield f"{len(alerts['firing']) - ALERTS_MAX} more; `arc-proxy alerts` lists them"
    if alerts["trouble"]:
        yield f"not as they should be: {alerts['trouble']}"
    for name, last in alerts["deliveries"].items():
        if not last["is_ok"]:
            yield f"not delivered to {name}: {last['says']}"


def _console_line(console: object) -> str:
    if not isinstance(console, dict):
        return style("does not answer; traffic goes on, and a new one is started within a second", "yellow")
    if console.get("trouble"):
        return style(f"waits: {clean(console['trouble'])}; nothing is lost, the journal keeps it", "yellow")
    if (console.get("behind_s") or 0) > FRESH_S:
        return f"ingesting, {size(console.get('behind_bytes') or 0)} behind the journal"
    if (console.get("unanalysed_runs") or 0) > WAITING_RUNS_MAX:
        return f"up to date, {plural(console['unanalysed_runs'], 'run')} still to be looked at for failures"
    return "up to date"
