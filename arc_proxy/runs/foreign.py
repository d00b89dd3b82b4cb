"""
What other products' headers and bodies say, by the table in `arc_proxy.foreign`. No I/O.

All of it only joins. A trace id is a run's and never a session's; a `user` is nobody's run. Ids of responses
and conversations that the provider itself keeps (previous_response_id, conversation) belong to lineage.

Body fields, the rule's word first:

    litellm       litellm_trace_id (run), litellm_session_id, litellm_metadata
    metadata      its session_id, trace_id (run), trace_user_id, trace_name (agent), tags, generation_name
    openrouter    session_id, trace: trace_id (run), trace_name (agent), span_name, generation_name
    tensorzero    tensorzero::episode_id (run), ::tags, ::namespace
    user          user, safety_identifier, metadata.user_id unless it is Claude Code's

Last and least, by the rule "session": any x-...-session-id, and some names without a product's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from arc_proxy.foreign import RANKS, Fills, ForeignField, field_of
from arc_proxy.prefix import is_name
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.explicit import readable
from arc_proxy.runs.native import Parameters, Told, claude_session
from arc_proxy.runs.tags import Tags, add_tag, read_list, read_object

GENERIC_NAMES = (
    b"x-session-id",
    b"x-conversation-id",
    b"x-chat-session-id",
    b"x-thread-id",
    b"x-interaction-id",
    b"x-run-id",
)

_GENERIC = re.compile(rb"x-.+-session-id")
_GENERIC_VALUE = re.compile(r"[A-Za-z0-9_-]{8,200}")
_GENERIC_CONFIDENCE = 0.5
_BODY_CONFIDENCE = 0.8

_LEVELS = {
    Fills.AGENT: Level.AGENT,
    Fills.SESSION: Level.SESSION,
    Fills.PARENT_RUN: Level.PARENT_RUN,
    Fills.RUN: Level.RUN,
    Fills.USER: Level.USER,
    Fills.VERSION: Level.VERSION,
}
_JOINING = frozenset({Level.RUN, Level.SESSION})
# Levels whose value is the id or name itself; the others' are keys of runs.
_NAMED = frozenset({Level.AGENT, Level.SESSION, Level.USER, Level.VERSION})

# https://www.w3.org/TR/trace-context/#traceparent-header: version, trace, parent, flags; more may follow.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_BAGGAGE_MEMBERS_MAX = 180
_BAGGAGE = {
    "session.id": Fills.SESSION,
    "gen_ai.conversation.id": Fills.SESSION,
    "langfuse.session.id": Fills.SESSION,
    "user.id": Fills.USER,
    "langfuse.user.id": Fills.USER,
    "agent.name": Fills.AGENT,
    "gen_ai.agent.name": Fills.AGENT,
    "gen_ai.agent.id": Fills.AGENT,
    "traceloop.workflow.name": Fills.AGENT,
    "metadata": Fills.METADATA,
    "tag.tags": Fills.TAGS,
    "langfuse.tags": Fills.TAGS,
}
_BAGGAGE_RANKS = {key: rank for rank, key in enumerate(_BAGGAGE)}
_BAGGAGE_TAGS = "traceloop.association.properties."
_BAGGAGE_STEP = "traceloop.entity.name"

# By the body's field: the member of it if it is an object, the rule's word, what it fills, the tag's key.
_BODY: Mapping[str, tuple[tuple[str, str, Fills, str], ...]] = {
    "litellm_trace_id": (("", "litellm", Fills.RUN, ""),),
    "litellm_session_id": (("", "litellm", Fills.SESSION, ""),),
    "litellm_metadata": (
        ("trace_id", "litellm", Fills.RUN, ""),
        ("session_id", "litellm", Fills.SESSION, ""),
        ("trace_user_id", "litellm", Fills.USER, ""),
        ("tags", "litellm", Fills.TAGS, ""),
    ),
    "session_id": (("", "openrouter", Fills.SESSION, ""),),
    "trace": (
        ("trace_id", "openrouter", Fills.RUN, ""),
        ("trace_name", "openrouter", Fills.AGENT, ""),
        ("span_name", "openrouter", Fills.TAG, "span"),
        ("generation_name", "openrouter", Fills.TAG, "step"),
    ),
    "tensorzero::episode_id": (("", "tensorzero", Fills.RUN, ""),),
    "tensorzero::tags": (("", "tensorzero", Fills.METADATA, ""),),
    "tensorzero::namespace": (("", "tensorzero", Fills.TAG, "namespace"),),
    "user": (("", "user", Fills.USER, ""),),
    "safety_identifier": (("", "user", Fills.USER, ""),),
    "metadata": (
        ("trace_id", "metadata", Fills.RUN, ""),
        ("session_id", "metadata", Fills.SESSION, ""),
        ("trace_user_id", "metadata", Fills.USER, ""),
        ("trace_name", "metadata", Fills.AGENT, ""),
        ("generation_name", "metadata", Fills.TAG, "step"),
        ("tags", "metadata", Fills.TAGS, ""),
        ("user_id", "user", Fills.USER, ""),
    ),
}
PARAMETERS = frozenset(_BODY)


def is_generic(name: bytes) -> bool:
    """Whether a field that no product's row names is called like a session's id."""
    if name in GENERIC_NAMES:
        return True
    return _GENERIC.fullmatch(name) is not None and b"parent" not in name


def foreign_claims(told: Told, tags: Tags) -> list[Claim]:
    """The claims of one request's headers, the strongest first."""
    claims: list[Claim] = []
    rows = ((field, name) for name in told if (field := field_of(name)) is not None)
    for field, name in sorted(rows, key=lambda row: RANKS[row[0]]):
        if field.fills is not Fills.NOTHING:
            _READERS.get(field.fills, _read_level)(field, name, told, claims, tags)
    return claims


