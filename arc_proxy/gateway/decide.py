"""
What to do with a request, from its head alone. No I/O.

Nothing here reads `message.url`, which a hostile Host or target can bend; only the raw target counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from aiohttp.http_writer import HttpVersion10, HttpVersion11

from arc_proxy.foreign import AGENT_FIELDS
from arc_proxy.gateway.bedrock import is_signed, region_to_sign, with_region
from arc_proxy.gateway.config import Capture, GatewayConfig
from arc_proxy.gateway.guard import Doorkeeper, key_refusal
from arc_proxy.gateway.parsed import UNREADABLE, ParsedHead
from arc_proxy.gateway.refusal import NO_RETRY, Refusal
from arc_proxy.gateway.routes import Route, Routes, parse_upstream
from arc_proxy.prefix import Prefix, is_name, split_prefix
from arc_proxy.verdict import BUDGET_FIELD, Question, budget_nanousd

# Paths repeat, so their routes are remembered, up to a bound.
FOUND_MAX = 1024
FOUND_LEN_MAX = 256

_ORDER = {Capture.NONE: 0, Capture.METADATA: 1, Capture.FULL: 2}
# Headers that choose an upstream. Ours may also name a provider.
_TARGET_HEADERS = ("x-arc-upstream", "Helicone-Target-URL", "x-portkey-custom-host")


class Action(Enum):
    FORWARD = auto()
    CONSOLE = auto()  # relay to the console's socket
    HEALTH = auto()
    WELCOME = auto()  # a browser at the root: lead it to the console
    PROBE = auto()  # a client asks whether anybody is there
    REFUSE = auto()


_FORWARD = Action.FORWARD


@dataclass(slots=True, kw_only=True)
class Decision:
    """Not to be changed."""

    action: Action
    route: Route | None = None
    refusal: Refusal | None = None
    run_id: str | None = None  # as the caller named it
    question: Question | None = None  # to be asked before it goes on, where guards are enforced
    sign_for: str | None = None  # the region of Bedrock, where it is to be signed anew
    switches: bool = False  # it asks for a WebSocket, and may have it
    capture: Capture
    malformed: int = 0  # values of ours that were passed over
    is_call: bool = True  # not a page of ours


def lowered(capture: Capture, asked: str) -> Capture:
    """The lesser of the two. Raises ValueError for what is no level."""
    return min(capture, Capture(asked), key=_ORDER.__getitem__)


BAD_REQUEST = Refusal(
    status=400, code="bad_request", message="This is no valid HTTP/1.1 request.", fields=(NO_RETRY,)
)


class Desk:
    """Decides by one configuration."""

    def __init__(self, config: GatewayConfig) -> None:
        """Raises ConfigError."""
        self._capture = config.capture
        self._has_guard = config.guard_socket is not None
        self._signs = config.bedrock
        self._websockets = config.websockets
        self._routes = Routes(config.upstreams)
        self._door = Doorkeeper(
            host=config.host, allow_hosts=config.allow_hosts, allow_origins=config.allow_origins
        )
        self._found: dict[tuple[str, bool], Route | Refusal] = {}
        self._allow_targets = frozenset(target.rstrip("/").lower() for target in config.allow_targets)

    def decide(self, message: ParsedHead) -> Decision:
        headers, target = message.headers, message.path
        refusal = _bad_form(message) or self._door.refusal(
            headers.get("Host"), headers.get("Origin"), headers.get("Sec-Fetch-Site")
        )
        if refusal is not None:
            return self._refuse(refusal)
        action = _own_action(message)
        if action is not None:
            return Decision(action=action, capture=self._capture, is_call=False)
        prefix, rest = split_prefix(target)
        run_id, capture, malformed = self._names(prefix, headers)
        if message.method == "HEAD" and rest.partition("?")[0] == "/":
            return Decision(action=Action.PROBE, run_id=run_id, capture=capture, malformed=malformed)
        found = self._find(rest, headers)
        route = found if isinstance(found, Route) else None
        refusal = found if isinstance(found, Refusal) else None
        if route is not None:
            refusal = key_refusal(headers, rest, route.upstream)
        switches = message.upgrade and headers.get("Upgrade", "").strip().lower() == "websocket"
        if switches and route is not None and refusal is None:
            refusal = self._switch_refusal(message, route)
        sign_for = None
        if route is not None and refusal is None and is_signed(headers):
            signing = region_to_sign(route, rest, headers, is_on=self._signs)
            sign_for, refusal = (None, signing) if isinstance(signing, Refusal) else (signing, None)
        is_asked = route is not None and refusal is None and (switches or message.method == "POST")
        question = _question(prefix, run_id, headers) if self._has_guard and is_asked else None
        return Decision(
            action=_FORWARD if refusal is None else Action.REFUSE,
            route=route,
            refusal=refusal,
            run_id=run_id,
            question=question,
            sign_for=sign_for,
            switches=switches and route is not None and refusal is None,
            capture=capture,
            malformed=malformed,
        )

    def _switch_refusal(self, message: ParsedHead, route: Route) -> Refusal | None:
        """Of a request for a WebSocket, which is a GET without a body."""
        if not self._websockets:
            return _no_websockets(route)
        has_body = message.chunked or message.headers.get("Content-Length", "0").strip() != "0"
        if message.method == "GET" and message.version == HttpVersion11 and not has_body:
            return None
        return Refusal(
            status=400,
            code="bad_upgrade",
            message="A WebSocket is asked for by a GET of HTTP/1.1 without a body.",
            shape=route.upstream.shape,
            fields=(NO_RETRY,),
        )

    def _refuse(self, refusal: Refusal) -> Decision:
        return Decision(action=Action.REFUSE, refusal=refusal, capture=self._capture)

    def _names(self, prefix: Prefix, headers: Mapping[str, str]) -> tuple[str | None, Capture, int]:
        """The run's name, how much to keep, and how many values are none."""
        malformed = prefix.malformed
        run_id = headers.get("x-arc-run-id")
        if run_id is not None and not is_name(run_id):
            malformed += 1
            run_id = None
        capture = self._capture
        asked = headers.get("x-arc-capture")
        if asked is not None:
            try:
                capture = lowered(capture, asked.lower())
            except ValueError:
                malformed += 1
        return prefix.run_id if run_id is None else run_id, capture, malformed

    def _find(self, rest: str, headers: Mapping[str, str]) -> Route | Refusal:
        chosen = self._chosen(rest, headers)
        if chosen is not None:
            return chosen
        if is_signed(headers):
            rest = with_region(rest, headers)
        is_anthropic = "anthropic-version" in headers or "x-api-key" in headers
        found = self._found.get((rest, is_anthropic))
        if found is None:
            found = self._routes.find(rest, is_anthropic=is_anthropic)
            if len(self._found) >= FOUND_MAX:
                self._found.clear()
            if len(rest) <= FOUND_LEN_MAX:
                self._found[rest, is_anthropic] = found
        return found

    def _chosen(self, rest: str, headers: Mapping[str, str]) -> Route | Refusal | None:
        """A route that a header chose and configuration allows; None if no header did."""
        for name in _TARGET_HEADERS:
            value = headers.get(name)
            if value is None:
                continue
            wanted = value.strip().rstrip("/").lower()
            if wanted in self._allow_targets:
                if "://" in wanted:
                    upstream = parse_upstream("custom", wanted)
                    return Route(upstream, upstream.path + rest)
                if wanted in self._routes.names:
                    return self._routes.named(wanted, rest)
            if name == "x-arc-upstream":
                return Refusal(
                    status=403,
                    code="upstream_not_allowed",
                    message="x-arc-upstream names what arc-proxy was not started with. Allow it by "
                    "--allow-target.",
                    fields=(NO_RETRY,),
                )
        return None


