"""
Header fields of other products that speak of runs, or to a gateway. Standard library only, no I/O.

One table for the gateway and for grouping. Each row says what the field fills, and what becomes of it on its
way up. All of them only join: two calls with one Helicone session belong together, two calls with different
ones may still do, because many clients send a fresh id with each request.

Every field is forwarded as it came, but for two kinds that are meant for a product's own gateway, to which
the provider is none: credentials, and features that arc-proxy does not have. Those stop here where the
upstream is a provider's own host. They pass where it is a gateway, or where configuration chose it and it
may be one.

Sources: https://docs.helicone.ai/helicone-headers/header-directory
https://portkey.ai/docs/api-reference/inference-api/headers
https://docs.litellm.ai/docs/proxy/request_headers
https://docs.litellm.ai/docs/observability/langfuse_integration
https://docs.getbifrost.ai/providers/request-options
https://developers.cloudflare.com/ai-gateway/configuration/
https://www.w3.org/TR/trace-context/ https://www.w3.org/TR/baggage/
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from arc_proxy.cut import is_secret_header


class Fills(StrEnum):
    """What a field's value is."""

    NOTHING = "nothing"
    # A level, the value being its id or name.
    AGENT = "agent"
    SESSION = "session"
    PARENT_RUN = "parent_run"
    RUN = "run"
    USER = "user"
    VERSION = "version"
    # Tags.
    TAG = "tag"  # one, its key being the row's, or the name behind the wildcard
    TAGS = "tags"  # a comma-separated list
    METADATA = "metadata"  # a JSON object
    # Forms of their own.
    PATH = "path"  # of a part within its session: "/parent/child"
    TRACE = "trace"  # a W3C traceparent
    BAGGAGE = "baggage"  # W3C baggage


class Fate(Enum):
    FORWARDED = auto()
    DROPPED = auto()  # asks a gateway for a feature
    KEY = auto()  # a gateway's credential, or holds some: dropped, and cut for the journal


_JOINING = frozenset({Fills.SESSION, Fills.RUN, Fills.PATH, Fills.TRACE, Fills.BAGGAGE})


@dataclass(frozen=True, slots=True)
class ForeignField:
    """`name` is in lower case; a `*` at its end stands for anything."""

    name: str
    product: str  # also the rule's word
    fills: Fills = Fills.NOTHING
    tag: str = ""  # the tag's key
    fate: Fate = Fate.FORWARDED
    confidence: float = 0.9  # that calls with this value belong together
    key: str = ""  # in a METADATA object: the member that is the user

    @property
    def joins(self) -> bool:
        return self.fills in _JOINING

    @property
    def separates(self) -> bool:
        return False


_F, _S, _R = ForeignField, Fills.SESSION, Fills.RUN
_DROPPED, _KEY = Fate.DROPPED, Fate.KEY

