"""Detection against what 76 real clients sent, and how one framework follows from several calls."""

from __future__ import annotations

import gzip
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Prompt
from arc_proxy.runs.framework import (
    detect_framework,
    is_client,
    more_specific,
    read_fields,
    read_opening,
)
from arc_proxy.runs.signatures import FRAMEWORKS, HTTP_CLIENTS, PROGRAMS, SDKS, SIGNATURES
from arc_proxy.wire.exchange import HttpExchange, read_exchange

# Recorded on 26 November 2026 from each client's own traffic; texts shortened, ids and keys left out.
HEADS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "framework_heads.json").read_bytes())
NAMES = (*PROGRAMS, *FRAMEWORKS, *SDKS, *HTTP_CLIENTS)

OPENAI_PYTHON = {"user-agent": "OpenAI/Python 3.57.0", "x-stainless-package-version": "3.57.0"}
ASKED = {"role": "user", "content": "hi"}


def detect(headers: dict[str, str], body: dict[str, Any], target: str = "/v1/chat/completions") -> str | None:
    prompt = read_prompt(target, body)
    fields = read_fields([(name.encode(), value.encode()) for name, value in headers.items()])
    return detect_framework(fields, read_opening(prompt), prompt.parameters)


def read_prompt(target: str, body: dict[str, Any] | None) -> Prompt:
    sent = b"" if body is None else json.dumps(body).encode()
    return read_exchange(HttpExchange(method="POST", url=target, request_body=sent)).prompt


@pytest.mark.parametrize("head", HEADS, ids=[f"{place} {head['client']}" for place, head in enumerate(HEADS)])
def test_a_real_client_is_recognised(head: dict[str, Any]) -> None:
    assert detect(dict(head["headers"]), head["body"], head["target"]) == head["framework"]


CASES: dict[str, tuple[dict[str, str], dict[str, Any], str | None]] = {
    "nothing known": ({"user-agent": "my-agent/1.0"}, {"messages": [ASKED]}, None),
    "no user agent": ({}, {"messages": [ASKED]}, None),
    "Azure's client of the SDK": ({"user-agent": "AsyncAzureOpenAI/Python 1.35.8"}, {}, "openai-python"),
    "the SDK in Ruby": ({"user-agent": "OpenAI::Client/Ruby 0.36.0"}, {}, "openai-ruby"),
    "case does not matter": ({"User-Agent": "CLAUDE-CLI/2.1 (external, cli)"}, {}, "claude-code"),
    "a wrapper that quotes Claude Code behind its own name": ({"user-agent": "x claude-cli/2"}, {}, None),
    "Claude Code under the TypeScript SDK": (
        {"user-agent": "claude-cli/2.1.197 (external, sdk-ts)"},
        {},
        "claude-agent-sdk",
    ),
    "Strands on Bedrock": ({"user-agent": "Boto3/1.44 md/x strands-agents"}, {}, "strands"),
    "LangChain on Bedrock": (
        {"user-agent": "Boto3/1.44 md/x x-client-framework:langchain-aws"},
        {},
        "langchain",
    ),
    "Cline through OpenRouter": ({**OPENAI_PYTHON, "X-Title": "Cline"}, {}, "cline"),
    "a title that only begins like Cline's": ({**OPENAI_PYTHON, "X-Title": "Clinell"}, {}, "openai-python"),
    "with_raw_response on the plain SDK": (
        {**OPENAI_PYTHON, "x-stainless-raw-response": "true", "x-stainless-read-timeout": "600"},
        {"messages": [ASKED]},
        "openai-python",
    ),
    "with_raw_response on an SDK that never said its timeout": (
        {
            "user-agent": "OpenAI/Python 1.54.4",
            "x-stainless-package-version": "1.54.4",
            "x-stainless-raw-response": "true",
        },
        {"messages": [ASKED]},
        "openai-python",
    ),
    "Pydantic AI behind Google's SDK": (
        {"user-agent": "google-genai-sdk/2.34.0 gl-python/3.11.7 pydantic-ai/2.68.0"},
        {},
        "pydantic-ai",
    ),
    "a program whose name ends like Pydantic AI's": ({"user-agent": "my-pydantic-ai/1.0"}, {}, None),
    "a timeout of 60 s without LlamaIndex' temperature": (
        {**OPENAI_PYTHON, "x-stainless-read-timeout": "60.0"},
        {"messages": [ASKED], "temperature": 0.2},
        "openai-python",
    ),
    "LlamaIndex' temperature without its timeout": (
        {**OPENAI_PYTHON, "x-stainless-read-timeout": "600"},
        {"messages": [ASKED], "temperature": 0.1},
        "openai-python",
    ),
    "a user's own words about smolagents": (
        OPENAI_PYTHON,
        {
            "messages": [
                {"role": "user", "content": "You are an expert assistant who can solve any task using x"}
            ]
        },
        "openai-python",
    ),
    "CrewAI over LiteLLM": (
        {**OPENAI_PYTHON, "x-stainless-raw-response": "true", "x-stainless-read-timeout": "600.0"},
        {"messages": [{"role": "system", "content": "You are R.\nYour personal goal is: win"}, ASKED]},
        "crewai",
    ),
    "a developer message is a system prompt": (
        OPENAI_PYTHON,
        {"messages": [{"role": "developer", "content": "Act as an expert software developer."}, ASKED]},
        "aider",
    ),
    "ADK's words at the end of a long prompt": (
        {**OPENAI_PYTHON},
        {
            "messages": [
                {
                    "role": "system",
                    "content": "x" * 9000 + '\n\nYou are an agent. Your internal name is "bot".',
                }
            ]
        },
        "google-adk",
    ),
}