def _question(prefix: Prefix, run_id: str | None, headers: Mapping[str, str]) -> Question:
    """What is malformed asks for nothing: ingest counts it."""
    return Question(
        agent=_agent_named(prefix, headers),
        run_id=run_id,
        budget_nanousd=budget_nanousd(headers.get(BUDGET_FIELD, "")),
    )


def _agent_named(prefix: Prefix, headers: Mapping[str, str]) -> str | None:
    """In the order in which ingest believes it: our header, the prefix, headers of other products."""
    ours = headers.get("x-arc-agent")
    if ours is not None and is_name(ours):
        return ours
    if prefix.agent is not None:
        return prefix.agent
    return next((value for name in AGENT_FIELDS if is_name(value := headers.get(name, ""))), None)


def _bad_form(message: ParsedHead) -> Refusal | None:
    if message is UNREADABLE or message.version not in (HttpVersion11, HttpVersion10):
        return BAD_REQUEST
    if message.method == "CONNECT":
        return Refusal(
            status=405,
            code="no_forward_proxy",
            message="arc-proxy is a base URL, not a proxy for CONNECT.",
            fields=(NO_RETRY, (b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")),
        )
    if not message.path.startswith("/"):
        return Refusal(
            status=400,
            code="no_forward_proxy",
            message="arc-proxy is a base URL: a request's target begins with a slash.",
            fields=(NO_RETRY,),
        )
    if "#" in message.path:
        return Refusal(
            status=400, code="bad_target", message="A request's target holds no fragment.", fields=(NO_RETRY,)
        )
    return None


_OWN_STARTS = ("/_arc", "/metrics", "/v1/traces")


def _own_action(message: ParsedHead) -> Action | None:
    """Paths at the root that are ours, exactly."""
    if not message.path.startswith(_OWN_STARTS) and len(message.path.partition("?")[0]) > 1:
        return None
    path = message.path.partition("?")[0]
    if path.startswith("/_arc"):
        if path == "/_arc/health":
            return Action.HEALTH
        if path == "/_arc" or path.startswith("/_arc/"):
            return Action.CONSOLE
    if path == "/" and message.method == "GET" and "text/html" in message.headers.get("Accept", ""):
        return Action.WELCOME
    if path == "/metrics" or (path == "/v1/traces" and message.method == "POST"):
        return Action.CONSOLE
    return None


def _no_websockets(route: Route) -> Refusal:
    # Clients of the Responses and Realtime APIs fall back to plain requests on exactly this answer.
    return Refusal(
        status=426,
        code="upgrade_required",
        message="arc-proxy was started without WebSockets. Use the HTTP form of this API.",
        shape=route.upstream.shape,
        fields=((b"Upgrade", b"websocket"), NO_RETRY),
    )
