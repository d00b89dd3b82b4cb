"""`arc-proxy run -- CMD`: the program, led through the proxy, and what it did at the end."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from arc_proxy import __version__
from arc_proxy.cli.bedrock import is_signing
from arc_proxy.cli.child import CannotRun, run_child
from arc_proxy.cli.clients import find_client
from arc_proxy.cli.exit_code import note_failure
from arc_proxy.cli.facts import write_fact
from arc_proxy.cli.folder import Folder, find_folder
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import Instance, is_ours
from arc_proxy.cli.lead import Place, Plan, here, make_plan
from arc_proxy.cli.options import DataDir, given
from arc_proxy.cli.own_gateway import gateway_with, moved_providers
from arc_proxy.cli.port import is_listening
from arc_proxy.cli.private import proxy_for_a_program
from arc_proxy.cli.terminal import say, style, warn
from arc_proxy.cli.way import Way, shown_url
from arc_proxy.errors import ArcError, JournalError, UsageError
from arc_proxy.journal.fact import FactType
from arc_proxy.prefix import is_name

app = typer.Typer(add_completion=False)

_SHOWN_MAX = 3
_INTERPRETERS = ("python", "node", "bun", "deno", "ruby", "perl", "bash", "sh", "uv", "npx", "poetry")


class RunCommand(HelpCommand):
    """Wants the `--`: without it, a flag of ours that is misspelt would silently be the program's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--" not in args and not {"--help", "-h"} & set(args):
            raise UsageError("put -- before the program: arc-proxy run [OPTIONS] -- python my_agent.py")
        return super().parse_args(ctx, args)


@app.command(cls=RunCommand)
def run(
    command: Annotated[list[str], typer.Argument(metavar="-- PROGRAM [ARGS]...", help="What to run.")],
    agent: Annotated[
        str | None, given("--agent", "Whose runs these are; else named after the program.", metavar="NAME")
    ] = None,
    card: Annotated[bool, typer.Option("--card/--no-card", help="Print the agent's card at the end.")] = True,
    data_dir: DataDir = None,
) -> None:
    """
    Run a program through the proxy, and print its agent's card at the end.

    The running proxy of the data folder is used, else one is started for as long as the program runs.
    Claude Code, Codex, opencode and others are led by what each of them reads. Where you have set a base URL
    yourself, the proxy passes its calls on to that. The exit code is the program's.
    """
    folder = find_folder(data_dir, os.environ)
    name = agent or guess_agent(command)
    if not is_name(name):
        raise UsageError("an agent's name has 1 to 200 printable characters.")
    _refuse_what_is_not_there(command[0])
    started_ns = time.time_ns()
    place = here(os.environ)
    with proxy_for_a_program(folder, os.environ) as (instance, is_private):
        _explain(instance, is_private)
        with _led(folder, instance, name, command, place) as plan:
            code, signal_number = _run(plan, folder)
        _note_launch(folder, name, command, started_ns, code, signal_number)
        _note_failure(folder, instance, name, started_ns, code, signal_number)
        if card:
            _print_card(folder, instance, name, started_ns, plan)
    raise typer.Exit(code)


def guess_agent(command: Sequence[str]) -> str:
    """`python agents/finance.py` is finance, `python -m crew.main` crew.main, `npx @openai/codex` codex."""
    found = find_client(command)
    if found is not None:
        return found.client.programs[0]
    program = Path(command[0]).name
    words = list(command[1:])
    if not program.startswith(_INTERPRETERS):
        return program
    while words:
        word = words.pop(0)
        if word == "-m" and words:
            return words[0]
        if word == "-c":
            break
        if not word.startswith("-") and word not in ("run", "exec"):
            stem = Path(word).stem
            return guess_agent([word, *words]) if stem.startswith(_INTERPRETERS) and "." not in word else stem
    return program


def _refuse_what_is_not_there(program: str) -> None:
    """Before a proxy is started for it."""
    if shutil.which(program) is None:
        number = errno.EACCES if Path(program).exists() else errno.ENOENT
        _fail(CannotRun(program, OSError(number, os.strerror(number))))