@pytest.mark.parametrize(("headers", "body", "framework"), CASES.values(), ids=CASES)
def test_detects(headers: dict[str, str], body: dict[str, Any], framework: str | None) -> None:
    assert detect(headers, body) == framework


# Whose recordings may show which framework: their own, or those of who instruments it.
RECORDED_BY = {
    "crewai": {"crewAIInc/crewAI", "Arize-ai/openinference", "alibaba/loongsuite-python-agent"},
    "dspy": {"Arize-ai/openinference", "vicentereig/dspy.rb"},
    "fantasy": {"charmbracelet/fantasy"},
    "litellm": {
        "crewAIInc/crewAI",
        "Arize-ai/openinference",
        "alibaba/loongsuite-python-agent",
        "AgentOps-AI/agentops",
    },
    "agent-framework": {"Arize-ai/openinference"},
    "google-adk": {
        "alibaba/loongsuite-python-agent",
        "Arize-ai/openinference",
        "langchain-ai/langsmith-sdk",
        "newrelic/newrelic-python-agent",
    },
    "instructor": {"Arize-ai/openinference", "crewAIInc/crewAI"},
    "langchain": {"alibaba/loongsuite-python-agent"},
    "openai-agents": {"langchain-ai/langsmith-sdk"},
    "pydantic-ai": {"Arize-ai/openinference"},
    "smolagents": {"Arize-ai/openinference"},
}


@pytest.mark.corpus
@pytest.mark.timeout(300)
def test_in_others_recordings_no_framework_is_seen_where_there_is_none(shared: Path) -> None:
    """Most of the nine thousand are of SDKs alone, with timeouts and temperatures of all kinds."""
    seen: dict[str, set[str]] = {}
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        for line in lines:
            exchange = json.loads(line)
            body = (exchange["request_body"] or "").encode()
            prompt = read_exchange(
                HttpExchange(method=exchange["method"], url=exchange["url"], request_body=body)
            ).prompt
            fields = read_fields([(k.encode(), v.encode()) for k, v in exchange["request_headers"].items()])
            framework = detect_framework(fields, read_opening(prompt), prompt.parameters)
            if framework is not None and not is_client(framework):
                seen.setdefault(framework, set()).add(exchange["source_repo"])
    assert seen.keys() == RECORDED_BY.keys()
    assert [
        (name, found - RECORDED_BY[name]) for name, found in seen.items() if found - RECORDED_BY[name]
    ] == []


def test_every_signature_names_a_framework_of_the_order_and_its_source() -> None:
    assert {signature.framework for signature in SIGNATURES} <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    assert all(signature.source.startswith(("seen", "corpus", "code")) for signature in SIGNATURES)


MIXES = {
    "LangGraph over LangChain over the SDK": ({"openai-python", "langchain", "langgraph"}, "langgraph"),
    "a probe beside an agent": ({"bun", "claude-code"}, "claude-code"),
    "a coding agent beside a framework": ({"crewai", "codex"}, "codex"),
    "a name told by the tracer beats what is detected": ({"langgraph", "our-own"}, "our-own"),
    "two names that were told": ({"b-frame", "a-frame"}, "a-frame"),
}


@pytest.mark.parametrize(("names", "framework"), MIXES.values(), ids=MIXES)
def test_the_most_specific_framework_of_a_run_counts(names: set[str], framework: str) -> None:
    for order in permutations(names):
        found: str | None = None
        for name in order:
            found = more_specific(found, name)
        assert found == framework


some_name = st.none() | st.sampled_from(NAMES) | st.text(min_size=1)


@given(some_name, some_name, some_name)
def test_the_order_of_a_runs_calls_does_not_matter(one: str, two: str, three: str) -> None:
    assert more_specific(one, two) == more_specific(two, one)
    assert more_specific(one, more_specific(two, three)) == more_specific(more_specific(one, two), three)
    assert more_specific(one, one) == one


@given(
    st.lists(st.tuples(st.binary(), st.binary())),
    st.lists(st.binary()),
    st.dictionaries(st.sampled_from(["n", "temperature", "x"]), st.integers() | st.floats() | st.text()),
)
def test_whatever_a_client_sends_is_read(
    headers: list[tuple[bytes, bytes]], messages: list[bytes], parameters: dict[str, Any]
) -> None:
    opening = read_opening(Prompt(messages=tuple(messages)))
    found = detect_framework(read_fields(headers), opening, parameters)
    assert found is None or found in NAMES


def test_an_sdk_is_no_name_for_an_agent_and_a_framework_is_one() -> None:
    assert [is_client(name) for name in ("openai-python", "curl", "langgraph", "codex")] == [
        True,
        True,
        False,
        False,
    ]
