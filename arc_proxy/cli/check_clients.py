"""
What `doctor` finds in the user's own files about calls that fail or go past the proxy: base URLs in shell
profiles, in Claude Code's settings, in Codex's configuration, in a `.env`. Reads them, prints no value but a
URL without user, password and query.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_proxy.cli.checks import Check, State
from arc_proxy.cli.claude_code import BASE_URL, TOOL_SEARCH, env_of_file, managed_file, settings_files
from arc_proxy.cli.codex import OWN_BASE_URL, codex_home
from arc_proxy.cli.config_file import ConfigUnread, read_text, read_toml
from arc_proxy.cli.instance import Instance
from arc_proxy.cli.lead import Place
from arc_proxy.cli.variables import ALL_BASES
from arc_proxy.cli.way import LOOPBACK, Asked, looks_ours, shown_url, split_url, vendor_prefix

_PROFILES = (
    ".profile",
    ".bash_profile",
    ".bashrc",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".config/fish/config.fish",
    ".cshrc",
    ".tcshrc",
)
_SETS = re.compile(
    r"""^\s*(?:export\s+|set\s+-\w+\s+|setenv\s+)?(?P<name>[A-Z][A-Z0-9_]+)(?:=|\s+)["']?(?P<value>[^"'\s;#]+)"""
)
# A key whose SDK goes to the vendor unless its variable says otherwise.
_KEYS = {
    "OPENAI_API_KEY": "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY": BASE_URL,
    "GEMINI_API_KEY": "GOOGLE_GEMINI_BASE_URL",
    "GROQ_API_KEY": "GROQ_BASE_URL",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A base URL that stands in a file. `line` 0: not found in its text."""

    path: Path
    line: int
    name: str
    url: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.line else str(self.path)


def check_files(place: Place, instance: Instance | None, is_alive: Asked) -> Iterator[Check]:
    """Base URLs in files: do they lead to a port where nobody listens, or past the proxy that runs?"""
    for said in (*_in_profiles(place.home), *_in_dotenv(place.cwd)):
        yield from _judge(said, instance, is_alive, "arc-proxy run sets it for one program alone")
    for said in _in_claude(place):
        cure = "it beats the shell's variables; `arc-proxy run -- claude` leads it on, or take the line out"
        yield from _judge(said, instance, is_alive, cure)
    for said in _in_codex(place):
        yield from _judge(said, instance, is_alive, "`arc-proxy run -- codex` leads it on")


def check_past(environ: Mapping[str, str], instance: Instance | None) -> Iterator[Check]:
    """Does this shell send calls past the proxy that runs, by what it does not say?"""
    if instance is None:
        return
    past = [key for key, base in _KEYS.items() if environ.get(key) and not environ.get(base)]
    if past:
        yield Check(
            "traffic",
            State.NOTE,
            f"{', '.join(past)} without a base URL: calls of this shell go past the proxy",
            'eval "$(arc-proxy env)", or arc-proxy run -- PROGRAM',
        )
    if environ.get("OPENAI_BASE_URL") and not environ.get("OPENAI_API_BASE"):
        yield Check(
            "OPENAI_API_BASE",
            State.NOTE,
            "is not set: LlamaIndex, aider and older SDKs read it and pass over OPENAI_BASE_URL",
            'eval "$(arc-proxy env --for llamaindex)"',
        )


def check_tool_search(place: Place) -> Iterator[Check]:
    """Clients that do less when their base URL is not the vendor's."""
    theirs = _claude_env(place)
    users = {**place.environ, **theirs}
    if users.get(BASE_URL) and not users.get(TOOL_SEARCH) and (theirs or shutil.which("claude")):
        yield Check(
            "Claude Code",
            State.WARN,
            "turns tool search off behind a base URL of one's own, and sends all tool schemas each time",
            f"export {TOOL_SEARCH}=true (`arc-proxy run` does)",
        )


def _judge(said: Said, instance: Instance | None, is_alive: Asked, cure: str) -> Iterator[Check]:
    parts = split_url(said.url)
    if parts is None:
        yield Check(said.name, State.WARN, f"in {said.place} is no URL", "mend or remove that line")
        return
    host, port = parts.hostname or "", parts.port
    if host in LOOPBACK and port is not None:
        if instance is not None and port == instance.port:
            yield Check(said.name, State.OK, f"in {said.place} leads to the running proxy")
        elif not is_alive(host, port) and not looks_ours(parts.path):
            where = f"in {said.place} leads to port {port}, a server of yours that does not run now"
            yield Check(said.name, State.NOTE, where)
        elif not is_alive(host, port):
            yield Check(
                said.name,
                State.WARN,
                f"in {said.place} leads to port {port}, where nobody listens: its calls fail",
                f"arc-proxy serve --port {port}, or remove that line; {cure}",
            )
        elif instance is not None:
            yield Check(said.name, State.NOTE, f"in {said.place} leads to port {port}, past the proxy", cure)
    elif instance is not None:
        whose = "the vendor" if vendor_prefix(parts) else shown_url(said.url)
        yield Check(said.name, State.NOTE, f"in {said.place} leads to {whose}, past the proxy", cure)


def _in_profiles(home: Path) -> Iterator[Said]:
    for name in _PROFILES:
        yield from _assignments(home / name)


def _in_dotenv(cwd: Path) -> Iterator[Said]:
    yield from _assignments(cwd / ".env")


def _assignments(path: Path) -> Iterator[Said]:
    """Of a name that is set twice the last; a value that the shell would have to work out is passed over."""
    found: dict[str, Said] = {}
    for number, line in enumerate(_lines(path), start=1):
        match = _SETS.match(line)
        if match and match["name"] in ALL_BASES and not {"$", "`"} & set(match["value"]):
            found[match["name"]] = Said(path, number, match["name"], match["value"])
    yield from found.values()


def _in_claude(place: Place) -> Iterator[Said]:
    managed = managed_file()
    paths = (*settings_files(place.environ, place.home, place.cwd), *((managed,) if managed else ()))
    for path in dict.fromkeys(paths):
        for name, url in env_of_file(path).items():
            if name in ALL_BASES:
                yield Said(path, _line_with(path, name), name, url)


def _claude_env(place: Place) -> dict[str, str]:
    env: dict[str, str] = {}
    for path in settings_files(place.environ, place.home, place.cwd):
        env |= env_of_file(path)
    return env


def _in_codex(place: Place) -> Iterator[Said]:
    path = codex_home(place.environ, place.home) / "config.toml"
    try:
        config: Mapping[str, Any] = read_toml(path)
    except ConfigUnread:
        return
    own = config.get(OWN_BASE_URL)
    if isinstance(own, str):
        yield Said(path, _line_with(path, own), OWN_BASE_URL, own)
    providers = config.get("model_providers")
    for name, provider in providers.items() if isinstance(providers, dict) else ():
        url = provider.get("base_url") if isinstance(provider, dict) else None
        if isinstance(url, str):
            yield Said(path, _line_with(path, url), f"{name}.base_url", url)


def _line_with(path: Path, text: str) -> int:
    return next((number for number, line in enumerate(_lines(path), start=1) if text in line), 0)


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except ConfigUnread:
        return []
