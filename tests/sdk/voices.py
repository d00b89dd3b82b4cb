"""How each API says the same, and how its official SDK asks: what a matrix of failures is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types as genai_types

from arc_proxy.demo.dialects import Chat, Dialect, Messages, Responses, Turn
from tests.sdk.script import frames

SCHEMA = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
ASKED = "Where is my order?"


class Gemini(Dialect):
    """generateContent, as Google's SDK reads it. Source: https://ai.google.dev/api/generate-content"""

    def reply(self, turn: Turn) -> dict[str, Any]:
        part = (
            {"functionCall": {"name": turn.tool, "args": turn.arguments}}
            if turn.tool
            else {"text": turn.text}
        )
        content = {"role": "model", "parts": [part] if turn.tool or turn.text else []}
        finish = "MAX_TOKENS" if turn.is_cut else "STOP"
        return {
            "candidates": [{"content": content, "finishReason": finish, "index": 0}],
            "usageMetadata": {
                "promptTokenCount": turn.input_tokens,
                "candidatesTokenCount": turn.output_tokens,
                "totalTokenCount": turn.input_tokens + turn.output_tokens,
            },
            "modelVersion": "gemini-2.5-flash",
            "responseId": turn.seed[:16],
        }

    def events(self, turn: Turn, body: dict[str, Any]) -> Any:
        first = self.reply(replace(turn, text=turn.text[: len(turn.text) // 2]))
        del first["candidates"][0]["finishReason"]
        if turn.text:
            yield None, first
        yield None, self.reply(replace(turn, text=turn.text[len(turn.text) // 2 :]))


@dataclass(frozen=True)
class Voice:
    """
    One API. `ask(url, headers, stream, more)` asks by the SDK and reads all of the answer; `error` is the
    body of an error with a word for its kind.
    """

    dialect: Dialect
    ask: Callable[[str, Mapping[str, str], bool, Mapping[str, Any]], Any]
    error: Callable[[int, str, str], dict[str, Any]]
    prefix: str

    def body(self, turn: Turn) -> bytes:
        return json.dumps(self.dialect.reply(turn)).encode()

    def pieces(self, turn: Turn) -> list[bytes]:
        return frames(self.dialect.events(turn, {"stream_options": {"include_usage": True}}))


@cache
def _openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="sk-none", base_url=url, max_retries=0)


@cache
def _anthropic(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="none", base_url=url, max_retries=0)


@cache
def _gemini(url: str) -> genai.Client:
    return genai.Client(api_key="none", http_options=genai_types.HttpOptions(base_url=url))


def _ask_chat(url: str, headers: Mapping[str, str], stream: bool, more: Mapping[str, Any]) -> Any:
    tools = [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}]
    messages: Any = [{"role": "user", "content": ASKED}]
    offered: Any = tools if more.get("tools") else openai.NOT_GIVEN
    made: Any = _openai(url).chat.completions.create(
        model="gpt-5",
        messages=messages,
        tools=offered,
        stream=stream,
        max_tokens=64,
        extra_body={"response_format": {"type": "json_object"}} if more.get("json") else {},
        extra_headers=headers,
    )
    return list(made) if stream else made


def _ask_responses(url: str, headers: Mapping[str, str], stream: bool, more: Mapping[str, Any]) -> Any:
    tools = [{"type": "function", "name": "look", "parameters": SCHEMA}]
    offered: Any = tools if more.get("tools") else openai.NOT_GIVEN
    made: Any = _openai(url).responses.create(
        model="gpt-5",
        input=ASKED,
        tools=offered,
        stream=stream,
        extra_body={"text": {"format": {"type": "json_object"}}} if more.get("json") else {},
        extra_headers=headers,
    )
    return list(made) if stream else made


def _ask_messages(url: str, headers: Mapping[str, str], stream: bool, more: Mapping[str, Any]) -> Any:
    offered: Any = [{"name": "look", "input_schema": SCHEMA}] if more.get("tools") else anthropic.NOT_GIVEN
    form = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    made: Any = _anthropic(url).messages.create(
        model="claude-haiku-4-5",
        max_tokens=64,
        messages=[{"role": "user", "content": ASKED}],
        tools=offered,
        stream=stream,
        extra_body=form if more.get("json") else {},
        extra_headers=headers,
    )
    return list(made) if stream else made


def _ask_gemini(url: str, headers: Mapping[str, str], stream: bool, more: Mapping[str, Any]) -> Any:
    look = genai_types.FunctionDeclaration(name="look", parameters_json_schema=SCHEMA)
    config = genai_types.GenerateContentConfig(
        tools=[genai_types.Tool(function_declarations=[look])] if more.get("tools") else None,
        response_mime_type="application/json" if more.get("json") else None,
        max_output_tokens=64,
        automatic_function_calling=genai_types.AutomaticFunctionCallingConfig(disable=True),
        http_options=genai_types.HttpOptions(headers=dict(headers)),
    )
    models = _gemini(url).models
    if stream:
        asked = models.generate_content_stream(model="gemini-2.5-flash", contents=ASKED, config=config)
        return list(asked)
    return models.generate_content(model="gemini-2.5-flash", contents=ASKED, config=config)


def _openai_error(_status: int, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


def _anthropic_error(_status: int, kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _google_error(status: int, kind: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": kind}}


VOICES = {
    "chat": Voice(Chat(), _ask_chat, _openai_error, "/openai/v1"),
    "responses": Voice(Responses(), _ask_responses, _openai_error, "/openai/v1"),
    "anthropic": Voice(Messages(), _ask_messages, _anthropic_error, "/anthropic"),
    "gemini": Voice(Gemini(), _ask_gemini, _google_error, "/gemini"),
}
