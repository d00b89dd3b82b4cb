"""`arc-proxy demo`: the real proxy between sample agents and a provider that needs no key, and the report."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from arc_proxy.cli.folder import Folder, find_folder, unusable
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.options import given
from arc_proxy.cli.private import proxy_for_a_program
from arc_proxy.cli.terminal import out, say, style
from arc_proxy.errors import ArcError, ConfigError

app = typer.Typer(add_completion=False)

AGENTS_S = 60.0

_RUN_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b")


@app.command(cls=HelpCommand)
def demo(
    data_dir: Annotated[
        Path | None,
        given("--data-dir", "Folder of the demo's own; else beside the data folder.", metavar="DIR"),
    ] = None,
) -> None:
    """
    Try it: sample agents, a provider that needs no key and no network, and the real proxy in between.

    What an earlier demo left in the folder is replaced. Everything is stopped at the end, and what was
    recorded stays to be looked at.
    """
    from arc_proxy.demo.serving import provider_in_a_thread

    path = data_dir or find_folder(None, os.environ).path.with_name("arc-proxy-demo")
    folder = find_folder(path, os.environ)
    # The demo is the same for everyone: no setting of the user's own installation, and none of its database.
    has_database = "ARC_DATABASE_URL" in os.environ
    environ = {name: value for name, value in os.environ.items() if _is_neutral(name)}
    os.environ.clear()
    os.environ.update(environ)
    with _stopped_by_signals():
        try:
            _clear(folder)
        except OSError as error:
            raise unusable(folder, error) from error
        with provider_in_a_thread() as provider_url:
            say(f"A provider without a key is on {provider_url}, the proxy's data in {folder.path}")
            led = {**environ, "ARC_UPSTREAMS": f"*={provider_url}"}
            with proxy_for_a_program(folder, led) as (instance, _):
                failed = _run_agents(instance.url, folder, environ)
                say()
                code = _arc_proxy("report", "--data-dir", str(folder.path))
    if code:
        raise typer.Exit(code)
    _say_what_next(folder, failed, has_database=has_database)


def _is_neutral(name: str) -> bool:
    return not (name.startswith(("ARC_", "OPENAI_", "ANTHROPIC_")) or name.lower().endswith("_proxy"))


def _clear(folder: Folder) -> None:
    """Make room for this demo. Raises ConfigError where something else than a demo lies."""
    if not folder.path.exists() or not any(folder.path.iterdir()):
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.demo_marker.touch()
        return
    if not folder.demo_marker.exists():
        raise ConfigError(f"{folder.path} is not empty and holds no demo. Choose another --data-dir.")
    if find_instance(folder) is not None:
        _arc_proxy("stop", "--data-dir", str(folder.path))
    for each in folder.path.iterdir():
        if each == folder.demo_marker:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _run_agents(proxy_url: str, folder: Folder, environ: Mapping[str, str]) -> str | None:
    """The id of a run that failed, as the samples are meant to."""
    command = [sys.executable, "-P", "-m", "arc_proxy.demo.agents", proxy_url, str(folder.path)]
    agents = subprocess.Popen(  # noqa: S603  our own interpreter, no shell
        command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    try:
        said, _ = agents.communicate(timeout=AGENTS_S)
    except subprocess.TimeoutExpired:
        raise ArcError(f"the sample agents did not end within {AGENTS_S:.0f} s") from None
    finally:
        agents.kill()
        agents.wait()
    if agents.returncode:
        raise ArcError(f"the sample agents ended with exit code {agents.returncode}; the reason is above")
    for line in said.splitlines():
        say(line)
    failed = _RUN_ID.search(said)
    return failed[0] if failed else None


def _arc_proxy(*arguments: str) -> int:
    from arc_proxy.cli.main import run

    return run(arguments)


def _say_what_next(folder: Folder, failed: str | None, *, has_database: bool) -> None:
    """Commands that work on what is there now, as they have to be typed here."""
    found = shutil.which("arc-proxy")
    ours = Path(sys.argv[0])
    is_ours = found is not None and ours.exists() and Path(found).samefile(ours)
    command = "arc-proxy" if is_ours or not ours.exists() else shlex.quote(os.path.relpath(ours))
    out()
    out(style("What to type next", "bold"))
    out(f"  export ARC_DATA_DIR={shlex.quote(str(folder.path))}")
    if has_database:
        out("  unset ARC_DATABASE_URL")
    lines = (
        ("fix 1", "what to change about an issue; `issues` lists them"),
        ("runs --agent finance", "each task of an agent"),
        (f"show {failed[:8] if failed else 'ID'}", "one task: why it failed, and its calls"),
        ("report --agent support", "one agent's card and tables"),
        ("doctor", "whether everything is as it should be"),
        ("export calls --format jsonl", "all of it, for other programs"),
        ("serve", "the dashboard"),
    )
    longest = max(len(words) for words, _ in lines)
    for words, what in lines:
        out(f"  {command} {words:<{longest}}  {style(f'# {what}', 'dim')}")
    out()
    out(style("Your own agent, with your own data folder", "bold"))
    out("  unset ARC_DATA_DIR")
    out(f"  {command} run -- python my_agent.py")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP unwind like Ctrl-C, so that nothing is left running."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
