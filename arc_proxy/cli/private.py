"""
A proxy that `run` starts for itself where none is running, and that goes with the last one who uses it.

Every `run` holds a shared lock on `run.lock` while its program runs. Who lets go last, and can therefore take
the lock alone, stops the proxy, if it is a private one: `private.json` beside the console's socket says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from arc_proxy.cli.folder import Folder, prepare, runtime_dir
from arc_proxy.cli.instance import Instance, await_end, find_instance, is_ready
from arc_proxy.cli.port import free_port
from arc_proxy.errors import ArcError
from arc_proxy.process import start_time

START_S = 20.0
STOP_S = 60.0  # what it may take to drain, and more
_POLL_S = 0.02


@contextlib.contextmanager
def proxy_for_a_program(folder: Folder, environ: Mapping[str, str]) -> Iterator[tuple[Instance, bool]]:
    """The live instance, or one that is started now (True) and stopped when nobody needs it any more."""
    prepare(folder)
    lock = os.open(folder.path / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        running = find_instance(folder)
        instance = running or _start(folder, environ)
        try:
            yield instance, running is None
        finally:
            _stop_if_last(lock, folder, environ)
    finally:
        os.close(lock)


def _start(folder: Folder, environ: Mapping[str, str]) -> Instance:
    from arc_proxy.cli.launch import prepare_launch
    from arc_proxy.settings import load_settings

    settings = load_settings(folder.path, {}, environ).settings
    port = free_port(settings.host)
    launch = prepare_launch(settings, folder, environ, port=port)
    with (folder.logs / "private.log").open("ab") as sink:
        # A session of its own: Ctrl-C is for the program, and the proxy has to outlive its last request.
        process = subprocess.Popen(  # noqa: S603  our own interpreter, no shell
            launch.command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        return _wait_for(process, folder, environ)
    except BaseException:
        process.terminate()  # also on Ctrl-C: nobody else knows of it yet
        _reap(process.pid)
        raise


def _wait_for(process: subprocess.Popen[bytes], folder: Folder, environ: Mapping[str, str]) -> Instance:
    log = folder.logs / "private.log"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        instance = find_instance(folder)  # ours, or that of another `run` which was quicker
        if instance is not None and is_ready(instance):
            if instance.pid == process.pid:
                _mark(folder, environ, process.pid)
            return instance
        if process.poll() is not None and instance is None:
            raise ArcError(f"the proxy could not be started; {log} says why.")
        time.sleep(_POLL_S)
    raise ArcError(f"the proxy did not start within {START_S:.0f} s; {log} may say why.")


def _stop_if_last(lock: int, folder: Folder, environ: Mapping[str, str]) -> None:
    instance = find_instance(folder)
    if instance is None or not _is_private(folder, environ, instance):
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another program still uses it
    with contextlib.suppress(ProcessLookupError):
        os.kill(instance.pid, signal.SIGTERM)
    await_end(instance, folder, STOP_S)
    _reap(instance.pid)
    _marker(folder, environ).unlink(missing_ok=True)


def _reap(pid: int) -> None:
    """Wait until a proxy that was told to stop is gone, where it is a child of this very `run`."""
    deadline = time.monotonic() + STOP_S
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _marker(folder: Folder, environ: Mapping[str, str]) -> Path:
    return runtime_dir(folder, environ) / "private.json"


def _mark(folder: Folder, environ: Mapping[str, str], pid: int) -> None:
    _marker(folder, environ).write_text(json.dumps({"pid": pid, "start_time": start_time(pid)}))


def _is_private(folder: Folder, environ: Mapping[str, str], instance: Instance) -> bool:
    try:
        marked = json.loads(_marker(folder, environ).read_text())
        return bool(marked == {"pid": instance.pid, "start_time": start_time(instance.pid)})
    except (OSError, ValueError):
        return False
