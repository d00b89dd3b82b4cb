"""
What a program is started with so that it goes through the proxy: its environment, its arguments, and what to
say about them. Reads the user's configuration; changes nothing but what the program is started with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arc_proxy.cli.claude_code import lead_claude_code
from arc_proxy.cli.clients import BY_NAME, Client, Found, find_client
from arc_proxy.cli.codex import lead_codex
from arc_proxy.cli.config_file import ConfigUnread, read_text
from arc_proxy.cli.gemini_cli import BASE_URL as GEMINI_BASE_URL
from arc_proxy.cli.gemini_cli import NO_LOGIN, has_chosen_login
from arc_proxy.cli.opencode import CONTENT, lead_opencode
from arc_proxy.cli.variables import ALL_BASES, Base, Kept, lead_variables, spare_loopback, usual_bases
from arc_proxy.cli.way import Way, shown_url, split_url

_DOTENV = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*['\"]?(\S)", re.MULTILINE)
_SERVES_OLLAMA = "ollama"
_GEMINI = "gemini-cli"
SETTINGS_FILE = "claude-settings.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the program is started."""

    environ: Mapping[str, str]
    home: Path
    cwd: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """`files` are to be written, readable for this user alone, before the program starts."""

    command: tuple[str, ...]
    set: Mapping[str, str]
    by: tuple[str, ...]  # what leads it, for people
    warnings: tuple[str, ...] = ()
    files: Mapping[Path, str] | None = None


def make_plan(way: Way, command: Sequence[str], place: Place, scratch: Path) -> Plan:
    """`scratch`: a folder of this run, for a file that a program has to be given."""
    found = find_client(command)
    led, warnings = Plan(tuple(command), {}, ()), []
    if found is not None:
        try:
            # Before the variables: its configuration beats them, and a provider has one upstream.
            led = _lead_client(found, command, way, place, scratch)
        except ConfigUnread as error:
            warnings.append(f"{error}: {found.client.name} may go past the proxy")
    client = found.client if found else None
    variables = lead_variables(
        way,
        place.environ,
        bases=_bases(way, command, client, place),
        unsure=dotenv_names(place.cwd) - place.environ.keys(),
    )
    warnings += [*led.warnings, *(kept_words(name, kept) for name, kept in variables.kept.items())]
    restored = _restored(client, place.environ)
    chosen = {**variables.set, **spare_loopback(place.environ), **restored, **led.set}
    by = led.by or tuple(name for name in variables.set if client is None or name in client.bases)
    return Plan(led.command, chosen, by, tuple(warnings), led.files)


def _bases(way: Way, command: Sequence[str], client: Client | None, place: Place) -> Mapping[str, Base]:
    bases = {**usual_bases(place.environ, signs=way.signs), **(client.bases if client else {})}
    if Path(command[0]).name == _SERVES_OLLAMA:
        del bases["OLLAMA_HOST"]  # its server would take it for the address to listen on
    if client is not None and client.name == _GEMINI and not has_chosen_login(place.home, place.cwd):
        del bases[GEMINI_BASE_URL]
    return bases


def _restored(client: Client | None, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Any program may start Claude Code, so what it does less is restored in any case."""
    restores = {**BY_NAME["claude-code"].restores, **(client.restores if client else {})}
    return {name: value for name, value in restores.items() if not environ.get(name)}


def _lead_client(found: Found, command: Sequence[str], way: Way, place: Place, scratch: Path) -> Plan:
    """What a client needs beside variables. Raises ConfigUnread."""
    before, behind = tuple(command[: found.place]), command[found.place :]
    match found.client.name:
        case "claude-code":
            claude = lead_claude_code(way, behind, place.environ, place.home, place.cwd)
            text = json.dumps(claude.settings, separators=(",", ":"))
            files = {scratch / SETTINGS_FILE: text} if claude.is_secret else None
            value = str(scratch / SETTINGS_FILE) if claude.is_secret else text
            by = (f"--settings with {', '.join(claude.by)}",)
            return Plan((*before, "--settings", value, *claude.arguments), {}, by, claude.warnings, files)
        case "codex":
            codex = lead_codex(way, behind, place.environ, place.home)
            said = (f"-c {codex.by} ({codex.login})",) if codex.by else ()
            return Plan((*before, *codex.arguments), {}, said, codex.warnings)
        case "opencode":
            opencode = lead_opencode(way, place.environ, place.home, place.cwd)
            if not opencode.providers:
                return Plan(tuple(command), {}, (), opencode.warnings)
            by = (f"{CONTENT} with {', '.join(opencode.providers)}",)
            return Plan(tuple(command), {CONTENT: opencode.content}, by, opencode.warnings)
        case name if name == _GEMINI and not has_chosen_login(place.home, place.cwd):
            return Plan(tuple(command), {}, (), (NO_LOGIN,))
        case _:
            return Plan(tuple(command), {}, ())


def dotenv_names(cwd: Path) -> frozenset[str]:
    """The base-URL variables that a `.env` file in the working directory gives a value."""
    try:
        text = read_text(cwd / ".env")
    except ConfigUnread:
        return frozenset()
    return frozenset(name for name, _ in _DOTENV.findall(text) if name in ALL_BASES)


def here(environ: Mapping[str, str]) -> Place:
    return Place(environ, Path(environ.get("HOME") or Path.home()), Path.cwd())


def kept_words(name: str, kept: Kept) -> str:
    is_known = bool(kept.url) and split_url(kept.url) is not None
    shown = f"is {shown_url(kept.url)} and " if is_known else ""
    return f"{name} {shown}{kept.why}: its calls are not seen"