# The strongest first.
FIELDS = (
    # Instrumentation sets these by itself, often anew for each request.
    _F("baggage", "baggage", Fills.BAGGAGE, confidence=0.8),
    _F("traceparent", "traceparent", Fills.TRACE, confidence=0.6),
    _F("tracestate", "traceparent"),
    _F("helicone-session-id", "helicone", _S),
    _F("helicone-session-path", "helicone", Fills.PATH, confidence=0.8),
    _F("helicone-session-name", "helicone", Fills.AGENT),
    _F("helicone-user-id", "helicone", Fills.USER),
    _F("helicone-property-*", "helicone", Fills.TAG),
    _F("helicone-node-id", "helicone", Fills.TAG, tag="step"),
    _F("helicone-request-id", "helicone"),
    _F("helicone-prompt-version", "helicone", Fills.VERSION),
    _F("helicone-prompt-id", "helicone", Fills.TAG, tag="prompt_id"),
    _F("helicone-prompt-name", "helicone", Fills.TAG, tag="prompt_name"),
    _F("helicone-prompt-mode", "helicone"),
    _F("helicone-target-url", "helicone"),
    _F("helicone-openai-api-base", "helicone"),
    _F("helicone-model-override", "helicone"),
    _F("helicone-omit-request", "helicone"),
    _F("helicone-omit-response", "helicone"),
    _F("helicone-stream-usage", "helicone"),
    _F("helicone-stream-force-format", "helicone"),
    _F("helicone-increase-timeout", "helicone"),
    _F("helicone-ratelimit-policy", "helicone"),
    _F("helicone-auth", "helicone", fate=_KEY),
    _F("helicone-posthog-key", "helicone", fate=_KEY),
    _F("helicone-fallbacks", "helicone", fate=_KEY),  # JSON with the other providers' headers
    _F("helicone-posthog-*", "helicone", fate=_DROPPED),
    _F("helicone-cache-*", "helicone", fate=_DROPPED),
    _F("helicone-retry-*", "helicone", fate=_DROPPED),
    _F("helicone-moderations-enabled", "helicone", fate=_DROPPED),
    _F("helicone-llm-security-*", "helicone", fate=_DROPPED),
    _F("helicone-webhook-enabled", "helicone", fate=_DROPPED),
    _F("helicone-experiment-*", "helicone", fate=_DROPPED),
    _F("x-portkey-trace-id", "portkey", _R),
    _F("x-portkey-span-id", "portkey"),  # a span is a call: no level of ours
    _F("x-portkey-parent-span-id", "portkey"),
    _F("x-portkey-span-name", "portkey", Fills.TAG, tag="step"),
    _F("x-portkey-metadata", "portkey", Fills.METADATA, key="_user"),
    _F("x-portkey-debug", "portkey"),
    _F("x-portkey-api-key", "portkey", fate=_KEY),
    _F("x-portkey-virtual-key", "portkey", fate=_KEY),
    _F("x-portkey-config", "portkey", fate=_KEY),  # an id, or JSON with keys in it
    _F("x-portkey-vertex-service-account-json", "portkey", fate=_KEY),
    _F("x-portkey-*", "portkey"),
    _F("x-litellm-trace-id", "litellm", _R),
    _F("x-litellm-session-id", "litellm", _S),
    _F("x-litellm-agent-id", "litellm", Fills.AGENT),
    _F("x-litellm-end-user-id", "litellm", Fills.USER),
    _F("x-litellm-customer-id", "litellm", Fills.USER),
    _F("x-litellm-tags", "litellm", Fills.TAGS),
    _F("x-litellm-spend-logs-metadata", "litellm", Fills.METADATA),
    _F("x-litellm-api-key", "litellm", fate=_KEY),
    _F("x-litellm-*", "litellm"),
    _F("litellm-enable-message-redaction", "litellm"),
    _F("langfuse_trace_id", "langfuse", _R),
    _F("langfuse_session_id", "langfuse", _S),
    _F("langfuse_trace_user_id", "langfuse", Fills.USER),
    _F("langfuse_trace_name", "langfuse", Fills.AGENT),
    _F("langfuse_trace_version", "langfuse", Fills.VERSION),
    _F("langfuse_trace_metadata", "langfuse", Fills.METADATA),
    _F("langfuse_tags", "langfuse", Fills.TAGS),
    _F("langfuse_trace_tags", "langfuse", Fills.TAGS),
    _F("langfuse_generation_name", "langfuse", Fills.TAG, tag="step"),
    _F("langfuse_secret", "langfuse", fate=_KEY),
    _F("langfuse_secret_key", "langfuse", fate=_KEY),
    _F("langfuse_*", "langfuse"),
    _F("x-bf-session-id", "bifrost", _S),
    _F("x-bf-dim-*", "bifrost", Fills.TAG),
    _F("x-bf-vk", "bifrost", fate=_KEY),
    _F("x-bf-api-key", "bifrost", fate=_KEY),
    _F("x-bf-*", "bifrost"),
    _F("x-title", "openrouter", Fills.AGENT),
    _F("http-referer", "openrouter"),
    _F("x-langwatch-thread-id", "langwatch", _S),
    _F("x-langwatch-session-id", "langwatch", _S),
    _F("x-langwatch-trace-id", "langwatch", _R),
    _F("x-langwatch-span-id", "langwatch"),
    _F("x-langwatch-parent-span-id", "langwatch"),
    _F("x-langwatch-end-user-id", "langwatch", Fills.USER),
    _F("x-langwatch-trace-metadata", "langwatch", Fills.METADATA),
    _F("x-langwatch-*", "langwatch"),
    _F("x-agentweave-agent-id", "agentweave", Fills.AGENT),
    _F("x-agentweave-trace-id", "agentweave", _R),
    _F("x-agentweave-session-id", "agentweave", _S),
    _F("x-agentweave-session-key", "agentweave", _S, confidence=0.7),  # a channel
    _F("x-agentweave-parent-session-id", "agentweave", Fills.PARENT_RUN),
    _F("x-agentweave-project", "agentweave", Fills.TAG, tag="project"),
    _F("x-agentweave-agent-type", "agentweave", Fills.TAG, tag="agent_type"),
    _F("x-agentweave-task-label", "agentweave", Fills.TAG, tag="task"),
    _F("x-agentweave-harness", "agentweave", Fills.TAG, tag="harness"),
    _F("x-agentweave-turn", "agentweave", Fills.TAG, tag="step"),
    _F("x-agentweave-turn-depth", "agentweave", Fills.TAG, tag="depth"),
    _F("x-agentweave-proxy-token", "agentweave", fate=_KEY),
    _F("x-agentweave-*", "agentweave"),
    _F("cf-aig-metadata", "cloudflare", Fills.METADATA),
    _F("cf-aig-authorization", "cloudflare", fate=_KEY),
    _F("cf-aig-*", "cloudflare"),
    _F("x-llmtrace-session", "llmtrace", _S),
    _F("x-archestra-session-id", "archestra", _S),
    _F("x-archestra-run-id", "archestra", _R),
    _F("x-merge-trace-id", "merge", _R),
    _F("x-merge-span-name", "merge", Fills.TAG, tag="step"),
    _F("x-tapes-session-id", "tapes", _S),
    _F("x-tapes-agent-name", "tapes", Fills.AGENT),
    _F("x-tapes-*", "tapes"),
    _F("x-agent-name", "agent_name", Fills.AGENT),
)

