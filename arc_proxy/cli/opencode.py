"""
opencode: a configuration in OPENCODE_CONFIG_CONTENT, which it merges over its files.

A provider that stands in a configuration shows up in opencode even without a key, so only those are named
that the user has: by a key in the environment, a login in auth.json, or a base URL of the user's.

Source: https://opencode.ai/docs/config, tried with 1.18
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arc_proxy.cli.config_file import ConfigUnread, read_json
from arc_proxy.cli.variables import Base
from arc_proxy.cli.way import Way

CONTENT = "OPENCODE_CONFIG_CONTENT"


@dataclass(frozen=True, slots=True)
class _Provider:
    base: Base
    keys: tuple[str, ...]


# As the AI SDK wants them: with the version in the base URL.
_PROVIDERS: Mapping[str, _Provider] = {
    "anthropic": _Provider(Base("anthropic", "/v1"), ("ANTHROPIC_API_KEY",)),
    "openai": _Provider(Base("openai", "/v1"), ("OPENAI_API_KEY",)),
    "google": _Provider(
        Base("gemini", "/v1beta"), ("GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")
    ),
    "openrouter": _Provider(Base("openrouter", "/api/v1"), ("OPENROUTER_API_KEY",)),
    "groq": _Provider(Base("groq", "/openai/v1"), ("GROQ_API_KEY",)),
    "mistral": _Provider(Base("mistral", "/v1"), ("MISTRAL_API_KEY",)),
    "xai": _Provider(Base("xai", "/v1"), ("XAI_API_KEY",)),
    "deepseek": _Provider(Base("deepseek"), ("DEEPSEEK_API_KEY",)),
}


@dataclass(frozen=True, slots=True)
class Led:
    content: str  # of OPENCODE_CONFIG_CONTENT
    providers: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def lead_opencode(way: Way, environ: Mapping[str, str], home: Path, cwd: Path) -> Led:
    """Raises ConfigUnread where a content of the user's own is no JSON."""
    own = _content(environ)
    configured: dict[str, str] = {}
    warnings = []
    for path in _config_files(environ, home, cwd):
        try:
            configured |= _base_urls(read_json(path))
        except ConfigUnread as error:
            warnings.append(f"{error}: opencode may take another way than this run's")
    configured |= _base_urls(own)
    auth = _logins(environ, home)
    if auth.get("openai") == "oauth":
        warnings.append("opencode's ChatGPT login calls chatgpt.com whatever its base URL: not seen")
    providers: dict[str, Any] = dict(own.get("provider") or {})
    led = []
    for name in sorted({*configured, *_had(environ, auth)}):
        known = _PROVIDERS.get(name)
        base = known.base if known else Base("openai", "/v1")
        value = way.through(base.provider, base.path, configured.get(name, ""))
        if value is None:
            warnings.append(f"opencode's provider {name} {way.why_not(base.provider, configured[name])}")
            continue
        users = providers.get(name) or {}
        providers[name] = {**users, "options": {**(users.get("options") or {}), "baseURL": value}}
        led.append(name)
    content = json.dumps({**own, "provider": providers}, separators=(",", ":"))
    return Led(content, tuple(led), tuple(warnings))


def _content(environ: Mapping[str, str]) -> dict[str, Any]:
    text = environ.get(CONTENT) or "{}"
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigUnread(CONTENT, f"is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise ConfigUnread(CONTENT, "is no JSON object")
    return value


def _config_files(environ: Mapping[str, str], home: Path, cwd: Path) -> Iterator[Path]:
    """From the one that is beaten by all on."""
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "opencode"
    yield from (config / name for name in ("config.json", "opencode.json", "opencode.jsonc"))
    if environ.get("OPENCODE_CONFIG"):
        yield Path(environ["OPENCODE_CONFIG"])
    for folder in (cwd, cwd / ".opencode"):
        yield from (folder / name for name in ("opencode.json", "opencode.jsonc"))


def _base_urls(config: Mapping[str, Any]) -> dict[str, str]:
    providers = config.get("provider")
    found = {}
    for name, provider in providers.items() if isinstance(providers, dict) else ():
        options = provider.get("options") if isinstance(provider, dict) else None
        url = options.get("baseURL") if isinstance(options, dict) else None
        if isinstance(url, str) and url:
            found[str(name)] = url
    return found


def _logins(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Who is logged in to, and how: `api` or `oauth`. Nothing else of the file is looked at."""
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "opencode"
    try:
        auth = read_json(data / "auth.json")
    except ConfigUnread:
        return {}
    return {name: str(entry.get("type")) for name, entry in auth.items() if isinstance(entry, dict)}


def _had(environ: Mapping[str, str], auth: Mapping[str, str]) -> Iterator[str]:
    for name, provider in _PROVIDERS.items():
        if name in auth or any(environ.get(key) for key in provider.keys):
            yield name
