"""What a tool does, by its name: nothing else tells it before the tool is called. Pure."""

from __future__ import annotations

import re
from itertools import pairwise

# A call that may have changed what another one sees.
_CHANGING = re.compile(
    r"(?:^|[_.\-])(?:add|append|apply|book|buy|cancel|change|click|commit|create|delete|deploy|drop|edit|exchange"
    r"|execute|insert|install|kill|modify|move|patch|pay|post|publish|push|put|remove|rename|replace|reset|return"
    r"|run|save|send|set|start|stop|submit|type|update|upload|write)",
    re.I,
)
# What can only be done to something that is there.
_ON_EXISTING = frozenset(
    {"approve", "archive", "cancel", "close", "delete", "edit", "exchange", "merge", "modify", "refund"}
    | {"reject", "remove", "rename", "reopen", "resolve", "return", "revoke", "suspend", "update", "void"}
)
# Beside one of those: `get_return_policy`, `create_or_update_file`, and what a model keeps for itself:
# `update_plan`.
_ELSE = frozenset(
    {"add", "check", "create", "fetch", "find", "generate", "get", "insert", "list", "lookup", "make", "new"}
    | {"query", "read", "register", "retrieve", "search", "show", "upsert", "view"}
    | {"memory", "note", "notes", "plan", "scratchpad", "todo", "todos"}
)
# A call that is the answer, or hands the task over: nothing has to come after it.
_ENDING = re.compile(
    r"answer|complete|done|end|exit|final|finish|respond|respon[ds]e|result|return|stop|submit|terminate"
    r"|transfer|hand_?off|escalate|report|output",
    re.I,
)
# A call that is meant to be repeated until something has changed.
_WAITING = re.compile(
    r"wait|poll|sleep|status|progress|check_(?:job|task|run)|heartbeat|ping|next|scroll", re.I
)
# A call that can only have looked.
_READING = frozenset(
    {"calculate", "check", "count", "describe", "fetch", "find", "get", "list", "lookup", "query", "read"}
    | {"retrieve", "search", "select", "show", "think", "validate", "verify", "view", "web"}
)
_HANDING_OVER = frozenset({("hand", "off"), ("hand", "over"), ("transfer", "to"), ("transferred", "to")})
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN_WORDS = re.compile(r"[^0-9A-Za-z]+")

MCP = "mcp__"


def full_name(namespace: str, name: str) -> str:
    """
    `mcp__wiki__search` of `search` in Codex's namespace `mcp__wiki`, as Claude Code and older ones of Codex
    call it; `crm.find` in any other; `name` where there is no namespace.
    """
    if not namespace:
        return name
    return f"{namespace.rstrip('_')}__{name}" if namespace.startswith(MCP) else f"{namespace}.{name}"


def mcp_server(name: str) -> str | None:
    """`wiki` of `mcp__wiki__search`; None: no tool of an MCP server, as far as its name says."""
    server, _, tool = name.removeprefix(MCP).partition("__")
    return server if name.startswith(MCP) and server and tool else None


def words_of(name: str) -> list[str]:
    """In lower case: ["cancel", "order"] of `cancel_order`, `cancelOrder` and `cancel-order`."""
    return [word for word in _BETWEEN_WORDS.split(_CAMEL.sub("_", name).lower()) if word]


def is_changing(name: str) -> bool:
    """Whether a tool's name says that it changes something."""
    return bool(_CHANGING.search(_CAMEL.sub("_", name)))


def is_waiting(name: str) -> bool:
    """Whether it says that it is called again until something has changed."""
    return bool(_WAITING.search(name))


def acts_on_existing(name: str) -> bool:
    """Whether it says that it changes something that is there, and does not make it first."""
    words = set(words_of(name))
    return bool(words & _ON_EXISTING) and not words & _ELSE


def only_reads(name: str) -> bool:
    """Whether it says that it looks at something, and says of no change."""
    return bool(_READING.intersection(words_of(name))) and not is_changing(name)


def hands_over(name: str) -> bool:
    """Whether it gives the task to somebody else, a person or another agent."""
    words = words_of(name)
    return any(word.startswith(("handoff", "handover", "escalat")) for word in words) or any(
        pair in _HANDING_OVER for pair in pairwise(words)
    )


def may_end(name: str) -> bool:
    """Whether a run may end with it as its answer."""
    return bool(_ENDING.search(name))
