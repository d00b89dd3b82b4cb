"""
Ids that coding agents and agent harnesses send by themselves. They join and separate. No I/O.

The run's key is the session's id, with the sub-agent's behind it; a sub-agent's parent is claimed by the same
kind of key. The run's own id is inferred.

    claude_code   x-claude-code-session-id, -agent-id (a sub-agent's), -parent-agent-id (a nested one's);
                  else the session in the body's metadata.user_id, in Claude Code's two forms
    codex         session-id and thread-id: equal in the root, different in a child thread, nothing alone; the
                  older session_id and conversation_id; x-codex-turn-metadata, client_metadata; and, from
                  Codex alone, prompt_cache_key
    opencode      x-session-id, x-parent-session-id, x-opencode-session
    hermes        x-hermes-code-session-id, x-hermes-session-id; x-hermes-session-key is a lasting channel: a
                  session, and no run
    dynamo        x-dynamo-session-id, -parent-session-id; -session-final is a tag

Sources: https://code.claude.com/docs/en/llm-gateway-protocol, Codex 0.169, opencode 1.18 as recorded,
https://docs.nvidia.com/dynamo/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from arc_proxy.prefix import is_name
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.explicit import readable
from arc_proxy.runs.tags import Tags, add_tag

# Lower-case name -> the first value of that field.
Told = Mapping[bytes, bytes]
Parameters = Mapping[str, Any]

_CLAUDE_CODE = frozenset(
    {b"x-claude-code-session-id", b"x-claude-code-agent-id", b"x-claude-code-parent-agent-id"}
)
_CODEX = frozenset(
    {
        b"session-id",
        b"thread-id",
        b"session_id",
        b"conversation_id",
        b"x-codex-turn-metadata",
        b"x-codex-window-id",
        b"x-codex-parent-thread-id",
    }
)
_OPENCODE = frozenset(
    {
        b"x-session-id",
        b"x-parent-session-id",
        b"x-session-affinity",
        b"x-opencode-session",
        b"x-opencode-parent-session",
        b"x-opencode-request",
    }
)
_HERMES = frozenset({b"x-hermes-code-session-id", b"x-hermes-session-id", b"x-hermes-session-key"})
_DYNAMO = frozenset({b"x-dynamo-session-id", b"x-dynamo-parent-session-id", b"x-dynamo-session-final"})
NAMES = _CLAUDE_CODE | _CODEX | _OPENCODE | _HERMES | _DYNAMO
_CODEX_PARAMETERS = frozenset({"prompt_cache_key", "client_metadata"})
PARAMETERS = _CODEX_PARAMETERS | {"metadata"}

_OLD_USER_ID = re.compile(r"user_[0-9a-f]{8,128}_account_[0-9A-Za-z-]*_session_([0-9A-Za-z-]{8,64})")
_USER_ID_LEN_MAX = 4096


def native_claims(
    told: Told, parameters: Parameters, headers: Iterable[tuple[bytes, bytes]], tags: Tags
) -> list[Claim]:
    """The claims of one request, run before session before parent. `headers` are all of them."""
    claims = _claude_code(told, parameters)
    if not (_CODEX.isdisjoint(told) and _CODEX_PARAMETERS.isdisjoint(parameters)):
        claims += _codex(told, parameters, headers)
    if not _OPENCODE.isdisjoint(told):
        claims += _opencode(told, headers)
    if not _HERMES.isdisjoint(told):
        claims += _hermes(told)
    if not _DYNAMO.isdisjoint(told):
        claims += _dynamo(told, tags)
    return claims


def claude_session(user_id: Any) -> str | None:
    """The session in a `metadata.user_id` of Claude Code, in either of its forms; None in any other."""
    if not isinstance(user_id, str) or len(user_id) > _USER_ID_LEN_MAX:
        return None
    old = _OLD_USER_ID.fullmatch(user_id)
    if old is not None:
        return old[1]
    if not user_id.startswith("{"):
        return None
    form = json_object(user_id)
    if "device_id" not in form and "account_uuid" not in form:
        return None
    return _member(form, "session_id")


def _claude_code(told: Told, parameters: Parameters) -> list[Claim]:
    session = _text(told, b"x-claude-code-session-id")
    confidence = 1.0
    if session is None:
        metadata = parameters.get("metadata")
        session = claude_session(metadata.get("user_id")) if isinstance(metadata, dict) else None
        confidence = 0.95
    if session is None:
        return []
    agent = _text(told, b"x-claude-code-agent-id")
    if agent is None:
        return _place("claude_code", session, session, confidence=confidence)
    above = _text(told, b"x-claude-code-parent-agent-id")
    parent = session if above is None else f"{session}/{above}"
    return _place("claude_code", session, f"{session}/{agent}", parent=parent, confidence=confidence)


def _codex(told: Told, parameters: Parameters, headers: Iterable[tuple[bytes, bytes]]) -> list[Claim]:
    turn = json_object(told.get(b"x-codex-turn-metadata"))
    body = parameters.get("client_metadata")
    body = body if isinstance(body, dict) else {}
    pairs = (
        (_text(told, b"session-id"), _text(told, b"thread-id")),
        (_text(told, b"session_id"), _text(told, b"conversation_id")),
        (_member(turn, "session_id"), _member(turn, "thread_id")),
        (_member(body, "session_id"), _member(body, "thread_id")),
    )
    for session, thread in pairs:
        if session is None or thread is None:
            continue
        if session == thread:
            return _place("codex", session, session)
        above = (
            _text(told, b"x-codex-parent-thread-id")
            or _member(turn, "parent_thread_id")
            or _member(body, "x-codex-parent-thread-id")
        )
        parent = session if above is None or above == session else f"{session}/{above}"
        # Of another client, the thread may be a new one with each request.
        is_sure = _is_codex(told, headers)
        return _place("codex", session, f"{session}/{thread}", parent=parent, separates=is_sure)
    session, confidence = _text(told, b"session_id"), 1.0
    if session is None:
        session, confidence = _member(parameters, "prompt_cache_key"), 0.9
    if session is None or not _is_codex(told, headers):
        return []
    return _place("codex", session, session, confidence=confidence)


def _opencode(told: Told, headers: Iterable[tuple[bytes, bytes]]) -> list[Claim]:
    session = _text(told, b"x-opencode-session") or _text(told, b"x-session-id")
    if session is None:
        return []
    is_opencode = (
        b"x-opencode-session" in told
        or b"x-opencode-request" in told
        or session.startswith("ses_")
        or _text(told, b"x-session-affinity") == session
        or _user_agent(headers).startswith(b"opencode/")
    )
    if not is_opencode:
        return []  # see the generic rule in `foreign`
    parent = _text(told, b"x-parent-session-id") or _text(told, b"x-opencode-parent-session")
    # A child has a session id of its own, and is part of its parent's conversation.
    return _place("opencode", parent or session, session, parent=parent)


def _hermes(told: Told) -> list[Claim]:
    channel = _text(told, b"x-hermes-session-key")
    session = _text(told, b"x-hermes-code-session-id") or _text(told, b"x-hermes-session-id")
    if session is not None:
        return _place("hermes", channel or session, session)
    return [] if channel is None else [_claim(Level.SESSION, channel, "hermes")]


def _dynamo(told: Told, tags: Tags) -> list[Claim]:
    session = _text(told, b"x-dynamo-session-id")
    if session is None:
        return []
    if told.get(b"x-dynamo-session-final", b"").lower() == b"true":
        add_tag(tags, "session_final", "true")
    return _place("dynamo", session, session, parent=_text(told, b"x-dynamo-parent-session-id"))


def _place(
    rule: str,
    session: str,
    run: str,
    *,
    parent: str | None = None,
    confidence: float = 1.0,
    separates: bool = True,
) -> list[Claim]:
    """`run` and `parent` are keys of runs, `session` is the session's id."""
    claims = [
        _claim(Level.RUN, run, rule, confidence, separates=separates),
        _claim(Level.SESSION, session, rule, confidence, separates=separates),
    ]
    if parent is not None and parent != run:
        claims.append(
            Claim(level=Level.PARENT_RUN, value=parent, rule=rule, joins=False, confidence=confidence)
        )
    return claims


def _claim(level: Level, value: str, rule: str, confidence: float = 1.0, *, separates: bool = True) -> Claim:
    return Claim(
        level=level,
        value=value,
        rule=rule,
        separates=separates,
        is_name=level is Level.SESSION,
        confidence=confidence,
    )


def _is_codex(told: Told, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return (
        b"x-codex-turn-metadata" in told
        or b"x-codex-window-id" in told
        or b"codex" in _user_agent(headers).lower()
    )


def _user_agent(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return next((value for name, value in headers if name.lower() == b"user-agent"), b"")


def _text(told: Told, name: bytes) -> str | None:
    value = told.get(name)
    return None if value is None else readable(value)


def json_object(text: bytes | str | None) -> dict[str, Any]:
    """A JSON object, empty if the text is none."""
    if text is None:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _member(form: Mapping[str, Any], name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and is_name(value) else None
