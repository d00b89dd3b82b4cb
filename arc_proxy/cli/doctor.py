"""`arc-proxy doctor`: is everything as it should be, and if not, what to do?"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from arc_proxy import __version__
from arc_proxy.cli.bedrock import check_bedrock, is_signing
from arc_proxy.cli.check_clients import check_files, check_past, check_tool_search
from arc_proxy.cli.checks import (
    Check,
    State,
    check_folder,
    check_names,
    check_port,
    check_variables,
)
from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import (
    ConsoleUnreachable,
    Instance,
    await_console,
    find_instance,
    standing_counts,
)
from arc_proxy.cli.lead import here
from arc_proxy.cli.options import AsJson, DataDir
from arc_proxy.cli.port import is_listening
from arc_proxy.cli.terminal import out, out_json, style, width
from arc_proxy.errors import ArcError, ConfigError
from arc_proxy.format import clean, plural, size
from arc_proxy.runs import GROUPING_VERSION
from arc_proxy.settings import Loaded, Settings, load_settings, shown

if TYPE_CHECKING:
    from arc_proxy.store.regrouping import Regrouping

app = typer.Typer(add_completion=False)

CONSOLE_S = 5.0
BEHIND_BYTES_MAX = 50_000_000
_SIGNS = {
    State.OK: ("✓", "green"),
    State.NOTE: ("·", "dim"),
    State.WARN: ("!", "yellow"),
    State.BAD: ("✗", "red"),
}


@app.command(cls=HelpCommand)
def doctor(
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Check that everything is as it should be, and say what to do where it is not.

    Prints where each setting comes from. Exits with 1 if something does not work at all.
    """
    folder = find_folder(data_dir, os.environ)
    instance = find_instance(folder)
    loaded, checks = _settings(folder)
    settings = loaded.settings if loaded else Settings.model_validate({})
    checks += [*check_folder(folder), *check_port(instance, settings.host, settings.port)]
    checks += _check_console(folder, instance)
    checks += _check_store(folder, settings, instance)
    checks += _check_prices(folder)
    checks += _check_alerts(folder)
    if settings.bedrock or (instance is not None and is_signing(instance)):
        checks += check_bedrock(os.environ)
    checks += check_variables(os.environ, instance)
    checks += check_names(os.environ, frozenset(Settings.model_fields))
    checks += check_past(os.environ, instance)
    place = here(os.environ)
    checks += check_files(place, instance, is_listening)
    checks += check_tool_search(place)
    if as_json:
        out_json(_as_json(folder, loaded, checks))
    else:
        _print(loaded, checks, instance)
    if any(check.state is State.BAD for check in checks):
        raise typer.Exit(1)


def _settings(folder: Folder) -> tuple[Loaded | None, list[Check]]:
    try:
        return load_settings(folder.path, {}, os.environ), []
    except ConfigError as error:
        return None, [Check("settings", State.BAD, str(error), "mend it; until then nothing starts")]


def _check_console(folder: Folder, instance: Instance | None) -> Iterator[Check]:
    """Does ingest follow the journal?"""
    if instance is None:
        return
    try:
        status = await_console(
            instance, folder, "GET", "/_arc/api/status", timeout_s=CONSOLE_S, start_s=CONSOLE_S
        )
    except ConsoleUnreachable as error:
        cure = f"traffic and capture go on; see {folder.logs / 'console.log'}"
        yield Check("console", State.BAD, str(error), cure)
        return
    behind = status["behind_bytes"]
    if status["trouble"]:
        yield Check(
            "ingest", State.WARN, f"waits: {status['trouble']}", "nothing is lost, the journal keeps it"
        )
    elif behind is not None and behind > BEHIND_BYTES_MAX:
        yield Check("ingest", State.WARN, f"{size(behind)} behind the journal", "it will catch up by itself")
    else:
        yield Check("ingest", State.OK, f"up to date, {plural(status['open_calls'], 'call')} open")
    if instance.version != __version__:
        yield Check(
            "version",
            State.WARN,
            f"the proxy that runs is {instance.version}, this command {__version__}",
            "arc-proxy stop; arc-proxy serve",
        )