def body_claims(parameters: Parameters, tags: Tags) -> list[Claim]:
    """The claims of one request's body, the strongest first."""
    claims: list[Claim] = []
    for name, rows in _BODY.items():
        whole = parameters.get(name)
        if whole is None:
            continue
        for member, rule, fills, tag in rows:
            value = whole
            if member:
                value = whole.get(member) if isinstance(whole, dict) else None
            if value is not None and not (member == "user_id" and claude_session(value)):
                _read_body(fills, value, rule, tag, claims, tags)
    return claims


def generic_claims(told: Told) -> list[Claim]:
    """A session by the look of a field's name. Ask where nothing stronger named one."""
    names = [name for name in GENERIC_NAMES if name in told]
    names += sorted(name for name in told if name not in GENERIC_NAMES and is_generic(name))
    for name in names:
        text = readable(told[name])
        if field_of(name) is None and text is not None and _GENERIC_VALUE.fullmatch(text):
            return [_claim(Level.SESSION, text, "session", _GENERIC_CONFIDENCE)]
    return []


def _read_body(fills: Fills, value: Any, rule: str, tag: str, claims: list[Claim], tags: Tags) -> None:
    if fills is Fills.METADATA:
        read_object(value, tags)
    elif fills is Fills.TAGS:
        _read_words(value, tags)
    elif isinstance(value, str) and is_name(value):
        if fills is Fills.TAG:
            add_tag(tags, tag, value)
        else:
            claims.append(_claim(_LEVELS[fills], value, rule, _BODY_CONFIDENCE))


def _claim(level: Level, value: str, rule: str, confidence: float) -> Claim:
    return Claim(
        level=level,
        value=value,
        rule=rule,
        joins=level in _JOINING,
        is_name=level in _NAMED,
        confidence=confidence,
    )


# Reads one kind of row: the row, the field's name in lower case, all that was told. Adds claims and tags.
_Reader = Callable[[ForeignField, bytes, Told, list[Claim], Tags], None]


def _read_level(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    text = readable(told[name])
    if text is not None:
        claims.append(_claim(_LEVELS[field.fills], text, field.product, field.confidence))


def _read_tag(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    text = readable(told[name])
    if text is not None:
        key = field.tag or name[len(field.name) - 1 :].decode(errors="replace")
        add_tag(tags, key, text)


def _read_tags(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    _read_words(told[name].decode(errors="replace"), tags)


def _read_metadata(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    metadata: Tags = {}
    read_object(told[name], metadata)
    user = metadata.pop(field.key, "") if field.key else ""
    if user:
        claims.append(_claim(Level.USER, user, field.product, field.confidence))
    for key, text in metadata.items():
        add_tag(tags, key, text)


def _read_path(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    """`/parent/child` of a session: a part of it is a run, the part above its parent."""
    session = readable(told.get(b"helicone-session-id", b""))
    path = readable(told[name])
    if session is None or path is None:
        return
    parts = [part for part in path.split("/") if part]
    runs = [f"{session}/{'/'.join(parts[:depth])}" for depth in range(1, len(parts) + 1)]
    levels = (Level.RUN, Level.PARENT_RUN)
    for level, run in zip(levels, runs[:-3:-1], strict=False):
        claims.append(_claim(level, run, field.product, field.confidence))


def _read_trace(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    found = _TRACEPARENT.fullmatch(readable(told[name]) or "")
    if found is not None:
        claims.append(_claim(Level.RUN, found[1], field.product, field.confidence))


def _read_baggage(field: ForeignField, name: bytes, told: Told, claims: list[Claim], tags: Tags) -> None:
    members = dict(_members(told[name]))
    for key in sorted(members.keys() & _BAGGAGE.keys(), key=_BAGGAGE_RANKS.__getitem__):
        text, fills = members[key], _BAGGAGE[key]
        if fills is Fills.METADATA:
            read_object(text, tags)
        elif fills is Fills.TAGS:
            _read_words(text, tags)
        elif is_name(text):
            claims.append(_claim(_LEVELS[fills], text, field.product, field.confidence))
    for key, text in members.items():
        if key.startswith(_BAGGAGE_TAGS):
            add_tag(tags, key.removeprefix(_BAGGAGE_TAGS), text)
        elif key == _BAGGAGE_STEP:
            add_tag(tags, "step", text)


def _members(baggage: bytes) -> Iterator[tuple[str, str]]:
    """The members of a baggage header that are UTF-8 behind their percent signs."""
    for member in baggage.split(b",", _BAGGAGE_MEMBERS_MAX)[:_BAGGAGE_MEMBERS_MAX]:
        key, equals, value = member.partition(b";")[0].partition(b"=")
        if equals:
            try:
                yield key.strip().decode(), unquote(value.strip().decode(), errors="strict")
            except UnicodeDecodeError:
                continue


def _read_words(value: Any, tags: Tags) -> None:
    """Tags in a list, in the JSON of one, or as text between commas."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return
    words = value if isinstance(value, list) else [value]
    for word in words:
        if isinstance(word, str):
            read_list(word.encode(errors="replace"), tags)


_READERS: Mapping[Fills, _Reader] = {
    Fills.TAG: _read_tag,
    Fills.TAGS: _read_tags,
    Fills.METADATA: _read_metadata,
    Fills.PATH: _read_path,
    Fills.TRACE: _read_trace,
    Fills.BAGGAGE: _read_baggage,
}
