"""`arc-proxy open`: a one-time link that logs a browser in."""

from __future__ import annotations

import os
import time
import webbrowser
from typing import Annotated

import typer

from arc_proxy.cli.folder import Folder, find_folder, prepare, read_secret
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.options import DataDir
from arc_proxy.cli.terminal import out, say
from arc_proxy.errors import ArcError
from arc_proxy.token import LOGIN_S, api_token, make_token

app = typer.Typer(add_completion=False)


@app.command("open", cls=HelpCommand)
def open_page(
    show: Annotated[bool, typer.Option("--print", help="Print the link and open nothing.")] = False,
    token: Annotated[
        bool,
        typer.Option(
            "--token",
            help="Print what a program sends, as `Authorization: Bearer` to /_arc/api/, or as x-arc-token.",
        ),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Log a browser in to the dashboard. The link works once, within ten minutes."""
    folder = find_folder(data_dir, os.environ)
    if token:
        prepare(folder)
        out(api_token(read_secret(folder)))
        return
    instance = find_instance(folder)
    if instance is None:
        raise ArcError(f"no proxy runs for {folder.path}; start one with `arc-proxy serve`.")
    link = login_link(instance.url, folder)
    out(link)
    if not show and not webbrowser.open(link):
        say("No browser could be opened here: open the link yourself.")


def login_link(url: str, folder: Folder) -> str:
    return f"{url}/_arc/login?token={make_token(read_secret(folder), 'login', time.time() + LOGIN_S)}"
