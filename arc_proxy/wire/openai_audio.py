"""
The dialect of OpenAI's audio: what was said in a recording, or a text read aloud. No I/O.

Sources: https://platform.openai.com/docs/api-reference/audio/createTranscription and
https://platform.openai.com/docs/api-reference/audio/createSpeech

Recordings go up in multipart forms, which are no JSON: of such a request nothing is read. Speech comes down
as sound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from arc_proxy.call import Prompt, Reply
from arc_proxy.wire import unknown
from arc_proxy.wire.dialect import Dialect
from arc_proxy.wire.document import JsonObject, as_text, overlay, read_object
from arc_proxy.wire.prompt import prompt_of
from arc_proxy.wire.stream import StreamEvent

_PROMPT_FIELDS = frozenset({"model", "input", "instructions", "stream"})


def read_prompt(body: JsonObject) -> Prompt:
    asked = {field: body[field] for field in ("input", "instructions") if body.get(field)}
    return prompt_of(body, [], [asked] if asked else [], _PROMPT_FIELDS)


def read_reply(body: JsonObject) -> Reply:
    text = body.get("text")
    return replace(unknown.read_reply(body), output_text=text if isinstance(text, str) else None)


def read_stream(events: Iterable[StreamEvent]) -> Reply:
    pieces: list[str] = []
    whole: str | None = None
    usage: JsonObject | None = None
    count = 0
    for event in events:
        count += 1
        document = read_object(event.data) or {}
        match document.get("type"):
            case "transcript.text.delta":
                pieces.append(as_text(document.get("delta")) or "")
            case "transcript.text.done":
                whole = as_text(document.get("text")) or ""
        usage = overlay(usage, document.get("usage"))
    text = whole if whole is not None else "".join(pieces) if pieces else None
    return Reply(output_text=text, usage=usage, finished=whole is not None, events=count)


OPENAI_AUDIO = Dialect(
    name="openai.audio", read_prompt=read_prompt, read_reply=read_reply, read_stream=read_stream
)
