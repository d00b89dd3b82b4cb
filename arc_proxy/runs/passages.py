"""
Passages: lines and sentences of some length, by which one text is found inside another. No I/O.

A supervisor's reply sends its workers off: a worker's first message repeats a line of the plan, or what the
supervisor wrote into a tool's arguments, among words of the framework's own. Both texts are cut at the same
places, so a part that was copied whole gives the same passages but for its two ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from arc_proxy.call import Prompt, Reply
from arc_proxy.runs.framework import is_system
from arc_proxy.runs.gist import Key, make_key, squeeze

PASSAGE_CHARS_MIN = 32  # white space not counted
PASSAGES_MAX = 128  # per text side of one call
TEXT_CHARS_MAX = 16_384

_CUTS = re.compile(r"[\n\r\t\"`*]+|[.!?:;]\s+|\\n|(?<!\w)'|'(?!\w)")
# smolagents puts the task of a managed agent into a page of its own words.
_MANAGED_TASK = re.compile(
    r"You're a helpful agent named '[^'\n]*'\.\n[^\n]*\n---\nTask:\n(.*)\n---\nYou're helping your manager",
    re.DOTALL,
)


def issued_passages(reply: Reply) -> tuple[Key, ...]:
    """Of the answer's text and of what it passes to tools."""
    texts = [reply.output_text or ""]
    for call in reply.tool_calls:
        try:
            texts += _strings(orjson.loads(call.arguments))
        except orjson.JSONDecodeError:
            texts.append(call.arguments)
    return tuple(_passages(texts))


def brief_passages(prompt: Prompt) -> tuple[Key, ...]:
    """
    Of the messages by which a conversation begins, before an assistant has spoken.

    What stands in the system prompt, too, is the framework's own. Of a very long brief these are the first
    PASSAGES_MAX.
    """
    spoken: list[str] = []
    opening: list[str] = []
    for message in prompt.messages:
        if message.startswith((b'{"tools":', b'{"functions":')):
            continue
        (opening if is_system(message) else spoken).extend(_strings(orjson.loads(message)))
    brief = _passages(map(_task, spoken))
    if brief and opening:
        own = _passages(opening)
        brief = {key: None for key in brief if key not in own}
    return tuple(brief)


def _task(text: str) -> str:
    managed = _MANAGED_TASK.search(text)
    return managed[1] if managed else text


def _passages(texts: Iterable[str]) -> dict[Key, None]:
    passages: dict[Key, None] = {}
    left = TEXT_CHARS_MAX
    for text in texts:
        for piece in _CUTS.split(text[:left]):
            if len(piece) < PASSAGE_CHARS_MIN:
                continue
            squeezed = squeeze(piece).rstrip(".!?:;,")
            if len(squeezed) >= PASSAGE_CHARS_MIN:
                passages[make_key(b"passage", squeezed.encode(errors="replace"))] = None
                if len(passages) >= PASSAGES_MAX:
                    return passages
        left -= len(text)
        if left <= 0:
            break
    return passages


def _strings(value: Any) -> Iterator[str]:
    """All texts in a value, a tool's arguments and a message's fields alike."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
