"""What coding agents say of themselves: sessions, runs, sub-agents with their parents."""

from __future__ import annotations

from typing import Any

import pytest

from arc_proxy.prefix import NO_PREFIX
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.native import claude_session
from arc_proxy.runs.said import read_claims

Headers = list[tuple[bytes, bytes]]

UUID = "e96634a3-fa28-4083-b354-55542e2dca01"
OLD_USER_ID = f"user_{'ab' * 32}_account__session_{UUID}"
OLD_USER_ID_WITH_ACCOUNT = f"user_{'ab' * 32}_account_11111111-2222-3333-4444-555555555555_session_{UUID}"
JSON_USER_ID = f'{{"device_id":"{"ab" * 32}","account_uuid":"","session_id":"{UUID}"}}'
CODEX = (b"User-Agent", b"codex_exec/0.169.0 (Debian 12; x86_64)")
OPENCODE = (b"User-Agent", b"opencode/1.18.33 ai-sdk/provider-utils/4.0 runtime/bun/1.3")

# Agent, headers, body, then run key, session and parent's key.
PLACES: dict[str, tuple[str, Headers, dict[str, Any], str | None, str | None, str | None]] = {
    "Claude Code": ("claude_code", [(b"X-Claude-Code-Session-Id", UUID.encode())], {}, UUID, UUID, None),
    "a sub-agent of Claude Code": (
        "claude_code",
        [(b"x-claude-code-session-id", b"s"), (b"x-claude-code-agent-id", b"a1")],
        {},
        "s/a1",
        "s",
        "s",
    ),
    "a sub-agent's sub-agent": (
        "claude_code",
        [
            (b"x-claude-code-session-id", b"s"),
            (b"x-claude-code-agent-id", b"a2"),
            (b"x-claude-code-parent-agent-id", b"a1"),
        ],
        {},
        "s/a2",
        "s",
        "s/a1",
    ),
    "Claude Code before it had headers": (
        "claude_code",
        [],
        {"metadata": {"user_id": OLD_USER_ID}},
        UUID,
        UUID,
        None,
    ),
    "Claude Code by its body's JSON": (
        "claude_code",
        [],
        {"metadata": {"user_id": JSON_USER_ID}},
        UUID,
        UUID,
        None,
    ),
    "Claude Code's header beats its body": (
        "claude_code",
        [(b"x-claude-code-session-id", b"by-header")],
        {"metadata": {"user_id": JSON_USER_ID}},
        "by-header",
        "by-header",
        None,
    ),
    "an agent id without a session": (
        "claude_code",
        [(b"x-claude-code-agent-id", b"a1")],
        {},
        None,
        None,
        None,
    ),
    "Codex at its root": (
        "codex",
        [CODEX, (b"session-id", b"s"), (b"thread-id", b"s")],
        {},
        "s",
        "s",
        None,
    ),
    "a child thread of Codex": (
        "codex",
        [CODEX, (b"session-id", b"s"), (b"thread-id", b"t1")],
        {},
        "s/t1",
        "s",
        "s",
    ),
    "a child of the root that names it": (
        "codex",
        [CODEX, (b"session-id", b"s"), (b"thread-id", b"t1"), (b"x-codex-parent-thread-id", b"s")],
        {},
        "s/t1",
        "s",
        "s",
    ),
    "a child thread's child": (
        "codex",
        [CODEX, (b"session-id", b"s"), (b"thread-id", b"t2"), (b"x-codex-parent-thread-id", b"t1")],
        {},
        "s/t2",
        "s",
        "s/t1",
    ),
    "a session id alone, which is no Codex turn": (
        "codex",
        [CODEX, (b"session-id", b"s")],
        {},
        None,
        None,
        None,
    ),
    "a thread id alone": ("codex", [CODEX, (b"thread-id", b"t")], {}, None, None, None),
    "an older Codex": ("codex", [(b"session_id", b"s"), (b"conversation_id", b"s")], {}, "s", "s", None),
    "an older Codex with one header": ("codex", [CODEX, (b"session_id", b"s")], {}, "s", "s", None),
    "that header of anybody else": ("codex", [(b"session_id", b"s")], {}, None, None, None),
    "Codex by its turn's metadata": (
        "codex",
        [
            (
                b"x-codex-turn-metadata",
                b'{"session_id":"s","thread_id":"t2","parent_thread_id":"t1","turn_id":"1"}',
            )
        ],
        {},
        "s/t2",
        "s",
        "s/t1",
    ),
    "Codex by its body": (
        "codex",
        [CODEX],
        {"client_metadata": {"session_id": "s", "thread_id": "t", "x-codex-parent-thread-id": "s"}},
        "s/t",
        "s",
        "s",
    ),
    "Codex by its cache key": ("codex", [CODEX], {"prompt_cache_key": "k"}, "k", "k", None),
    "a cache key of anybody else": ("codex", [], {"prompt_cache_key": "k"}, None, None, None),
    "opencode": (
        "opencode",
        [(b"x-session-id", b"ses_1"), (b"x-session-affinity", b"ses_1")],
        {},
        "ses_1",
        "ses_1",
        None,
    ),
    "opencode by its user agent": ("opencode", [OPENCODE, (b"X-Session-Id", b"abc")], {}, "abc", "abc", None),
    "a sub-agent of opencode": (
        "opencode",
        [OPENCODE, (b"x-session-id", b"ses_2"), (b"x-parent-session-id", b"ses_1")],
        {},
        "ses_2",
        "ses_1",
        "ses_1",
    ),
    "opencode's plugins": (
        "opencode",
        [(b"x-opencode-session", b"s"), (b"x-opencode-request", b"msg_1")],
        {},
        "s",
        "s",
        None,
    ),
    "Hermes": ("hermes", [(b"X-Hermes-Code-Session-Id", b"h")], {}, "h", "h", None),
    "Hermes in a lasting channel": (
        "hermes",
        [(b"X-Hermes-Session-Key", b"telegram:42"), (b"X-Hermes-Code-Session-Id", b"h")],
        {},
        "h",
        "telegram:42",
        None,
    ),
    "a channel of Hermes is no run": (
        "hermes",
        [(b"X-Hermes-Session-Key", b"telegram:42")],
        {},
        None,
        "telegram:42",
        None,
    ),
    "Dynamo": (
        "dynamo",
        [(b"X-Dynamo-Session-ID", b"run-42:researcher"), (b"X-Dynamo-Parent-Session-ID", b"run-42")],
        {},
        "run-42:researcher",
        "run-42:researcher",
        "run-42",
    ),
}


