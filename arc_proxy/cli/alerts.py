"""`arc-proxy alerts`: what is watched for, what fires now, and whether it reaches anybody."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand, HelpGroup
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.options import AsJson, DataDir
from arc_proxy.cli.terminal import out, out_json, out_json_lines, say, style, warn, width
from arc_proxy.errors import UsageError
from arc_proxy.format import plural

if TYPE_CHECKING:
    from arc_proxy.alerts.file import AlertsFile
    from arc_proxy.alerts.kept import Kept
    from arc_proxy.alerts.notify import Means
    from arc_proxy.alerts.targets import Delivered, Target

app = typer.Typer(cls=HelpGroup, add_completion=False, invoke_without_command=True)


@app.callback()
def alerts(context: typer.Context, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """
    List what is watched for, what fires now and since when, and how the last deliveries went.

    Rules and targets are in alerts.toml of the data folder. A running proxy takes up what you change by
    itself. Every alert is on the dashboard and in the log; Slack, webhooks and commands are yours to add.
    """
    if context.invoked_subcommand is not None:
        if as_json or data_dir is not None:
            raise UsageError(
                f"options go behind the command: arc-proxy alerts {context.invoked_subcommand} ..."
            )
        return
    from arc_proxy.alerts.file import read_alerts_file
    from arc_proxy.alerts.kept import read_kept

    folder = find_folder(data_dir, os.environ)
    file, kept = read_alerts_file(folder.path), read_kept(folder.path)
    is_watched = find_instance(folder) is not None
    if as_json:
        out_json(_as_json(file, kept, is_watched=is_watched))
    else:
        _print(folder, file, kept, is_watched=is_watched)


@app.command(cls=HelpCommand)
def check(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Read alerts.toml and say what is wrong with it, or what it watches for. Nothing is sent."""
    from arc_proxy.alerts.file import read_alerts_file
    from arc_proxy.alerts.shown import rule_json, rules_table
    from arc_proxy.report.table import draw

    file = read_alerts_file(find_folder(data_dir, os.environ).path)
    if as_json:
        out_json_lines(rule_json(rule, file) for rule in file.rules)
        return
    for line in draw(rules_table(file), width()):
        out(line)
    default = " These are the default ones, since it has no rule." if file.is_default else ""
    say(f"{plural(len(file.rules), 'rule')}, {plural(len(file.targets), 'target')}.{default}")


@app.command("test", cls=HelpCommand)
def send_test(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="Only this target.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Send a test alert, marked as one, to every target. Exits with 1 if one of them was not reached."""
    from arc_proxy.alerts.file import read_alerts_file

    folder = find_folder(data_dir, os.environ)
    targets = read_alerts_file(folder.path).targets
    if name is not None and name not in targets:
        known = f"It names {', '.join(targets)}." if targets else "It names none."
        raise UsageError(f"alerts.toml names no target {name!r}. {known}")
    if not targets:
        warn("no target to send to: alerts are on the dashboard and in the log alone")
        _say_sample(folder)
        return
    chosen = [target for target in targets.values() if name in (None, target.name)]
    done = asyncio.run(_send(chosen, _means(folder)))
    for target, each in zip(chosen, done, strict=True):
        if as_json:
            out_json_lines([{"target": target.name, "is_ok": each.is_ok, "says": each.says}])
        else:
            sign = style("✓", "green") if each.is_ok else style("✗", "red")
            out(f"{sign} {target.name}  {target.shown}: {each.says}")
    if not all(each.is_ok for each in done):
        raise typer.Exit(1)


async def _send(targets: list[Target], means: Means) -> list[Delivered]:
    from arc_proxy.alerts.message import trial_message
    from arc_proxy.alerts.notify import deliver

    now_ns = time.time_ns()
    return await asyncio.gather(
        *(deliver(target, trial_message(target.name, now_ns), means) for target in targets)
    )


def _means(folder: Folder) -> Means:
    """Those of the proxy that runs, or that would."""
    from arc_proxy.alerts.notify import Means
    from arc_proxy.settings import load_settings

    settings, instance = load_settings(folder.path, {}, os.environ).settings, find_instance(folder)
    return Means(
        own_port=instance.port if instance else settings.port,
        environ=os.environ,
        https_proxy=settings.https_proxy,
        no_proxy=settings.no_proxy,
        ca_bundle=settings.ca_bundle,
    )


def _as_json(file: AlertsFile, kept: Kept, *, is_watched: bool) -> dict[str, Any]:
    from arc_proxy.alerts.shown import deliveries_json, firing_json, rule_json

    return {
        "is_watched": is_watched,
        "is_default": file.is_default,
        "rules": [rule_json(rule, file) for rule in file.rules],
        "targets": {name: target.shown for name, target in file.targets.items()},
        "firing": firing_json(kept),
        "deliveries": deliveries_json(kept),
        "waiting": len(kept.parcels),
    }


def _print(folder: Folder, file: AlertsFile, kept: Kept, *, is_watched: bool) -> None:
    from arc_proxy.alerts.shown import firing_table, rules_table, targets_table
    from arc_proxy.format import ago
    from arc_proxy.report.table import draw

    now_ns = time.time_ns()
    tables = [rules_table(file)]
    if kept.alerts.firing:
        tables.insert(0, firing_table(kept, now_ns))
    if file.targets:
        tables.append(targets_table(file, kept, now_ns))
    for table in tables:
        for line in draw(table, width()):
            out(line)
        out()
    if not kept.alerts.firing:
        out("Nothing fires.")
    if not is_watched:
        last = f" What it says of alerts is from {ago(kept.changed_ns, now_ns)}." if kept.changed_ns else ""
        warn(f"no proxy runs in {folder.path}, so nothing is watched now: arc-proxy serve.{last}")
    if file.is_default:
        say("These rules are the default ones.")
    if not file.targets:
        _say_sample(folder)


def _say_sample(folder: Folder) -> None:
    from arc_proxy.alerts.file import ALERTS_FILE
    from arc_proxy.alerts.shown import SAMPLE

    say(f"\nA target and a rule of your own go into {folder.path / ALERTS_FILE}, such as:\n")
    for line in SAMPLE.splitlines():
        say(f"    {line}".rstrip())
    say("\n`arc-proxy alerts test` sends a test to every target.")
