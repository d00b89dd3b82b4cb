"""What a tool does, by its name: nothing else tells it before the tool is called. Pure."""

from __future__ import annotations

import re

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
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN_WORDS = re.compile(r"[^0-9A-Za-z]+")


def words_of(name: str) -> list[str]:
    """In lower case: ["cancel", "order"] of `cancel_order`, `cancelOrder` and `cancel-order`."""
    return [word for word in _BETWEEN_WORDS.split(_CAMEL.sub("_", name).lower()) if word]


def is_changing(name: str) -> bool:
    """Whether a tool's name says that it changes something."""
    return bool(_CHANGING.search(_CAMEL.sub("_", name)))


def acts_on_existing(name: str) -> bool:
    """Whether it says that it changes something that is there, and does not make it first."""
    words = set(words_of(name))
    return bool(words & _ON_EXISTING) and not words & _ELSE


def may_end(name: str) -> bool:
    """Whether a run may end with it as its answer."""
    return bool(_ENDING.search(name))
