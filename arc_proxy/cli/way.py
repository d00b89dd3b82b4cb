"""
The way from a client's base URL through the proxy to where it led before. Pure; the network is an argument.

    not set, or an old one of ours    the provider, by its prefix        /openai/v1
    a provider's own host             the same host and path             /groq/openai/v1
    one of ours                       itself, under this agent's name    /agent/finance/session/s-1/openai/v1
    anything else                     itself, as an upstream of this run
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit

from arc_proxy.errors import ConfigError
from arc_proxy.gateway.routes import BY_WORD, PROVIDERS, parse_upstream
from arc_proxy.prefix import split_prefix

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HERE = frozenset({*LOOPBACK, "0.0.0.0", "::"})  # noqa: S104  compared, not bound
_VERTEX = ".googleapis.com"

Asked = Callable[[str, int], bool]  # of a host and a port


def _nowhere(_host: str, _port: int) -> bool:
    return False


class Way:
    """
    How the clients of one run are led. Collects in `upstreams` where the user's own base URLs led.

    `is_ours(host, port)`: a gateway of this data folder listens there; `is_alive`: anybody does. `moved`: the
    providers whose traffic the proxy sends elsewhere, by its settings; "*" stands for all. `signs`: it signs
    requests to Bedrock anew.
    """

    def __init__(
        self,
        url: str,
        agent: str | None,
        *,
        is_alive: Asked,
        is_ours: Asked = _nowhere,
        moved: Collection[str] = (),
        may_chain: bool = True,
        signs: bool = False,
    ) -> None:
        self.url = url
        self.signs = signs
        self.upstreams: dict[str, str] = {}
        self._agent = agent
        self._is_alive = is_alive
        self._is_ours = is_ours
        self._moved = moved
        self._may_chain = may_chain

    def through(self, provider: str, path: str, users: str = "") -> str | None:
        """
        The base URL that leads through the proxy to where `users` leads, or to the provider.

        None: it cannot be led, since it is no URL or another upstream has the provider's prefix.
        """
        if not users:
            return f"{self._named(self.url)}/{provider}{path}"
        parts = split_url(users)
        if parts is None:
            return None
        host, port = parts.hostname or "", parts.port
        if host in _HERE and port is not None:
            if _is_same(parts, self.url) or self._is_ours(host, port):
                return self._own(parts)
            if looks_ours(parts.path) and not self._is_alive(host, port):
                return f"{self._named(self.url)}/{provider}{path}"
        vendor = vendor_prefix(parts)
        if vendor is not None:
            return self._named(self.url) + vendor + parts.path.rstrip("/")
        return self._chained(provider, parts.geturl().rstrip("/"))

    def ends_at_vendor(self, provider: str, base_url: str) -> bool:
        """Whether calls to a base URL that `through` gave come to the provider itself, through us alone."""
        is_moved = provider in self.upstreams or not {"*", provider}.isdisjoint(self._moved)
        return not is_moved and base_url == f"{self._named(self.url)}/{provider}"

    def why_not(self, provider: str, users: str) -> str:
        """Of what `through` said None to: why, for people."""
        if split_url(users) is None:
            return "is no URL that can be led through the proxy"
        if not self._may_chain:
            return f"leads elsewhere; unset it and `arc-proxy serve --upstream {provider}={shown_url(users)}`"
        return f"is not the only upstream of {provider}"

    def _named(self, origin: str, session: str | None = None, run: str | None = None) -> str:
        names = {"agent": self._agent, "session": session, "run": run}
        return origin + "".join(f"/{word}/{quote(name, safe='')}" for word, name in names.items() if name)

    def _own(self, parts: SplitResult) -> str:
        prefix, rest = split_prefix(parts.path or "/")
        origin = self.url if _is_same(parts, self.url) else f"{parts.scheme}://{parts.netloc}"
        return self._named(origin, prefix.session_id, prefix.run_id) + rest.rstrip("/")

    def _chained(self, provider: str, url: str) -> str | None:
        if not self._may_chain:
            return None
        try:
            parse_upstream(provider, url)
        except ConfigError:
            return None
        if self.upstreams.setdefault(provider, url) != url:
            return None
        return f"{self._named(self.url)}/{provider}"


def split_url(text: str) -> SplitResult | None:
    """A URL in its parts, `box:11434` as Ollama takes it too; None for what is no http(s) URL."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None


def shown_url(url: str) -> str:
    """A URL without user, password and query, any of which may hold a key."""
    parts = split_url(url)
    if parts is None:
        return "no URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def host_and_port(url: str) -> tuple[str, int | None]:
    """Empty and None for what is no URL."""
    parts = split_url(url)
    return ("", None) if parts is None else (parts.hostname or "", parts.port)


def vendor_prefix(parts: SplitResult) -> str | None:
    """The prefix at the proxy that leads to this very host, such as `/groq` or `/azure/my-resource`."""
    host, port = parts.hostname or "", parts.port
    if host in _HERE:
        host = LOOPBACK[0]
    if host.endswith(f"aiplatform{_VERTEX}"):
        return "/vertex"  # its region stands in the path, too
    known = _vendors().get((host, port or (443 if parts.scheme == "https" else 80)))
    if known is not None:
        return f"/{known}"
    for provider in PROVIDERS:
        start, marker, end = provider.url.removeprefix("https://").partition("{part}")
        if marker and provider.part is not None and host.startswith(start) and host.endswith(end):
            part = host[len(start) : len(host) - len(end)]
            if provider.part.fullmatch(part):
                return f"/{provider.name}/{part}"
    return None


@lru_cache(maxsize=1)
def _vendors() -> dict[tuple[str, int], str]:
    fixed = [parse_upstream(each.name, each.url) for each in PROVIDERS if each.part is None]
    return {(upstream.host, upstream.port): upstream.name for upstream in fixed}


def _is_same(parts: SplitResult, url: str) -> bool:
    mine = urlsplit(url)
    here = {mine.hostname, *LOOPBACK} if mine.hostname in LOOPBACK else {mine.hostname}
    return parts.port == mine.port and parts.hostname in here


def looks_ours(path: str) -> bool:
    """Whether the path has the form of our base URLs, which no other server's has."""
    return split_prefix(path)[1].lstrip("/").partition("/")[0] in BY_WORD
