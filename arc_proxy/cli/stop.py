"""`arc-proxy stop`: end the running proxy of a data folder, as SIGTERM would."""

from __future__ import annotations

import os
import signal
from typing import Annotated

import typer

from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import await_end, find_instance
from arc_proxy.cli.options import DataDir
from arc_proxy.cli.terminal import say
from arc_proxy.errors import ArcError

app = typer.Typer(add_completion=False)


@app.command(cls=HelpCommand)
def stop(
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for its end.")
    ] = 60,
    data_dir: DataDir = None,
) -> None:
    """Stop the proxy of the data folder. Open streams may finish first; a second `stop` cuts them."""
    folder = find_folder(data_dir, os.environ)
    instance = find_instance(folder)
    if instance is None:
        say(f"No proxy runs for {folder.path}.")
        return
    os.kill(instance.pid, signal.SIGTERM)
    if not await_end(instance, folder, wait):
        raise ArcError(f"process {instance.pid} still drains open streams after {wait:.0f} s.")
    say(f"Stopped {instance.url}.")