@pytest.mark.parametrize(("rule", "headers", "body", "run", "session", "parent"), PLACES.values(), ids=PLACES)
def test_coding_agents_name_their_places(
    rule: str,
    headers: Headers,
    body: dict[str, Any],
    run: str | None,
    session: str | None,
    parent: str | None,
) -> None:
    claims = [claim for claim in read_claims(headers, NO_PREFIX, body).claims if claim.rule == rule]
    values = {claim.level: claim.value for claim in claims}
    assert values == {
        level: value
        for level, value in ((Level.RUN, run), (Level.SESSION, session), (Level.PARENT_RUN, parent))
        if value is not None
    }
    for claim in claims:
        is_place = claim.level is not Level.PARENT_RUN
        assert (claim.joins, claim.separates) == (is_place, is_place)
        assert claim.is_name is (claim.level is Level.SESSION), "the id of the run itself is inferred"
        assert 0.9 <= claim.confidence <= 1.0


def test_a_session_that_is_over_says_so_in_a_tag() -> None:
    headers = [(b"x-dynamo-session-id", b"s"), (b"x-dynamo-session-final", b"true")]
    assert read_claims(headers, NO_PREFIX, {}).tags == {"session_final": "true"}


def test_two_different_ids_without_a_sign_of_codex_only_join() -> None:
    headers = [(b"session-id", b"s"), (b"thread-id", b"new with each request")]
    claims = read_claims(headers, NO_PREFIX, {}).claims
    assert [claim.separates for claim in claims] == [False, False, False]


USER_IDS: dict[str, tuple[Any, str | None]] = {
    "the old form": (OLD_USER_ID, UUID),
    "the old form with an account": (OLD_USER_ID_WITH_ACCOUNT, UUID),
    "JSON": (JSON_USER_ID, UUID),
    "somebody's own user id": ("user-4711", None),
    "somebody's own user id with a session in it": ("user_4711_session_12345678", None),
    "JSON of somebody else": ('{"session_id":"abc"}', None),
    "JSON that breaks off": (JSON_USER_ID[:-3], None),
    "JSON with another kind of session": ('{"device_id":"d","session_id":7}', None),
    "JSON that nests too deep": ("{" + '"device_id":[' * 5000, None),
    "half a surrogate pair": ('{"device_id":"\ud800"}', None),
    "no text": (7, None),
}


@pytest.mark.parametrize(("user_id", "session"), USER_IDS.values(), ids=USER_IDS)
def test_a_user_id_counts_only_in_claude_codes_forms(user_id: Any, session: str | None) -> None:
    assert claude_session(user_id) == session


def test_claude_codes_user_id_is_no_user() -> None:
    said = read_claims([], NO_PREFIX, {"metadata": {"user_id": OLD_USER_ID}})
    assert {claim.level for claim in said.claims} == {Level.RUN, Level.SESSION}


def test_another_user_id_is_a_user_and_nothing_else() -> None:
    said = read_claims([], NO_PREFIX, {"metadata": {"user_id": "user-4711"}})
    assert said.claims == (
        Claim(level=Level.USER, value="user-4711", rule="user", joins=False, is_name=True, confidence=0.8),
    )


HOSTILE = {
    "too long": b"x" * 201,
    "empty": b"",
    "a control character": b"a\x00b",
    "no UTF-8": b"\xff\xfe",
    "a line separator": "a\u2028b".encode(),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "name", ["x-claude-code-session-id", "x-opencode-session", "x-hermes-session-key", "x-dynamo-session-id"]
)
def test_a_hostile_id_is_none(name: str, value: bytes) -> None:
    assert read_claims([(name.encode(), value)], NO_PREFIX, {}) == ((), {}, ())
