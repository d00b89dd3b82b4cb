"""
Codex: `-c` with the base URL of the provider that it is configured for, by how it is logged in.

Codex reads no variable for it. Its own provider takes `openai_base_url` and stays the same provider, so its
sessions stay where they are; a login with ChatGPT has a back end of its own, which an API key cannot use, nor
the other way round. Of auth.json only the kind of the login is looked at.

Source: https://developers.openai.com/codex/config-reference, tried with 0.171
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from arc_proxy.cli.config_file import read_json, read_toml
from arc_proxy.cli.way import Way

OWN_BASE_URL = "openai_base_url"
_OWN = "openai"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_CONFIG_FLAGS = ("-c", "--config")
_PROFILE_FLAGS = ("-p", "--profile")
_CHATGPT_PATH = "/backend-api/codex"


class Login(StrEnum):
    API_KEY = "API key"
    CHATGPT = "ChatGPT login"
    UNKNOWN = "login unknown, ChatGPT assumed"


@dataclass(frozen=True, slots=True)
class Led:
    arguments: tuple[str, ...]
    login: Login
    by: str  # the key that was set; "" where nothing was
    warnings: tuple[str, ...] = ()


def codex_home(environ: Mapping[str, str], home: Path) -> Path:
    named = environ.get("CODEX_HOME")
    return Path(named) if named else home / ".codex"


def login_of(auth: Mapping[str, Any], environ: Mapping[str, str]) -> Login:
    """How Codex is logged in, by auth.json; a key in CODEX_API_KEY beats that."""
    mode = str(auth.get("auth_mode") or "").lower().replace("_", "")
    if environ.get("CODEX_API_KEY") or mode == "apikey":
        return Login.API_KEY
    if mode.startswith("chatgpt") or environ.get("CODEX_ACCESS_TOKEN"):
        return Login.CHATGPT
    if auth.get("OPENAI_API_KEY"):
        return Login.API_KEY
    return Login.CHATGPT if auth.get("tokens") else Login.UNKNOWN


def lead_codex(way: Way, arguments: Sequence[str], environ: Mapping[str, str], home: Path) -> Led:
    """Raises ConfigUnread where its configuration cannot be read."""
    folder = codex_home(environ, home)
    config = read_toml(folder / "config.toml")
    login = login_of(read_json(folder / "auth.json"), environ)
    given = _given(arguments)
    if "--oss" in arguments:
        return Led(tuple(arguments), login, "", ("with --oss Codex talks to a local server: not seen",))
    provider = _provider(config, given, _profile(config, arguments))
    if provider == _OWN:
        key, users = OWN_BASE_URL, given.get(OWN_BASE_URL, config.get(OWN_BASE_URL, ""))
    else:
        key = f"model_providers.{provider}.base_url"
        users = given.get(key, _base_url(config, provider))
    if not _NAME.fullmatch(provider) or (provider != _OWN and not users):
        said = f"Codex is set to the provider {provider}, which has no base URL: its calls are not seen"
        return Led(tuple(arguments), login, "", (said,))
    is_chatgpt = provider == _OWN and login is not Login.API_KEY
    name, path = ("chatgpt", _CHATGPT_PATH) if is_chatgpt else ("openai", "/v1")
    value = way.through(name, path, str(users))
    if value is None:
        said = f"Codex's {key} {way.why_not(name, str(users))}: its calls are not seen"
        return Led(tuple(arguments), login, "", (said,))
    rest = _without(arguments, key) if key in given else list(arguments)
    return Led(("-c", f"{key}={json.dumps(value)}", *rest), login, key)


def _provider(config: Mapping[str, Any], given: Mapping[str, str], profile: Mapping[str, Any]) -> str:
    return str(
        given.get("model_provider") or profile.get("model_provider") or config.get("model_provider", _OWN)
    )


def _profile(config: Mapping[str, Any], arguments: Sequence[str]) -> Mapping[str, Any]:
    name = _value_of(arguments, _PROFILE_FLAGS) or config.get("profile")
    found = _table(config, "profiles").get(str(name)) if name else None
    return found if isinstance(found, dict) else {}


def _base_url(config: Mapping[str, Any], provider: str) -> str:
    return str(_table(_table(config, "model_providers"), provider).get("base_url") or "")


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _given(arguments: Sequence[str]) -> dict[str, str]:
    """What `-c KEY=VALUE` sets; the last one of a key counts."""
    found = {}
    for flag, pair, _place in _pairs(arguments):
        key, equals, value = pair.partition("=")
        if flag in _CONFIG_FLAGS and equals:
            found[key.strip()] = _text(value.strip())
    return found


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str, int]]:
    """Flags with their values, and where each begins; nothing behind `--` is one."""
    found = []
    flags = (*_CONFIG_FLAGS, *_PROFILE_FLAGS)
    for place, word in enumerate(arguments):
        if word == "--":
            break
        name, equals, value = word.partition("=")
        if word in flags and place + 1 < len(arguments):
            found.append((word, arguments[place + 1], place))
        elif equals and name in flags and name.startswith("--"):
            found.append((name, value, place))
    return found


def _value_of(arguments: Sequence[str], flags: Sequence[str]) -> str | None:
    return next((value for flag, value, _ in reversed(_pairs(arguments)) if flag in flags), None)


def _without(arguments: Sequence[str], key: str) -> list[str]:
    dropped: set[int] = set()
    for flag, pair, place in _pairs(arguments):
        if flag in _CONFIG_FLAGS and pair.partition("=")[0].strip() == key:
            dropped |= {place} if "=" in arguments[place] else {place, place + 1}
    return [word for place, word in enumerate(arguments) if place not in dropped]


def _text(value: str) -> str:
    """Codex reads the value as TOML, and as a plain text where it is none."""
    try:
        return str(tomllib.loads(f"value = {value}")["value"])
    except (ValueError, RecursionError):
        return value
