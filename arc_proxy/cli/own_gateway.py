"""
A gateway of one `run`'s own, for upstreams that only this program has.

It is the running proxy's gateway once more, with its configuration and these upstreams, on a port of its own:
it writes into the same journal, and the running console reads that. It lives as long as the program.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from arc_proxy.cli.folder import Folder
from arc_proxy.cli.instance import Instance, is_ready, running_config
from arc_proxy.errors import ArcError
from arc_proxy.listener import open_listeners

_HOST = "127.0.0.1"
START_S = 20.0
END_S = 45.0  # what it may take to drain, and more
_POLL_S = 0.02


@contextlib.contextmanager
def gateway_with(
    upstreams: Mapping[str, str], instance: Instance, folder: Folder, scratch: Path
) -> Iterator[str]:
    """The URL of a gateway that has these upstreams too. Raises ArcError where it does not start."""
    config = scratch / "gateway.json"
    with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(_config(instance, upstreams), file)
    [listener] = open_listeners(_HOST, 0, 1)
    lifeline, held = os.pipe()
    log = folder.logs / "run.log"
    with listener, log.open("ab") as sink:
        port: int = listener.getsockname()[1]
        process = subprocess.Popen(  # noqa: S603  our own interpreter, no shell
            [
                *(sys.executable, "-P", "-m", "arc_proxy.gateway", str(config)),
                *("--socket", str(listener.fileno()), "--lifeline", str(lifeline)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            pass_fds=[listener.fileno(), lifeline],
            start_new_session=True,  # Ctrl-C is for the program
        )
    os.close(lifeline)
    try:
        _await_ready(process, replace(instance, host=_HOST, port=port), log)
        yield f"http://{_HOST}:{port}"
    finally:
        os.close(held)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def moved_providers(instance: Instance) -> frozenset[str]:
    """Whose traffic the running proxy sends elsewhere; "*", which is all, where that cannot be read."""
    try:
        return frozenset(running_config(instance)["gateway"].get("upstreams", {}))
    except ArcError:
        return frozenset({"*"})


def _config(instance: Instance, upstreams: Mapping[str, str]) -> dict[str, Any]:
    """That of the running proxy, with these upstreams before its own."""
    whole = running_config(instance)
    gateway = {**whole["gateway"], "host": _HOST}
    gateway["upstreams"] = {**gateway.get("upstreams", {}), **upstreams}
    return {"version": whole.get("version", ""), "gateway": gateway}


def _await_ready(process: subprocess.Popen[bytes], gateway: Instance, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ArcError(f"the gateway of this run could not be started; {log} says why.")
        if is_ready(gateway):
            return
        time.sleep(_POLL_S)
    raise ArcError(f"the gateway of this run did not start within {START_S:.0f} s; {log} may say why.")