def _fail(error: CannotRun) -> NoReturn:
    say(f"{style('Error:', 'red', stream=sys.stderr)} {error}")
    raise typer.Exit(error.exit_code)


@contextmanager
def _led(
    folder: Folder, instance: Instance, agent: str, command: Sequence[str], place: Place
) -> Iterator[Plan]:
    """What to start the program with, while the gateway and the files that it needs are there."""
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arc-run-")))
        url = instance.url
        is_alive, is_own = cache(is_listening), cache(partial(is_ours, folder=folder))
        moved, signs = moved_providers(instance), is_signing(instance)
        way = Way(url, agent, is_alive=is_alive, is_ours=is_own, moved=moved, signs=signs)
        plan = make_plan(way, command, place, scratch)
        if way.upstreams:
            url = stack.enter_context(gateway_with(way.upstreams, instance, folder, scratch))
            way = Way(url, agent, is_alive=is_alive, is_ours=is_own, moved=moved, signs=signs)
            plan = make_plan(way, command, place, scratch)
        for path, text in (plan.files or {}).items():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        say(_leading_words(agent, url, plan, way))
        for warning in plan.warnings:
            warn(warning)
        yield plan


def _leading_words(agent: str, url: str, plan: Plan, way: Way) -> str:
    """`arc-proxy: leads finance through http://127.0.0.1:8000 by OPENAI_BASE_URL, ... and 4 more`."""
    shown = ", ".join(plan.by[:_SHOWN_MAX])
    more = f" and {len(plan.by) - _SHOWN_MAX} more" if len(plan.by) > _SHOWN_MAX else ""
    onward = "".join(f"; {name} on to {shown_url(to)}" for name, to in way.upstreams.items())
    return f"arc-proxy: leads {agent} through {url} by {shown or 'nothing'}{more}{onward}"


def _run(plan: Plan, folder: Folder) -> tuple[int, int | None]:
    environ = {**os.environ, **plan.set, "ARC_DATA_DIR": str(folder.path)}
    try:
        return run_child(plan.command, environ)
    except CannotRun as error:
        _fail(error)


def _explain(instance: Instance, is_private: bool) -> None:
    if is_private:
        say(f"arc-proxy: none was running, so one runs on {instance.url} until this program ends")
    elif instance.version != __version__:
        warn(f"the proxy at {instance.url} is version {instance.version}, this command {__version__}")


def _note_launch(
    folder: Folder,
    agent: str,
    command: Sequence[str],
    started_ns: int,
    code: int,
    signal_number: int | None,
) -> None:
    try:
        write_fact(
            folder,
            FactType.LAUNCH,
            launch_id=uuid.uuid4().hex,
            agent=agent,
            argv0=command[0],
            exit_code=code,
            signal=signal_number,
            duration_ms=(time.time_ns() - started_ns) // 1_000_000,
        )
    except JournalError as error:
        warn(f"how the program ended could not be noted: {error}")


def _note_failure(
    folder: Folder, instance: Instance, agent: str, started_ns: int, code: int, signal_number: int | None
) -> None:
    try:
        note_failure(folder, instance, agent, started_ns, code, signal_number)
    except ArcError as error:
        warn(f"that the last run failed could not be noted: {error}")


def _print_card(folder: Folder, instance: Instance, agent: str, started_ns: int, plan: Plan) -> None:
    """The agents that made calls since the start; mostly one. Never changes the exit code."""
    from arc_proxy.cli.report import cards_since
    from arc_proxy.cli.rows import open_rows

    try:
        with open_rows(folder, os.environ, instance=instance) as store:
            lines = cards_since(store, folder, started_ns, agent)
    except ArcError as error:
        warn(f"no card: {error}")
        return
    for line in lines or _nothing_seen(plan):
        say(line)


def _nothing_seen(plan: Plan) -> list[str]:
    lines = ["arc-proxy saw no call of this program."]
    if not plan.warnings:
        lines.append(
            "A base URL given in its code beats the variables: see `arc-proxy env` for what to give."
        )
    return lines
