"""
Claude Code: `--settings` with the base URL, since its settings beat environment variables.

The `env` of a settings file is put over the process's environment; of the files managed beats `--settings`,
that .claude/settings.local.json, that .claude/settings.json, that the user's own. A second `--settings`
takes the place of the first (tried with 2.1.197), so the user's is merged into ours.

Source: https://code.claude.com/docs/en/settings
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_proxy.cli.config_file import ConfigUnread, read_json
from arc_proxy.cli.variables import lead_variables
from arc_proxy.cli.way import Way

BASE_URL = "ANTHROPIC_BASE_URL"
TOOL_SEARCH = "ENABLE_TOOL_SEARCH"
# Not documented. Without it requests differ from those to Anthropic itself: no share in the prompt cache that
# all users have of its instructions (tried with 2.1.197: with it they are the same but for random ids).
FIRST_PARTY = "_CLAUDE_CODE_ASSUME_FIRST_PARTY_BASE_URL"
_FLAG = "--settings"
_MANAGED = {
    "linux": Path("/etc/claude-code/managed-settings.json"),
    "darwin": Path("/Library/Application Support/ClaudeCode/managed-settings.json"),
}
# Which back end it talks to instead of Anthropic, where one of these is set.
_BACK_ENDS = {
    "CLAUDE_CODE_USE_BEDROCK": "ANTHROPIC_BEDROCK_BASE_URL",
    "CLAUDE_CODE_USE_VERTEX": "ANTHROPIC_VERTEX_BASE_URL",
    "CLAUDE_CODE_USE_FOUNDRY": "ANTHROPIC_FOUNDRY_BASE_URL",
}


@dataclass(frozen=True, slots=True)
class Led:
    """`settings` is for `--settings`; `is_secret`: it holds what a process list must not show."""

    arguments: tuple[str, ...]  # the user's, without --settings
    settings: Mapping[str, Any]
    is_secret: bool
    by: tuple[str, ...]  # the variables in it
    warnings: tuple[str, ...] = ()


def settings_files(environ: Mapping[str, str], home: Path, cwd: Path) -> Iterator[Path]:
    """From the one that is beaten by all to the one that beats all, `--settings` left out."""
    config = environ.get("CLAUDE_CONFIG_DIR")
    yield (Path(config) if config else home / ".claude") / "settings.json"
    yield cwd / ".claude" / "settings.json"
    yield cwd / ".claude" / "settings.local.json"


def managed_file() -> Path | None:
    """What an administrator set beats everything, `--settings` too."""
    return _MANAGED.get(sys.platform)


def env_of(settings: Mapping[str, Any]) -> dict[str, str]:
    env = settings.get("env")
    return {key: str(value) for key, value in env.items()} if isinstance(env, dict) else {}


def env_of_file(path: Path) -> dict[str, str]:
    """As `env_of`; nothing of a file that cannot be read."""
    try:
        return env_of(read_json(path))
    except ConfigUnread:
        return {}


def lead_claude_code(
    way: Way, arguments: Sequence[str], environ: Mapping[str, str], home: Path, cwd: Path
) -> Led:
    """Raises ConfigUnread where the user's `--settings` cannot be read: then nothing can be added to it."""
    rest, given = _split(arguments)
    own = _read_flag(given, cwd)
    theirs: dict[str, str] = {}
    warnings = []
    for path in settings_files(environ, home, cwd):
        try:
            theirs |= env_of(read_json(path))
        except ConfigUnread as error:
            warnings.append(f"{error}: Claude Code may take another way than this run's")
    theirs |= env_of(own)
    users = {**environ, **theirs}
    led = lead_variables(way, users, bases={})
    base_url = way.through("anthropic", "", users.get(BASE_URL, ""))
    env = {name: value for name, value in led.set.items() if name in theirs}
    restored = {TOOL_SEARCH: "true"}
    if base_url is None:
        warnings.append(f"{BASE_URL} {way.why_not('anthropic', users.get(BASE_URL, ''))}: calls are not seen")
    else:
        env[BASE_URL] = base_url
        if way.ends_at_vendor("anthropic", base_url):
            restored[FIRST_PARTY] = "1"
    env |= {name: value for name, value in restored.items() if not users.get(name)}
    warnings += _unseen(users, led.set)
    managed = managed_file()
    if managed is not None and BASE_URL in env_of_file(managed):
        warnings.append(f"{managed} sets {BASE_URL}, which beats this run's: calls are not seen")
    settings = {**own, "env": {**env_of(own), **env}}
    is_secret = given is not None and not given.lstrip().startswith("{")
    return Led(tuple(rest), settings, is_secret, tuple(env), tuple(warnings))


def _unseen(users: Mapping[str, str], led: Mapping[str, str]) -> Iterator[str]:
    for switch, variable in _BACK_ENDS.items():
        if users.get(switch, "").lower() not in ("", "0", "false") and variable not in led:
            yield f"{switch} is set, so Claude Code does not call Anthropic: its calls are not seen"


def _split(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments without `--settings`, and the value of the last, which is the one that counts."""
    rest: list[str] = []
    given = None
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == _FLAG:
            given = next(words, None)
        elif word.startswith(f"{_FLAG}="):
            given = word[len(_FLAG) + 1 :]
        else:
            rest.append(word)
    return rest, given


def _read_flag(given: str | None, cwd: Path) -> dict[str, Any]:
    if given is None:
        return {}
    if not given.lstrip().startswith("{"):
        path = cwd / given
        if not path.is_file():
            raise ConfigUnread(path, "is no file")
        return read_json(path)
    try:
        value = json.loads(given)
    except ValueError as error:
        raise ConfigUnread(_FLAG, f"is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise ConfigUnread(_FLAG, "is no JSON object")
    return value
