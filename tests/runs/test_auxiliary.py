"""Side traffic of real clients, and what only looks like it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Kind, Prompt
from arc_proxy.runs.auxiliary import CLIENTS, read_auxiliary
from arc_proxy.runs.framework import detect_framework, read_fields, read_opening
from arc_proxy.runs.signatures import PROGRAMS
from arc_proxy.wire.exchange import HttpExchange, read_exchange

HEADS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "framework_heads.json").read_bytes())

CLAUDE_CODE = {"user-agent": "claude-cli/2.1.197 (external, cli)"}
CODEX = {"user-agent": "codex_cli_rs/0.169.0", "originator": "codex_cli_rs"}
OPENCODE = {"user-agent": "opencode/1.18.33"}
GEMINI_CLI = {"user-agent": "GeminiCLI/0.61.0/gemini-3"}
SDK = {"user-agent": "OpenAI/Python 3.57.0"}
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages?beta=true", "/v1/responses"


def read(method: str, target: str, headers: dict[str, str], body: dict[str, Any] | None) -> str | None:
    sent = b"" if body is None else json.dumps(body).encode()
    reading = read_exchange(HttpExchange(method=method, url=target, request_body=sent))
    fields = read_fields([(name.encode(), value.encode()) for name, value in headers.items()])
    opening = read_opening(reading.prompt)
    return read_auxiliary(
        method,
        target,
        kind=reading.kind,
        endpoint=reading.endpoint,
        fields=fields,
        prompt=reading.prompt,
        opening=opening,
        framework=detect_framework(fields, opening, reading.prompt.parameters),
    )


@pytest.mark.parametrize("head", HEADS, ids=[f"{place} {head['client']}" for place, head in enumerate(HEADS)])
def test_a_real_clients_call_is_told_from_its_side_traffic(head: dict[str, Any]) -> None:
    found = read(head["method"], head["target"], dict(head["headers"]), head["body"])
    assert found == head["auxiliary"]


BY_ENDPOINT = {
    "a look whether anybody is there": ("HEAD", "/", "probe"),
    "Claude Code's look, on newer versions": ("HEAD", "/anthropic/api/hello", "probe"),
    "a browser's preflight": ("OPTIONS", CHAT, "probe"),
    "the root": ("GET", "/", "probe"),
    "what models there are": ("GET", "/v1/models?limit=1000", "models"),
    "one model": ("GET", "/v1/models/gpt-4o", "models"),
    "Ollama's models": ("GET", "/api/tags", "models"),
    "a count": ("POST", "/v1/messages/count_tokens", "count_tokens"),
    "a count of OpenAI's": ("POST", "/v1/responses/input_tokens", "count_tokens"),
    "a count of Google's": ("POST", "/v1beta/models/gemini-3:countTokens", "count_tokens"),
    "a stored response": ("GET", "/v1/responses/resp_1", "retrieval"),
    "a batch's state": ("GET", "/v1/messages/batches/b1", "retrieval"),
    "a batch's file": ("GET", "/v1/files/file-1/content", "retrieval"),
    "an upload": ("POST", "/v1/files", "storage"),
    "a conversation": ("POST", "/v1/conversations", "storage"),
    "cancelling": ("POST", "/v1/responses/resp_1/cancel", "storage"),
    "deleting": ("DELETE", "/v1/responses/resp_1", "storage"),
    "a generation": ("POST", CHAT, None),
    "an embedding": ("POST", "/v1/embeddings", None),
    "a new batch": ("POST", "/v1/messages/batches", None),
    "a moderation": ("POST", "/v1/moderations", None),
    "compacting by its own path, whoever asks": ("POST", "/v1/responses/compact", "compaction"),
}


@pytest.mark.parametrize(("method", "target", "kind"), BY_ENDPOINT.values(), ids=BY_ENDPOINT)
def test_method_and_path_say_what_makes_no_reply(method: str, target: str, kind: str | None) -> None:
    assert read(method, target, SDK, None) == kind


def test_an_upgrade_that_was_refused_is_no_retrieval() -> None:
    assert read("GET", RESPONSES, {**CODEX, "Upgrade": "WebSocket"}, None) == "handshake"


def asked(text: str | list[Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def told(system: str, text: str = "hi") -> dict[str, Any]:
    return {"model": "m", "system": system, "messages": [{"role": "user", "content": text}]}


def forked(text: str) -> dict[str, Any]:
    """A conversation of an agent's, with a request of the client's own at its end."""
    return {
        "model": "m",
        "system": "You are an agent.",
        "tools": [{"name": "Bash"}],
        "messages": [
            {"role": "user", "content": "fix it"},
            {"role": "assistant", "content": [{"type": "text", "text": "Done."}]},
            {"role": "user", "content": [{"type": "text", "text": text}]},
        ],
    }


def read_out(text: str) -> dict[str, Any]:
    """The same words, as a tool read them out of a file."""
    return {
        "model": "m",
        "messages": [
            {"role": "user", "content": "what does prompts.ts say?"},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": f'1\tconst a = "{text}'}],
            },
        ],
    }


COMPACT = "CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.\n\nYour task is to ..."
MONITOR = "You are a security monitor for autonomous AI coding agents.\n\n## Context"
TITLE = "You are a title generator. You output ONLY a thread title. Nothing else."
TURN = {"x-codex-turn-metadata": '{"request_kind":"turn"}'}

BY_CLIENT: dict[str, tuple[str, dict[str, str], dict[str, Any], str | None]] = {
    "Claude Code's monitor": (MESSAGES, CLAUDE_CODE, told(MONITOR), "permission"),
    "the same words of a user's own agent": (MESSAGES, SDK, told(MONITOR), None),
    "Claude Code compacts": (MESSAGES, CLAUDE_CODE, forked(COMPACT), "compaction"),
    "a user's own agent compacts": (MESSAGES, SDK, forked(COMPACT), None),
    "Claude Code reads its own words out of a file": (MESSAGES, CLAUDE_CODE, read_out(COMPACT), None),
    "its words in the middle of a user's": (MESSAGES, CLAUDE_CODE, forked(f"He said: {COMPACT}"), None),
    "Claude Code suggests": (MESSAGES, CLAUDE_CODE, forked("[SUGGESTION MODE: Suggest what"), "suggestion"),
    "Claude Code reads a page": (MESSAGES, CLAUDE_CODE, asked("\nWeb page content:\n---\nx"), "web"),
    "Claude Code looks at its quota": (MESSAGES, CLAUDE_CODE, asked("quota", max_tokens=1), "probe"),
    "opencode's title": (CHAT, OPENCODE, {"messages": [{"role": "system", "content": TITLE}]}, "title"),
    "a title generator of the user's": (
        CHAT,
        SDK,
        {"messages": [{"role": "system", "content": TITLE}]},
        None,
    ),
    "Codex' turn": (RESPONSES, {**CODEX, **TURN}, {"input": "fix it"}, None),
    "Codex' reviewer is a sub-agent": (
        RESPONSES,
        {**CODEX, **TURN, "x-openai-subagent": "review"},
        {"input": "fix it"},
        None,
    ),
    "Codex says that it compacts": (
        RESPONSES,
        {**CODEX, "x-codex-turn-metadata": '{"request_kind":"compaction"}'},
        {"input": "x"},
        "compaction",
    ),
    "Codex' older compaction": (
        RESPONSES,
        CODEX,
        {"input": "You are performing a CONTEXT CHECKPOINT COMPACTION. Create"},
        "compaction",
    ),
    "somebody else's metadata": (
        RESPONSES,
        {**SDK, "x-codex-turn-metadata": '{"request_kind":"compaction"}'},
        {"input": "x"},
        None,
    ),
    "metadata that is no JSON": (
        RESPONSES,
        {**CODEX, "x-codex-turn-metadata": "[" * 2000},
        {"input": "x"},
        None,
    ),
    "Gemini CLI's side calls are not streamed": (
        "/v1beta/models/gemini-3:generateContent",
        GEMINI_CLI,
        {"contents": []},
        "helper",
    ),
    "others do not stream their steps either": (
        "/v1beta/models/gemini-3:generateContent",
        SDK,
        {"contents": []},
        None,
    ),
    "aider's commit message": (
        CHAT,
        SDK,
        {
            "messages": [
                {
                    "role": "system",
                    "content": "You are an expert software engineer that generates concise, "
                    "one-line Git commit messages based on the provided diffs.\n",
                }
            ]
        },
        "commit",
    ),
    "a word for a token": (CHAT, SDK, asked("Hi", max_tokens=1), "probe"),
    "a word for a token, in the newer field": (CHAT, SDK, asked("ping", max_completion_tokens=1), "probe"),
    "a word in a block": (
        MESSAGES,
        SDK,
        asked([{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}], max_tokens=1),
        "probe",
    ),
    "a short question": (CHAT, SDK, asked("Is it spam?", max_tokens=1), None),
    "a classifier that reads one token": (CHAT, SDK, asked("Is this spam? " + "x" * 100, max_tokens=1), None),
    "a word whose probability is asked": (CHAT, SDK, asked("Hi", max_tokens=1, logprobs=True), None),
    "one token after a system prompt": (MESSAGES, SDK, {**told("Answer yes or no."), "max_tokens": 1}, None),
    "a word for two tokens": (CHAT, SDK, asked("Hi", max_tokens=2), None),
}


@pytest.mark.parametrize(("target", "headers", "body", "kind"), BY_CLIENT.values(), ids=BY_CLIENT)
def test_a_clients_words_count_with_its_own_signature(
    target: str, headers: dict[str, str], body: dict[str, Any], kind: str | None
) -> None:
    assert read("POST", target, headers, body) == kind


@pytest.mark.corpus
@pytest.mark.timeout(300)
def test_no_generation_that_others_recorded_is_taken_for_side_traffic(shared: Path) -> None:
    """Nine thousand calls of SDKs and frameworks, summaries and titles among them; no coding agent's."""
    kinds: Counter[tuple[Kind, str | None]] = Counter()
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        for line in lines:
            exchange = json.loads(line)
            body = (exchange["request_body"] or "").encode()
            reading = read_exchange(
                HttpExchange(method=exchange["method"], url=exchange["url"], request_body=body)
            )
            fields = read_fields([(k.encode(), v.encode()) for k, v in exchange["request_headers"].items()])
            opening = read_opening(reading.prompt)
            kind = read_auxiliary(
                exchange["method"],
                urlsplit(exchange["url"]).path,
                kind=reading.kind,
                endpoint=reading.endpoint,
                fields=fields,
                prompt=reading.prompt,
                opening=opening,
                framework=detect_framework(fields, opening, reading.prompt.parameters),
            )
            kinds[reading.kind, kind] += 1
    assert {kind for of, kind in kinds if of is not Kind.AUXILIARY} == {None}
    assert {kind for of, kind in kinds if of is Kind.AUXILIARY} == {
        "count_tokens",
        "models",
        "probe",
        "retrieval",
        "storage",
    }


def test_only_programs_have_words_of_their_own() -> None:
    assert set(CLIENTS) <= set(PROGRAMS)


@given(
    st.text(),
    st.text(),
    st.sampled_from(list(Kind)),
    st.lists(st.tuples(st.sampled_from([b"upgrade", b"x-codex-turn-metadata", b"a"]), st.binary())),
    st.lists(st.binary()),
    st.none() | st.sampled_from(PROGRAMS),
)
def test_whatever_a_client_sends_is_read(
    method: str,
    target: str,
    kind: Kind,
    headers: list[tuple[bytes, bytes]],
    messages: list[bytes],
    framework: str | None,
) -> None:
    prompt = Prompt(messages=tuple(messages), parameters={"max_tokens": 2})
    found = read_auxiliary(
        method,
        target,
        kind=kind,
        endpoint="other",
        fields=read_fields(headers),
        prompt=prompt,
        opening=read_opening(prompt),
        framework=framework,
    )
    if kind is Kind.AUXILIARY:
        assert found is not None
    elif kind is not Kind.GENERATION:
        assert found is None
