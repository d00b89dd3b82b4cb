"""`arc-proxy env`: lines to eval in a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from arc_proxy.cli.bedrock import is_signing
from arc_proxy.cli.clients import CLIENTS, Client, client_named
from arc_proxy.cli.codex import lead_codex
from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import Instance, find_instance, is_ours
from arc_proxy.cli.lead import Place, here, kept_words
from arc_proxy.cli.opencode import CONTENT, lead_opencode
from arc_proxy.cli.options import AsJson, DataDir, given
from arc_proxy.cli.port import is_listening
from arc_proxy.cli.terminal import out, out_json, say
from arc_proxy.cli.variables import BEARER, lead_variables, usual_bases
from arc_proxy.cli.way import Way

app = typer.Typer(add_completion=False)


class Shell(StrEnum):
    SH = "sh"  # bash and zsh too
    FISH = "fish"
    CSH = "csh"
    POWERSHELL = "powershell"


_LINES = {
    Shell.SH: "export {name}={value}",
    Shell.FISH: "set -gx {name} {value};",
    Shell.CSH: "setenv {name} {value};",
    Shell.POWERSHELL: "$env:{name} = {value}",
}


@app.command(cls=HelpCommand)
def env(
    client: Annotated[
        str | None,
        given("--for", "Only what this client reads: claude-code, codex, llamaindex ...", metavar="CLIENT"),
    ] = None,
    list_clients: Annotated[bool, typer.Option("--list", help="Name the clients that are known.")] = False,
    agent: Annotated[
        str | None,
        given("--agent", "Name the agent in the URL.", metavar="NAME"),
    ] = None,
    shell: Annotated[Shell | None, given("--shell", "Whose syntax; else that of SHELL.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Print the lines that point a shell's programs at the proxy.

        eval "$(arc-proxy env)"
        eval "$(arc-proxy env --for claude-code)"

    They lead to the running proxy of the data folder; where none runs, to the port that `serve` would take.
    What no variable can do stands in comments.
    """
    if list_clients:
        for each in CLIENTS:
            out(each.name)
        return
    wanted = client_named(client) if client else None
    folder = find_folder(data_dir, os.environ)
    instance = find_instance(folder)
    url = instance.url if instance else _usual_url(folder.path)
    if instance is None:
        say(
            f"No proxy runs for {folder.path}: start one with `arc-proxy serve`, or these lines lead nowhere."
        )
    way = Way(
        url,
        agent,
        is_alive=is_listening,
        is_ours=partial(is_ours, folder=folder),
        may_chain=False,
        signs=_signs(folder, instance),
    )
    lines = lines_for(wanted, way, here(os.environ))
    program = os.environ.get("SHELL", "")
    syntax = shell or guess_shell(program)
    # At the prompt of these a comment is a command that is not found, in eval too.
    knows_comments = syntax is not Shell.CSH and Path(program).name != "zsh"
    for note in lines.notes:
        if as_json or not knows_comments:
            say(note)
        else:
            out(f"# {note}")
    if as_json:
        out_json(dict(lines.variables))
        return
    for name, value in lines.variables.items():
        out(_LINES[syntax].format(name=name, value=quoted(value, syntax)))


@dataclass(frozen=True, slots=True)
class Lines:
    variables: Mapping[str, str]
    notes: tuple[str, ...]


def lines_for(client: Client | None, way: Way, place: Place) -> Lines:
    """What a shell is told for one client, or (None) for all SDKs."""
    bases = usual_bases(place.environ, signs=way.signs) if client is None else client.bases
    led = lead_variables(way, {name: place.environ.get(name, "") for name in bases}, bases=bases)
    notes = [kept_words(name, kept) for name, kept in led.kept.items()]
    variables = dict(led.set)
    if way.signs and place.environ.get(BEARER):
        notes.append(f"Bedrock is left out: {BEARER} is set, and boto3 may send that over HTTPS alone")
    if client is None:
        return Lines(variables, tuple(notes))
    variables |= client.restores
    notes += [f"{client.name}: {note}" for note in client.notes]
    if client.name == "codex":
        codex = lead_codex(way, (), place.environ, place.home)
        notes += [shlex.join(("codex", *codex.arguments)) if codex.by else "", *codex.warnings]
    elif client.name == "opencode":
        opencode = lead_opencode(way, place.environ, place.home, place.cwd)
        notes += opencode.warnings
        if opencode.providers:
            variables[CONTENT] = opencode.content
        else:
            notes.append("opencode: no provider has a key or a login yet")
    return Lines(variables, tuple(note for note in notes if note))


def quoted(value: str, shell: Shell) -> str:
    """The value as one word of that shell."""
    match shell:
        case Shell.FISH:  # where a backslash means something in single quotes, too
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'" if shlex.quote(value) != value else value
        case Shell.POWERSHELL:
            escaped = value.replace("'", "''")
            return f"'{escaped}'"
        case _:
            return shlex.quote(value)


def guess_shell(program: str) -> Shell:
    name = Path(program).name
    if name in ("csh", "tcsh"):
        return Shell.CSH
    if name in ("pwsh", "powershell"):
        return Shell.POWERSHELL
    return Shell.FISH if name == "fish" else Shell.SH


def _signs(folder: Folder, instance: Instance | None) -> bool:
    from arc_proxy.settings import load_settings

    if instance is not None:
        return is_signing(instance)
    return load_settings(folder.path, {}, os.environ).settings.bedrock


def _usual_url(data_dir: Path) -> str:
    from arc_proxy.settings import load_settings

    settings = load_settings(data_dir, {}, os.environ).settings
    return f"http://{settings.host}:{settings.port}"
