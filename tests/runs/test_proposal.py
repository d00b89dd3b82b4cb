"""Proposed names: equal for prompts that differ in dates, ids and numbers only, different for others."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.call import Prompt
from arc_proxy.runs.framework import read_opening
from arc_proxy.runs.proposal import normal, propose_agent, propose_version

WEATHER = {"function": {"description": "weather", "name": "get_weather"}, "type": "function"}
CLOCK = {"function": {"description": "time", "name": "get_time"}, "type": "function"}


def prompt(
    system: str | None = None, *, tools: list[Any] | None = None, model: str = "m", **parameters: Any
) -> Prompt:
    messages: list[dict[str, Any]] = [{"tools": tools}] if tools else []
    if system is not None:
        messages.append({"content": system, "role": "system"})
    messages.append({"content": "hi", "role": "user"})
    return Prompt(
        model=model,
        messages=tuple(orjson.dumps(message, option=orjson.OPT_SORT_KEYS) for message in messages),
        parameters=parameters,
    )


def agent(asked: Prompt, framework: str | None = "openai-python", auxiliary: str | None = None) -> str | None:
    return propose_agent(framework, read_opening(asked), auxiliary)


def version(asked: Prompt, framework: str | None = "openai-python", user_agent: bytes = b"x") -> str | None:
    return propose_version(framework, user_agent, asked, read_opening(asked))


def test_a_framework_gives_its_name() -> None:
    assert agent(prompt("You are a helper."), "langgraph") == "langgraph"


def test_an_sdk_gives_a_name_made_of_the_prompt_and_the_same_for_any_sdk() -> None:
    name = agent(prompt("You are a helper."))
    assert name is not None
    assert (
        name == agent(prompt("You are a helper."), "openai-node") == agent(prompt("You are a helper."), None)
    )
    assert name.startswith("agent-")
    assert len(name) == len("agent-3f9a2c")


def test_a_call_without_system_prompt_and_tools_is_called_by_what_made_it() -> None:
    assert agent(prompt()) == "openai-python"
    assert agent(prompt(), None) is None


def test_a_call_on_the_side_is_called_by_its_program_or_not_at_all() -> None:
    assert agent(prompt("You are a title generator."), "opencode", "title") == "opencode"
    assert agent(prompt("You are a helper."), "openai-python", "count_tokens") is None


SAME = {
    "dates in numbers": ("Today is 2026-11-26 08:21.", "Today is 2025-01-02 17:05."),
    "dates in words": ("It is Thursday, November 26, 2026, 8 AM.", "It is Mon, May 4, 2025, 11 PM."),
    "ids": (f"Session {uuid.UUID(int=1)}!", f"Session {uuid.UUID(int=2**128 - 1)}!"),
    "ids in capitals": (f"Session {uuid.UUID(int=1)}!", f"Session {str(uuid.UUID(int=2**127)).upper()}!"),
    "ids without dashes": (f"id {uuid.UUID(int=1).hex}.", f"id {uuid.UUID(int=2**128 - 1).hex}."),
    "counts": ("You have 3 tickets.", "You have 1,204 tickets.".replace(",", "")),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_changes_from_run_to_run_does_not_count(one: str, other: str) -> None:
    assert one != other
    assert agent(prompt(one)) == agent(prompt(other))
    assert version(prompt(one)) == version(prompt(other))


DIFFERENT = {
    "another prompt": (prompt("You are a."), prompt("You are b.")),
    "words that begin like months": (prompt("You do Marketing."), prompt("You do Monitoring.")),
    "other tools": (prompt("x", tools=[WEATHER]), prompt("x", tools=[CLOCK])),
    "more tools": (prompt("x", tools=[WEATHER]), prompt("x", tools=[WEATHER, CLOCK])),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_other_agents_have_other_names_and_versions(one: Prompt, other: Prompt) -> None:
    assert agent(one) != agent(other)
    assert version(one) != version(other)


VERSIONS = {
    "another model": (prompt("x"), prompt("x", model="n")),
    "another temperature": (prompt("x", temperature=0), prompt("x", temperature=0.5)),
    "a tool described otherwise": (
        prompt("x", tools=[WEATHER]),
        prompt(
            "x", tools=[{"function": {"description": "climate", "name": "get_weather"}, "type": "function"}]
        ),
    ),
    "a prompt that differs far behind": (prompt("x" * 90_000 + "y"), prompt("x" * 90_000 + "z")),
}


@pytest.mark.parametrize(("one", "other"), VERSIONS.values(), ids=VERSIONS)
def test_one_agent_has_versions(one: Prompt, other: Prompt) -> None:
    assert agent(one) == agent(other)
    assert version(one) != version(other)


UNCOUNTED = {
    "the order of tools": (prompt("x", tools=[WEATHER, CLOCK]), prompt("x", tools=[CLOCK, WEATHER])),
    "a schema of the same tool": (
        prompt("x", tools=[WEATHER]),
        prompt("x", tools=[{"function": {"name": "get_weather", "parameters": {}}, "type": "function"}]),
    ),
}


@pytest.mark.parametrize(("one", "other"), UNCOUNTED.values(), ids=UNCOUNTED)
def test_an_agent_is_the_same_with_its_tools_in_another_form(one: Prompt, other: Prompt) -> None:
    assert agent(one) == agent(other)


def test_ids_of_a_request_make_no_version() -> None:
    plain = version(prompt("x"))
    assert plain is not None
    assert plain.startswith("v-")
    assert plain == version(prompt("x", user="u", prompt_cache_key="k", seed=3, metadata={"a": "b"}))


def test_no_messages_make_no_version() -> None:
    assert version(Prompt(model="m")) is None


PROGRAMS = {
    "Claude Code": ("claude-code", b"claude-cli/2.1.197 (external, cli)", "2.1.197"),
    "Codex": ("codex", b"codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm", "0.169.0"),
    "Gemini CLI": ("gemini-cli", b"GeminiCLI-tui/0.61.0/gemini-3.1-pro (linux; x64)", "0.61.0"),
    "opencode": ("opencode", b"opencode/1.18.33 ai-sdk/provider-utils/4.0.23", "1.18.33"),
}


@pytest.mark.parametrize(("framework", "user_agent", "said"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_has_the_version_that_it_says(framework: str, user_agent: bytes, said: str) -> None:
    assert (
        version(prompt("one"), framework, user_agent) == version(prompt("b"), framework, user_agent) == said
    )


def test_the_version_of_an_sdk_is_not_that_of_the_agent() -> None:
    assert version(prompt("x"), "openai-python", b"OpenAI/Python 3.57.0") == version(prompt("x"))
    assert version(prompt("x"), "aider", b"OpenAI/Python 2.20.0") == version(prompt("x"))


def test_parameters_that_cannot_be_written_do_not_count() -> None:
    assert version(prompt("x", temperature=2**80)) == version(prompt("x"))


@given(st.text(), st.uuids(), st.uuids(), st.integers(min_value=0), st.integers(min_value=0))
def test_any_prompt_with_other_ids_and_numbers_is_the_same(
    text: str, one: uuid.UUID, other: uuid.UUID, number: int, count: int
) -> None:
    assert normal(f"{text} {one} {number}".encode()) == normal(f"{text} {other} {count}".encode())


@given(st.binary(), st.binary())
def test_whatever_a_client_sends_is_read(system: bytes, tools: bytes) -> None:
    asked = Prompt(messages=(b'{"tools":' + tools, system + b'"role":"system"', b"x"))
    assert agent(asked)
    assert version(asked)
