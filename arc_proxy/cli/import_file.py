"""`arc-proxy import FILE`: calls that something else recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from arc_proxy.cli.folder import find_folder, prepare
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.options import AsJson, DataDir
from arc_proxy.cli.terminal import out, out_json
from arc_proxy.format import clean, plural

app = typer.Typer(add_completion=False)


@app.command("import", cls=HelpCommand)
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A HAR file, as browsers and proxies save them.")
    ],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """
    Read calls from a HAR file. Importing a file twice changes nothing.

    Headers group and tag as live ones do (x-arc-run-id, x-arc-agent, x-arc-tags ...), and times count. A file
    whose structure is wrong is refused whole.
    """
    from arc_proxy.cli.rows import open_rows
    from arc_proxy.export.har_import import import_har

    folder = find_folder(data_dir, os.environ)
    prepare(folder)
    imported = import_har(file, folder.path)
    with open_rows(folder, os.environ):
        pass  # brought up to the journal: the calls are rows now
    if as_json:
        out_json({"entries": imported.entries, "new": imported.is_new, "writer": imported.writer})
        return
    name = clean(file.name, 60)
    if imported.is_new:
        out(f"{plural(imported.entries, 'call')} from {name}. Look: arc-proxy report --since all")
    elif imported.entries:
        out(f"{name} was imported before: {plural(imported.entries, 'call')}, nothing changed.")
    else:
        out(f"{name} holds no entry, so there was nothing to import.")
