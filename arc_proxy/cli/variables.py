"""
The variables that lead a program's SDKs to the proxy. Pure; the environment is an argument.

Which client reads which variable was tried with the clients of 2026. They differ in whether the version
belongs to it: OpenAI's SDKs want `/v1` in it, the others append it themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

BASE_URLS = {
    "OPENAI_BASE_URL": "/openai/v1",
    "OPENAI_API_BASE": "/openai/v1",  # older SDKs, llama-index, aider
    "ANTHROPIC_BASE_URL": "/anthropic",
    "GOOGLE_GEMINI_BASE_URL": "/gemini",
    "GROQ_BASE_URL": "/groq",
    "CO_API_URL": "/cohere",
}
BEDROCK_URL = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"  # of boto3 and the other SDKs, where the proxy signs

# Clients that do less when the base URL is not the vendor's, and the variable that restores it.
RESTORED = {
    # Claude Code turns tool search off and sends all tool schemas with each request.
    "ENABLE_TOOL_SEARCH": "true",
}

_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Variables:
    """What to set, and what stays as the user has it although calls then pass the proxy by."""

    set: Mapping[str, str]
    kept: Mapping[str, str] = field(default_factory=dict)


def base_urls(url: str, agent: str | None = None, *, bedrock: str | None = None) -> dict[str, str]:
    """
    Every base-URL variable for the proxy at `url`; the agent's name goes into the path.

    `bedrock` is the path for Bedrock where the proxy signs, else None.
    """
    prefix = f"{url}/agent/{quote(agent, safe='')}" if agent else url
    paths = BASE_URLS if bedrock is None else BASE_URLS | {BEDROCK_URL: bedrock}
    return {name: prefix + path for name, path in paths.items()}


def for_program(
    url: str,
    agent: str | None,
    environ: Mapping[str, str],
    is_alive: Callable[[str, int], bool],
    *,
    bedrock: str | None = None,
) -> Variables:
    """
    What a program is started with: base URLs that the user has not set, and what goes with them.

    One that leads to this very proxy counts as not set, and so does one to a port of this machine
    where nobody listens: an earlier proxy's. `is_alive(host, port)` tells.
    """
    chosen: dict[str, str] = {}
    kept: dict[str, str] = {}
    for name, value in base_urls(url, agent, bedrock=bedrock).items():
        users = environ.get(name, "")
        if not users or _is_same(users, url) or _is_dead(users, is_alive):
            chosen[name] = value
        else:
            kept[name] = users
    chosen.update((name, value) for name, value in RESTORED.items() if not environ.get(name))
    chosen.update(_spare_loopback(environ))
    return Variables(chosen, kept)


def host_and_port(url: str) -> tuple[str, int | None]:
    """Empty and None for what is no URL."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


def _is_same(users: str, url: str) -> bool:
    (mine, my_port), (theirs, their_port) = host_and_port(url), host_and_port(users)
    here = {mine, *_LOOPBACK} if mine in _LOOPBACK else {mine}
    return their_port == my_port and theirs in here


def _is_dead(users: str, is_alive: Callable[[str, int], bool]) -> bool:
    host, port = host_and_port(users)
    return host in _LOOPBACK and port is not None and not is_alive(host, port)


def _spare_loopback(environ: Mapping[str, str]) -> dict[str, str]:
    """Where an HTTP proxy is set, keep it from being asked for the one on this machine."""
    if not any(environ.get(name) for name in _PROXIES):
        return {}
    known = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    words = [word for word in known.split(",") if word]
    if "*" in words:
        return {}
    value = ",".join(words + [host for host in _LOOPBACK[:2] if host not in words])
    return {"NO_PROXY": value, "no_proxy": value}
