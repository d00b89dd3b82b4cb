"""
The dialect of OpenAI's completions, as they were before chat. No I/O.

Source: https://platform.openai.com/docs/api-reference/completions

Servers that keep prompts by name (Portkey) answer under the same path in the form of a chat.
"""

from __future__ import annotations

from collections.abc import Iterable

from arc_proxy.call import Prompt, Reply
from arc_proxy.wire import openai_chat
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, as_list, canonical, read_object
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "stream", "prompt", "suffix", "variables"})
_ASKED = ("prompt", "suffix", "variables")


def read_prompt(body: JsonObject) -> Prompt:
    asked = {field: body[field] for field in _ASKED if body.get(field)}
    return prompt_of(body, [], [asked] if asked else [], _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    return openai_chat.read_reply(_as_chat(body, "message"))


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    return openai_chat.read_stream(map(_as_chat_event, events))


def _as_chat_event(event: StreamEvent) -> StreamEvent:
    chunk = read_object(event.data)
    return event if chunk is None else event._replace(data=canonical(_as_chat(chunk, "delta")))


def _as_chat(body: JsonObject, field: str) -> JsonObject:
    """Each choice's text where a chat has its content."""
    choices = [
        {**choice, field: {"content": choice["text"]}}
        if isinstance(choice, dict) and isinstance(choice.get("text"), str)
        else choice
        for choice in as_list(body.get("choices"))
    ]
    return {**body, "choices": choices}


OPENAI_COMPLETIONS = Dialect(
    name="openai.completions", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
