"""
Who may speak to us, and which key may go where. No I/O.

A page in the user's browser can send requests to 127.0.0.1, and a name that an attacker owns can resolve
to it. So a request has to carry a Host that we know, and must not come from another site.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from arc_proxy.gateway.refusal import NO_RETRY, Refusal
from arc_proxy.gateway.routes import Upstream

# Forms of our own name that were found right, up to a bound.
SEEN_MAX = 64

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_ALWAYS = ("127.0.0.1", "localhost", "::1")

# What the first characters of a key say about its owner, the longest first.
_KEY_OWNERS = (
    ("sk-ant-", ("anthropic",)),
    ("sk-or-", ("openrouter",)),
    ("sk-proj-", ("openai",)),
    ("gsk_", ("groq",)),
    ("xai-", ("xai",)),
    ("AIza", ("gemini", "vertex", "codeassist")),
)
_KEY_HEADERS = ("Authorization", "x-api-key", "api-key", "x-goog-api-key")


class Doorkeeper:
    """Knows the hosts and origins of one configuration."""

    def __init__(self, *, host: str, allow_hosts: Iterable[str], allow_origins: Iterable[str]) -> None:
        """`host` is what the listening socket is bound to."""
        bound = host.strip("[]").lower()
        self._hosts = frozenset(_bare(each) for each in (*_ALWAYS, bound, *allow_hosts))
        # Names can be made to resolve anywhere, addresses cannot: bound to all of them, any will do.
        self._any_address = bound in ("", "0.0.0.0", "::")  # noqa: S104
        self._seen: set[str | None] = set()
        self._origins = frozenset(origin.rstrip("/").lower() for origin in allow_origins)

    def refusal(self, host: str | None, origin: str | None, fetch_site: str | None) -> Refusal | None:
        """What is wrong with a request's `Host`, `Origin` and `Sec-Fetch-Site`; None if nothing is."""
        if host not in self._seen:
            refusal = self._host_refusal(host)
            if refusal is not None:
                return refusal
        if origin is None:
            return _CROSS_SITE if fetch_site == "cross-site" else None
        origin = origin.lower()
        is_own = origin in (f"http://{host}".lower(), f"https://{host}".lower())
        return None if is_own or origin in self._origins else _CROSS_SITE

    def _host_refusal(self, host: str | None) -> Refusal | None:
        found = _HOST.fullmatch(host or "")
        if found is None:
            return _refuse(400, "bad_host", "The Host header is no host and port.")
        if not self._knows(found[1].strip("[]").lower()):
            return _refuse(
                421,
                "host_not_allowed",
                "arc-proxy answers to 127.0.0.1 and localhost. If this name is meant to reach it, "
                "start it with --allow-host NAME.",
            )
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen.add(host)
        return None

    def _knows(self, host: str) -> bool:
        return host in self._hosts or (self._any_address and _is_address(host))


def key_refusal(headers: Mapping[str, str], target: str, upstream: Upstream) -> Refusal | None:
    """
    A refusal if the request carries a key whose form names another provider than this default upstream.

    An upstream that configuration chose may take any key: it can be a gateway before many providers.
    """
    if not upstream.is_default:
        return None
    keys = [headers[name] for name in _KEY_HEADERS if name in headers]
    if "key=" in target:
        keys += [pair[4:] for pair in target.partition("?")[2].split("&") if pair.startswith("key=")]
    # Browsers cannot set headers on a WebSocket: OpenAI takes `openai-insecure-api-key.KEY` as a subprotocol.
    keys += [each.partition(".")[2] for each in headers.get("Sec-WebSocket-Protocol", "").split(",")]
    for value in keys:
        key = value.rpartition(" ")[2]
        for start, owners in _KEY_OWNERS:
            if key.startswith(start) and upstream.name not in owners:
                return Refusal(
                    status=421,
                    code="wrong_provider_key",
                    message=f"A key that begins with {start} belongs to {owners[0]} and was not sent to "
                    f"{upstream.host}. Use the base URL of {owners[0]}: its path begins with /{owners[0]}.",
                    shape=upstream.shape,
                    fields=(NO_RETRY,),
                )
            if key.startswith(start):
                break
    return None


def _bare(host: str) -> str:
    """A host without port, brackets and capitals."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refuse(status: int, code: str, message: str) -> Refusal:
    return Refusal(status=status, code=code, message=message, fields=(NO_RETRY,))


_CROSS_SITE = _refuse(
    403,
    "cross_site",
    "This request comes from a page of another site. If that page is yours, start arc-proxy with "
    "--allow-origin ORIGIN.",
)