# Of these products, whatever is called like a credential is one for their gateway.
_FAMILIES = (
    b"helicone-",
    b"x-portkey-",
    b"x-litellm-",
    b"langfuse_",
    b"x-bf-",
    b"x-langwatch-",
    b"x-agentweave-",
    b"cf-aig-",
    b"x-llmtrace-",
    b"x-archestra-",
    b"x-merge-",
    b"x-tapes-",
)

# Providers by our own table that are gateways. What is meant for one is meant for them.
GATEWAYS = frozenset({"litellm"})

RANKS = {field: rank for rank, field in enumerate(FIELDS)}
_EXACT = {field.name.encode(): field for field in FIELDS if not field.name.endswith("*")}
_WILD = tuple((field.name[:-1].encode(), field) for field in FIELDS if field.name.endswith("*"))

AGENT_FIELDS = tuple(field.name for field in FIELDS if field.fills is Fills.AGENT)  # the first holds

# How a request asks that less is kept of it: which values ask (None: all that do not deny it), and how much
# remains. What a product leaves out of one side, we leave out of both.
_TRUE = frozenset({b"true", b"1", b"yes", b"on"})
_FALSE = frozenset({b"false", b"0", b"no", b"off"})
_CAPTURE: dict[bytes, tuple[frozenset[bytes] | None, str]] = {
    b"helicone-omit-request": (_TRUE, "metadata"),
    b"helicone-omit-response": (_TRUE, "metadata"),
    b"cf-aig-collect-log": (_FALSE, "none"),
    b"cf-aig-collect-log-payload": (_FALSE, "metadata"),
    b"x-bf-disable-content-logging": (_TRUE, "metadata"),
    b"x-litellm-enable-message-redaction": (None, "metadata"),
    b"litellm-enable-message-redaction": (None, "metadata"),
    b"x-portkey-debug": (_FALSE, "metadata"),
}
_ASKS_NOTHING: tuple[frozenset[bytes] | None, str] = (frozenset(), "full")
CAPTURE_FIELDS = frozenset(_CAPTURE)


@functools.lru_cache(maxsize=1024)
def field_of(name: bytes) -> ForeignField | None:
    """The row of a field, given its name in lower case."""
    found = _EXACT.get(name)
    if found is not None:
        return found
    return next((field for start, field in _WILD if name.startswith(start) and name != start), None)


def fate_of(name: bytes) -> Fate:
    """What becomes of a field of this name, in lower case, on its way to a provider's own host."""
    field = field_of(name)
    if field is not None and field.fate is not Fate.FORWARDED:
        return field.fate
    return Fate.KEY if name.startswith(_FAMILIES) and is_secret_header(name) else Fate.FORWARDED


def capture_asked(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """
    The most that a request lets us keep of it, in the words of `gateway.config.Capture`; None if it does
    not say. A request may only lower the level: the caller takes the least.

    `headers` may hold only those whose lower-case names are among `CAPTURE_FIELDS`.
    """
    asked = None
    for name, value in headers:
        asking, remains = _CAPTURE.get(name.lower(), _ASKS_NOTHING)
        value = value.strip().lower()
        asks = value in asking if asking is not None else value not in _FALSE and value != b""
        if asks and asked != "none":
            asked = remains
    return asked
