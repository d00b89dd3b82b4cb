"""
What an agent's calls used of a model, from the requests and replies themselves. Pure.

Parameters are those of the dialect's own request:
https://platform.openai.com/docs/api-reference/chat/create, https://platform.openai.com/docs/api-reference/responses/create,
https://docs.claude.com/en/api/messages, https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from analysis.request import (
    DECLARATIONS,
    NAMESPACE,
    TOOLS_HEAD,
    mapping,
    output_limit,
    read_object,
    settings,
)
from arc_proxy.call import Prompt, Reply


class Need(StrEnum):
    """What a call may need of a model. Those with a word of LiteLLM's table are found in the price book."""

    TOOLS = "function_calling"
    PARALLEL_TOOLS = "parallel_function_calling"
    TOOL_CHOICE = "tool_choice"
    VISION = "vision"
    PDF = "pdf_input"
    AUDIO = "audio_input"
    SCHEMA = "response_schema"
    REASONING = "reasoning"
    SAMPLING = "sampling_params"
    PREFILL = "assistant_prefill"
    WEB_SEARCH = "web_search"
    COMPUTER = "computer_use"
    SERVER_TOOLS = "server_tools"
    CHOICES = "n"
    LOGPROBS = "logprobs"
    SEED = "seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The most that calls used. Token counts are those of the model that answered."""

    sampled: int = 0  # requests looked at for `needs`
    input_tokens_max: int = 0
    output_tokens_max: int = 0
    output_limit_max: int = 0  # the largest that a request asked for; the provider refuses more than it has
    needs: frozenset[Need] = frozenset()


def envelope_of(
    talks: Iterable[tuple[Prompt, Reply]], *, input_tokens_max: int = 0, output_tokens_max: int = 0
) -> Envelope:
    sampled, limit = 0, 0
    needs: set[Need] = set()
    for prompt, reply in talks:
        sampled += 1
        needs |= _needs(prompt, reply)
        asked = output_limit(prompt.parameters)
        limit = max(limit, asked[1] if asked else 0)
    return Envelope(
        sampled=sampled,
        input_tokens_max=input_tokens_max,
        output_tokens_max=output_tokens_max,
        output_limit_max=limit,
        needs=frozenset(needs),
    )


def _needs(prompt: Prompt, reply: Reply) -> set[Need]:
    asked = settings(prompt.parameters)
    checks = {
        Need.PARALLEL_TOOLS: len(reply.tool_calls) > 1,
        Need.TOOL_CHOICE: _is_forced(asked),
        Need.SCHEMA: _has_schema(asked),
        Need.REASONING: _asks_to_reason(asked),
        Need.SAMPLING: any(_given(asked, name) for name in ("temperature", "top_p", "top_k", "topP", "topK")),
        Need.PREFILL: bool(prompt.messages) and read_object(prompt.messages[-1]).get("role") == "assistant",
        Need.CHOICES: any((_number(asked.get(name)) or 1) > 1 for name in ("n", "candidateCount")),
        Need.LOGPROBS: any(asked.get(name) for name in ("logprobs", "top_logprobs", "responseLogprobs")),
        Need.SEED: _given(asked, "seed"),
    }
    found = {need for need, is_used in checks.items() if is_used}
    found |= _tools(prompt, reply)
    for message in prompt.messages:
        if not message.startswith(TOOLS_HEAD):
            found |= {need for need, signs in _PARTS.items() if any(sign in message for sign in signs)}
    return found


# Messages are canonical JSON, where a quote inside a text has a backslash: these stand in no text.
_PARTS: Mapping[Need, tuple[bytes, ...]] = {
    Need.VISION: (
        b'"type":"image"',
        b'"type":"image_url"',
        b'"type":"input_image"',
        b'"mimeType":"image/',
        b'"mime_type":"image/',
    ),
    Need.PDF: (b'"application/pdf"', b'"type":"document"', b'"type":"input_file"', b'"type":"file"'),
    Need.AUDIO: (b'"type":"input_audio"', b'"mimeType":"audio/', b'"mime_type":"audio/'),
}
# Types of tools that the client runs; all others the provider runs itself.
_OWN_TOOLS = frozenset({"function", "custom", NAMESPACE, None})


def _tools(prompt: Prompt, reply: Reply) -> set[Need]:
    found: set[Need] = set()
    if prompt.messages and prompt.messages[0].startswith(TOOLS_HEAD):
        tools = read_object(prompt.messages[0]).get("tools")
        for tool in tools if isinstance(tools, list) else ():
            found |= _kind_of_tool(tool) if isinstance(tool, dict) else set()
    if prompt.parameters.get("functions") or reply.tool_calls:
        found.add(Need.TOOLS)
    if reply.server_tools:
        found.add(Need.WEB_SEARCH if _is_search(reply.server_tools) else Need.SERVER_TOOLS)
    return found


def _kind_of_tool(tool: Mapping[str, Any]) -> set[Need]:
    kind = tool.get("type")
    named = [kind] if isinstance(kind, str) else list(tool)
    if any("computer" in name for name in named):
        return {Need.COMPUTER}
    if any("search" in name.lower() and "file" not in name.lower() for name in named):
        return {Need.WEB_SEARCH}
    if kind in _OWN_TOOLS and (kind or tool.keys() & {"name", "toolSpec", *DECLARATIONS}):
        return {Need.TOOLS}
    # Anthropic's own schemas that the client runs (bash, text editor, memory) are trained into a model, too.
    return {Need.SERVER_TOOLS}


def _is_search(names: Iterable[str]) -> bool:
    return all("search" in name and "file" not in name for name in names)


def _is_forced(asked: Mapping[str, Any]) -> bool:
    choice = asked.get("tool_choice", asked.get("toolChoice", asked.get("function_call")))
    if isinstance(choice, str):
        return choice in ("required", "any")
    if isinstance(choice, dict):
        return choice.get("type") not in ("auto", "none") and "auto" not in choice
    calling = mapping(mapping(asked.get("toolConfig")).get("functionCallingConfig"))
    return calling.get("mode") == "ANY"


def _has_schema(asked: Mapping[str, Any]) -> bool:
    forms = [
        asked.get("response_format"),
        asked.get("output_format"),
        mapping(asked.get("text")).get("format"),
        mapping(asked.get("output_config")).get("format"),
    ]
    by_form = any(mapping(form).get("type") == "json_schema" for form in forms)
    return by_form or bool(asked.get("responseSchema") or asked.get("responseJsonSchema"))


def _asks_to_reason(asked: Mapping[str, Any]) -> bool:
    effort = asked.get("reasoning_effort", mapping(asked.get("reasoning")).get("effort"))
    thinking = mapping(asked.get("thinking")).get("type")
    budget = mapping(asked.get("thinkingConfig")).get("thinkingBudget")
    return (
        effort not in (None, "none")
        or thinking not in (None, "disabled")
        or (asked.get("thinkingConfig") is not None and budget != 0)
    )


def _given(asked: Mapping[str, Any], name: str) -> bool:
    return asked.get(name) is not None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