def _check_store(folder: Folder, settings: Settings, instance: Instance | None) -> Iterator[Check]:
    """Can the rows be read, and what did capture lose?"""
    from arc_proxy.ingest.worker import read_resume_points, unread_bytes
    from arc_proxy.report.losses import loss_words, read_losses
    from arc_proxy.store.engine import open_store
    from arc_proxy.store.read import count_calls
    from arc_proxy.store.regrouping import read_grouping_version, read_regrouping
    from arc_proxy.store.report import read_misreported

    target = settings.database_url or folder.path / "arc.db"
    if not settings.database_url and not (folder.path / "arc.db").exists():
        yield Check("database", State.NOTE, "none yet; the first call makes it")
        return
    try:
        store = open_store(target, create=False)
    except ArcError as error:
        yield Check("database", State.BAD, str(error), _store_cure(settings))
        return
    try:
        losses = read_losses(store, standing_counts(instance))
        unread = unread_bytes(folder.journal, read_resume_points(store))
        version = read_grouping_version(store) if count_calls(store) else GROUPING_VERSION
        grouping = _check_grouping(version, read_regrouping(store))
        misreported = read_misreported(store)
        name = store.name
    except ArcError as error:
        yield Check("database", State.BAD, str(error), _store_cure(settings))
        return
    finally:
        store.close()
    yield Check("database", State.OK, f"{name} can be read")
    yield grouping
    if misreported:
        yield Check(
            "costs",
            State.NOTE,
            f"{plural(misreported, 'call')} as their provider says, and something else by the price book",
            "arc-proxy prices update, then arc-proxy db recost; if they still differ, ask the provider",
        )
    if instance is None and unread:
        yield Check("journal", State.NOTE, f"{size(unread)} not in the rows yet; the next report reads them")
    words = list(loss_words(losses))
    if not words:
        yield Check("capture", State.OK, "nothing was lost, everything was secured in time")
    for sentence, cure in words:
        yield Check("capture", State.WARN, sentence, cure)


def _check_grouping(version: int, begun: Regrouping | None) -> Check:
    """By which rules were the stored calls put into runs?"""
    cure = "arc-proxy stop; arc-proxy db regroup (old run ids go on leading to their runs)"
    if begun is not None:
        return Check(
            "grouping", State.WARN, "a regrouping stopped half way; the next one goes on there", cure
        )
    if version < GROUPING_VERSION:
        said = f"some calls were put into runs by rules before version {GROUPING_VERSION}"
        return Check("grouping", State.NOTE, said, cure)
    return Check("grouping", State.OK, f"every call is in its run by rules of version {version}")


def _store_cure(settings: Settings) -> str:
    if settings.database_url:
        return "check database_url and the server; captured calls wait in the journal meanwhile"
    return "arc-proxy stop, move arc.db away, arc-proxy db rebuild: what the journal holds is derived again"


def _check_prices(folder: Folder) -> Iterator[Check]:
    from arc_proxy.cli.book import open_book

    try:
        yield Check("prices", State.OK, f"price book {open_book(folder).version}")
    except ConfigError as error:
        yield Check("prices", State.BAD, str(error), "mend it; until then your own prices do not count")


def _check_alerts(folder: Folder) -> Iterator[Check]:
    """Can the rules be read, and do alerts arrive?"""
    from arc_proxy.alerts.file import read_alerts_file
    from arc_proxy.alerts.kept import read_kept
    from arc_proxy.alerts.shown import trouble_words

    try:
        file = read_alerts_file(folder.path)
    except ConfigError as error:
        yield Check(
            "alerts",
            State.BAD,
            str(error),
            "mend it; a running proxy keeps its rules, one that starts has none",
        )
        return
    yield Check(
        "alerts", State.OK, f"{plural(len(file.rules), 'rule')}, {plural(len(file.targets), 'target')}"
    )
    for sentence in trouble_words(read_kept(folder.path)):
        yield Check("alerts", State.WARN, sentence, "arc-proxy alerts test shows whether it is better now")


def _print(loaded: Loaded | None, checks: list[Check], instance: Instance | None) -> None:
    names = max(len(check.name) for check in checks)
    for check in checks:
        sign, colour = _SIGNS[check.state]
        out(f"{style(sign, colour)} {check.name:<{names}}  {clean(check.says)}")
        if check.cure:
            out(f"  {'':<{names}}  {style(clean(check.cure), 'cyan')}")
    if loaded is None:
        return
    out()
    kept = "; the proxy that runs keeps what it was started with" if instance else ""
    out(f"Settings, and where each comes from{kept}")
    values = {key: clean(shown(loaded.settings, key), width() // 2) for key in loaded.origins}
    keys, cells = max(map(len, values)), max(map(len, values.values()))
    for key, origin in loaded.origins.items():
        said = style(origin, "dim" if origin == "default" else "cyan")
        out(f"  {key:<{keys}}  {values[key]:<{cells}}  {said}")


def _as_json(folder: Folder, loaded: Loaded | None, checks: list[Check]) -> dict[str, Any]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": sys.platform,
        "data_dir": str(folder.path),
        "data_dir_origin": folder.origin,
        "checks": [
            {"name": check.name, "state": str(check.state), "says": check.says, "cure": check.cure}
            for check in checks
        ],
        "settings": {}
        if loaded is None
        else {
            key: {"value": shown(loaded.settings, key), "origin": origin}
            for key, origin in loaded.origins.items()
        },
    }
