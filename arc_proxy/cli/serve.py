"""`arc-proxy serve`: check the settings, say where it will be, and become the supervisor."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from arc_proxy import __version__
from arc_proxy.cli.folder import Folder, find_folder, prepare
from arc_proxy.cli.help import HelpCommand
from arc_proxy.cli.instance import find_instance
from arc_proxy.cli.options import DataDir, given
from arc_proxy.cli.terminal import out, style, warn
from arc_proxy.cli.variables import BEDROCK_URL, base_urls, usual_bases
from arc_proxy.errors import ConfigError

if TYPE_CHECKING:
    from arc_proxy.settings import Settings

app = typer.Typer(add_completion=False)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


_UPSTREAM = (
    "Send a provider's traffic elsewhere, such as openai=http://127.0.0.1:11434; '*=URL' for all. "
    "May be given again."
)


class Capture(StrEnum):
    FULL = "full"
    METADATA = "metadata"
    NONE = "none"


class OnClientClose(StrEnum):
    CANCEL = "cancel"
    DRAIN = "drain"


@app.command(cls=HelpCommand)
def serve(
    host: Annotated[
        str | None, given("--host", "Address to listen on; else 127.0.0.1.", metavar="ADDRESS")
    ] = None,
    port: Annotated[
        int | None, given("--port", "Port; else 8000; 0 takes a free one.", metavar="PORT")
    ] = None,
    workers: Annotated[int | None, given("--workers", "Gateway processes; else 1.", metavar="N")] = None,
    upstream: Annotated[list[str] | None, given("--upstream", _UPSTREAM, metavar="NAME=URL")] = None,
    capture: Annotated[
        Capture | None, given("--capture", "The most that is kept of a call; else full.")
    ] = None,
    on_client_close: Annotated[
        OnClientClose | None,
        given("--on-client-close", "When a client leaves: hang up (else), or read on for the usage."),
    ] = None,
    include_usage: Annotated[
        bool | None,
        given("--include-usage", "Ask for usage in OpenAI chat streams whose client said nothing of it."),
    ] = None,
    bedrock: Annotated[
        bool | None,
        given("--bedrock", "Sign requests to Bedrock anew, with this machine's AWS credentials."),
    ] = None,
    websockets: Annotated[
        bool | None,
        given(
            "--websockets/--no-websockets",
            "Carry WebSockets (else yes), or answer them with 426: clients then turn to plain requests.",
        ),
    ] = None,
    budget_per_run: Annotated[
        str | None, given("--budget-per-run", "What one run may cost.", metavar="USD")
    ] = None,
    budget_per_agent: Annotated[
        list[str] | None,
        given(
            "--budget-per-agent",
            "What an agent may cost on one day: 5, or finance=5 for that one. May be given again.",
            metavar="[NAME=]USD",
        ),
    ] = None,
    budget_per_day: Annotated[
        str | None, given("--budget-per-day", "What all agents may cost on one day.", metavar="USD")
    ] = None,
    loop_limit: Annotated[
        int | None,
        given(
            "--loop-limit",
            "How often in a row a run may make the same tool call or get the same error; else 5.",
            metavar="TIMES",
        ),
    ] = None,
    enforce: Annotated[
        bool | None,
        given("--enforce", "Refuse calls (402) of runs that are over a budget or go in circles."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, given("--allow-host", "A host name that requests may carry.", metavar="NAME")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        given("--allow-origin", "A web origin whose pages may send requests.", metavar="ORIGIN"),
    ] = None,
    allow_target: Annotated[
        list[str] | None,
        given("--allow-target", "An origin or provider that a header may choose.", metavar="ORIGIN"),
    ] = None,
    ca_bundle: Annotated[
        Path | None, given("--ca-bundle", "Authorities to trust beside the system's.", metavar="PEM")
    ] = None,
    drain: Annotated[
        float | None,
        given("--drain", "How long a stop lets open streams go on; else 30.", metavar="SECONDS"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """
    Run the proxy and the dashboard.

    Each option is also a variable (ARC_PORT, ARC_UPSTREAMS ...) and a line of settings.toml in the data
    folder; `arc-proxy doctor` prints where each value comes from.
    """
    from arc_proxy.settings import load_settings

    folder = find_folder(data_dir, os.environ)
    flags = {
        "host": host,
        "port": port,
        "workers": workers,
        "upstreams": upstream,
        "capture": str(capture) if capture else None,
        "on_client_close": str(on_client_close) if on_client_close else None,
        "include_usage": include_usage or None,
        "bedrock": bedrock or None,
        "websockets": websockets,
        "budget_per_run_usd": budget_per_run,
        "budget_per_agent_usd": budget_per_agent,
        "budget_per_day_usd": budget_per_day,
        "loop_limit": loop_limit,
        "enforce": enforce or None,
        "allow_host": allow_host,
        "allow_origin": allow_origin,
        "allow_target": allow_target,
        "ca_bundle": ca_bundle,
        "drain_s": drain,
    }
    _become_supervisor(folder, load_settings(folder.path, flags, os.environ).settings)


def _become_supervisor(folder: Folder, settings: Settings) -> NoReturn:
    """Does not come back. Raises ConfigError for what can be seen before a socket opens."""
    from arc_proxy.cli.launch import claim_port, prepare_launch

    running = find_instance(folder)
    if running is not None:
        raise ConfigError(
            f"{folder.path} is served already, at {running.url} by process {running.pid}. "
            "Use that one, stop it with `arc-proxy stop`, or choose another --data-dir."
        )
    prepare(folder)
    launch = prepare_launch(settings, folder, os.environ, port=claim_port(settings))
    if settings.host not in _LOOPBACK:
        warn(f"{settings.host} is no loopback address: whoever reaches it can send through this proxy.")
    _announce(launch.url, folder, signs=settings.bedrock)
    sys.stdout.flush()
    os.execv(launch.command[0], launch.command)  # noqa: S606  our own interpreter, no shell


def _announce(url: str, folder: Folder, *, signs: bool) -> None:
    from arc_proxy.cli.open_page import login_link

    out(f"{style(f'arc-proxy {__version__}', 'bold')} on {style(url, 'bold')}, data in {folder.path}")
    out()
    bases = base_urls(url, usual_bases(os.environ, signs=signs))
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", BEDROCK_URL):
        if name in bases:
            out(f"  export {name}={bases[name]}")
    out()
    out(f"  dashboard  {login_link(url, folder)}")
    out("             works once, within ten minutes; `arc-proxy open` makes another")
    out("  stop       Ctrl-C, or `arc-proxy stop`")
    out()
