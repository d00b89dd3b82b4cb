"""`arc-proxy env`: lines to eval in a shell."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from arc_proxy.cli.bedrock import BEARER, endpoint_path, is_signing
from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import Instance, find_instance
from arc_proxy.cli.options import AsJson, DataDir, given
from arc_proxy.cli.terminal import out, out_json, say
from arc_proxy.cli.variables import base_urls

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

    They lead to the running proxy of the data folder; where none runs, to the port that `serve` would take.
    """
    folder = find_folder(data_dir, os.environ)
    instance = find_instance(folder)
    url = instance.url if instance else _usual_url(folder.path)
    if instance is None:
        say(
            f"No proxy runs for {folder.path}: start one with `arc-proxy serve`, or these lines lead nowhere."
        )
    signs = _signs(folder, instance)
    bedrock = endpoint_path(os.environ) if signs else None
    if signs and bedrock is None:
        say(f"Bedrock is left out: {BEARER} is set, and boto3 may send that over HTTPS alone.")
    variables = base_urls(url, agent, bedrock=bedrock)
    if as_json:
        out_json(variables)
        return
    form = _LINES[shell or guess_shell(os.environ.get("SHELL", ""))]
    for name, value in variables.items():
        out(form.format(name=name, value=shlex.quote(value)))


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
