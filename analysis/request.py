"""
What a request asks for, in whatever dialect: parameters, the tools it offers, the form of its answer. Pure.

Sources: https://platform.openai.com/docs/api-reference/chat/create,
https://platform.openai.com/docs/api-reference/responses/create,
https://docs.anthropic.com/en/api/messages, https://ai.google.dev/api/generate-content and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from arc_proxy.call import Prompt

TOOLS_HEAD = b'{"tools":'  # of the first message, where tools are offered

_OPENING_ROLES = ("system", "developer")
# In canonical JSON a quote inside a text has a backslash, so these stand in no text.
_OPENING_SIGNS = (b'"role":"system"', b'"role":"developer"')
_SETTINGS = ("generationConfig", "generation_config", "inferenceConfig")
# Gemini's word for lists of the client's tools, in both spellings.
DECLARATIONS = ("functionDeclarations", "function_declarations")
# Tools that OpenAI's responses have under a common name; Codex puts those of an MCP server into one.
NAMESPACE = "namespace"
_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens")
_SCHEMA_KEYS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema", "inputSchema")


@dataclass(frozen=True, slots=True)
class Form:
    """The form that an answer should have. `schema` None: any JSON."""

    schema: Mapping[str, Any] | None


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def read_object(message: bytes) -> Mapping[str, Any]:
    """A message; empty where it cannot be read, as one that is nested too deeply."""
    try:
        return mapping(json.loads(message))
    except (ValueError, RecursionError):
        return {}


def texts_of(message: Mapping[str, Any]) -> Iterator[str]:
    """What a message says, without its calls, results and thoughts."""
    content = message.get("content", message.get("parts"))
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought"):
                yield part["text"]


def settings(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """All parameters on one level: Gemini's and Bedrock's lie one down."""
    flat = dict(parameters)
    for name in _SETTINGS:
        flat |= mapping(parameters.get(name))
    return flat


def output_limit(parameters: Mapping[str, Any]) -> tuple[str, int] | None:
    """The parameter that limits the answer, and its tokens; None where nothing does."""
    asked = settings(parameters)
    found = [(name, value) for name in _LIMITS if type(value := asked.get(name)) is int and value > 0]
    return max(found, key=lambda each: each[1], default=None)


def opening(prompt: Prompt) -> int:
    """How many messages stand before the conversation: the tools, and system prompts."""
    for place, message in enumerate(prompt.messages):
        is_opening = message.startswith(TOOLS_HEAD) or (
            any(sign in message for sign in _OPENING_SIGNS)
            and read_object(message).get("role") in _OPENING_ROLES
        )
        if not is_opening:
            return place
    return len(prompt.messages)


def offered_tools(prompt: Prompt) -> Mapping[str, Mapping[str, Any]]:
    """
    The client's tools by name, each with its JSON schema, {} where it has none. Those of a namespace stand
    under their own names, as calls have them; the schema of a name that two namespaces have is {}.
    """
    if not prompt.messages or not prompt.messages[0].startswith(TOOLS_HEAD):
        return {}
    return _offered(prompt.messages[0])


@lru_cache(maxsize=32)
def _offered(message: bytes) -> dict[str, Mapping[str, Any]]:
    """Read once: an agent offers the same tools with each call."""
    tools = read_object(message).get("tools")
    offered: dict[str, Mapping[str, Any]] = {}
    for name, schema in _tools(tools if isinstance(tools, list) else []):
        offered[name] = schema if offered.get(name, schema) == schema else {}
    return offered


def _tools(tools: list[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for tool in filter(None, map(mapping, tools)):
        if tool.get("type") == NAMESPACE:
            yield from _tools(tool["tools"] if isinstance(tool.get("tools"), list) else [])
            continue
        for listed in DECLARATIONS:
            yield from _tools(tool[listed] if isinstance(tool.get(listed), list) else [])
        inner = mapping(tool.get("function")) or mapping(tool.get("toolSpec")) or tool
        name = inner.get("name")
        if isinstance(name, str):
            schema = next((found for key in _SCHEMA_KEYS if (found := mapping(inner.get(key)))), {})
            yield name, mapping(schema.get("json")) or schema


def wanted_form(parameters: Mapping[str, Any]) -> Form | None:
    """The form that the request prescribes for its answer; None where it prescribes none."""
    asked = settings(parameters)
    for form in (
        mapping(asked.get("response_format")),
        mapping(asked.get("output_format")),
        mapping(mapping(asked.get("text")).get("format")),
        mapping(mapping(asked.get("output_config")).get("format")),
    ):
        if form.get("type") == "json_schema":
            inner = mapping(form.get("json_schema")) or form
            return Form(mapping(inner.get("schema")) or None)
        if form.get("type") == "json_object":
            return Form(None)
    schema = mapping(asked.get("responseJsonSchema"))
    if schema:
        return Form(schema)
    return Form(None) if asked.get("responseMimeType") == "application/json" else None
