"""
Gemini's Live API. No I/O.

    client   {"setup": {...}} once, then {"clientContent": {"turns": [...]}}, {"realtimeInput": ...}
             (sound, video, text) or {"toolResponse": {...}}
    server   {"serverContent": {...}}, {"toolCall": {...}}, with "usageMetadata" beside; a turn is over at
             `turnComplete`. Messages are JSON in text or in binary frames.

A turn is one call, whatever tools it asked for on its way. Its usage is what the server said last; of one to
which several counts were given nobody says whether they add up, so it is a part.

Source: https://ai.google.dev/api/live
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arc_proxy.call import Kind, Prompt, Reply
from arc_proxy.errors import WireError
from arc_proxy.wire.document import (
    JsonObject,
    as_list,
    as_object,
    as_text,
    canonical_or_none,
    read_object,
)
from arc_proxy.wire.gemini_generate import GEMINI_GENERATE
from arc_proxy.wire.stream import StreamEvent
from arc_proxy.wire.turn import OpenTurn, Turn, request_of, restored_turns, said_in, stub_reply, stubbed
from arc_proxy.wire.websocket import Direction, Message

NAME = "gemini.live"
ENDPOINT = "BidiGenerateContent"

TALK_BYTES_MAX = 2 * 1024 * 1024
_ANSWERS = ("serverContent", "toolCall")


class LiveTurns:
    def __init__(self, model: str | None = None) -> None:
        self._setup: JsonObject = {} if model is None else {"model": model}
        self._talk: list[bytes] = []  # contents so far, canonical JSON
        self._count = 0
        self._open: OpenTurn | None = None

    def read(self, message: Message) -> Iterator[Turn]:
        body = said_in(message)
        if body is None:
            return
        if message.direction is Direction.UP:
            self._read_client(body, message)
            return
        if self._open is None and not any(name in body for name in _ANSWERS):
            return
        turn = self._open or self._begin(message)
        turn.hear(message)
        turn.keep(_bare(body))
        content = as_object(body.get("serverContent"))
        if content.get("turnComplete") is True:
            self._open = None
            ended = self._as_turn(turn)
            if ended.reply.message is not None:
                self._say(ended.reply.message)
            yield ended

    def open_turns(self) -> list[Turn]:
        return [] if self._open is None else [self._as_turn(self._open)]

    def state(self) -> JsonObject:
        return {
            "setup": self._setup,
            "talk": [each.decode(errors="replace") for each in self._talk],
            "count": self._count,
            "open": [] if self._open is None else [self._open.state()],
        }

    def restore(self, state: JsonObject) -> None:
        self._setup = dict(state["setup"])
        self._talk = [text.encode() for text in state["talk"]]
        self._count = int(state["count"])
        self._open = next(iter(restored_turns(state["open"])), None)

    def _read_client(self, body: JsonObject, message: Message) -> None:
        if isinstance(body.get("setup"), dict):
            self._setup = body["setup"]
            return
        # The SDKs write the names of protocol buffers, and of JSON.
        said = as_object(body.get("clientContent") or body.get("client_content"))
        answers = as_object(body.get("toolResponse") or body.get("tool_response"))
        if not said and not answers:
            return  # sound: the turn begins when it is answered
        if self._open is None:
            turn = self._begin(message)
            turn.request, turn.request_bytes = request_of(body), len(message.data)
        for content in as_list(said.get("turns")):
            self._write(content)
        given = answers.get("functionResponses") or answers.get("function_responses")
        responses = [{"functionResponse": each} for each in as_list(given)]
        if responses:
            self._write({"role": "user", "parts": responses})

    def _begin(self, message: Message) -> OpenTurn:
        self._count += 1
        self._open = OpenTurn(self._count, None, message.at_ns, last_ns=message.at_ns)
        return self._open

    def _write(self, content: Any) -> None:
        written = canonical_or_none(content)
        if written is not None:
            self._say(written)

    def _say(self, content: bytes) -> None:
        self._talk.append(content)
        while sum(map(len, self._talk)) > TALK_BYTES_MAX and len(self._talk) > 1:
            self._talk.pop(0)

    def _as_turn(self, turn: OpenTurn) -> Turn:
        try:
            asked = GEMINI_GENERATE.read_prompt(self._setup | {"contents": []})
        except WireError:
            asked = Prompt()
        prompt = Prompt(
            model=_model(self._setup),
            stream=True,
            messages=(*asked.messages, *self._talk),
            parameters=asked.parameters,
        )
        return Turn(
            number=turn.number,
            dialect=NAME,
            endpoint=ENDPOINT,
            kind=Kind.GENERATION,
            started_ns=turn.started_ns,
            first_byte_ns=turn.first_byte_ns,
            ended_ns=turn.last_ns,
            request=turn.request,
            prompt=stubbed(prompt),
            reply=stub_reply(_reply(turn.events, _model(self._setup))),
            counts_more=sum(b'"usageMetadata":{' in event for event in turn.events) > 1,
            request_bytes=turn.request_bytes,
            response_bytes=turn.response_bytes,
        )


def _model(setup: JsonObject) -> str | None:
    name = as_text(setup.get("model"))
    return name.removeprefix("models/") if name else None


def _bare(body: JsonObject) -> JsonObject:
    """A server's message without its sound."""
    content = as_object(body.get("serverContent"))
    turn = as_object(content.get("modelTurn"))
    parts = [part for part in as_list(turn.get("parts")) if "inlineData" not in as_object(part)]
    if len(parts) == len(as_list(turn.get("parts"))):
        return body
    return body | {"serverContent": content | {"modelTurn": turn | {"parts": parts}}}


def _reply(events: list[bytes], model: str | None) -> Reply:
    """As the chunks of a stream of the same provider, which these are in other words."""
    chunks: list[StreamEvent] = []
    usage: JsonObject | None = None
    is_complete, was_interrupted = False, False
    for event in events:
        body = as_object(read_object(event))
        content = as_object(body.get("serverContent"))
        parts = list(as_list(as_object(content.get("modelTurn")).get("parts")))
        spoken = as_text(as_object(content.get("outputTranscription")).get("text"))
        if spoken:
            parts.append({"text": spoken})
        calls = as_list(as_object(body.get("toolCall")).get("functionCalls"))
        parts += [{"functionCall": call} for call in calls]
        if parts:
            chunks += _chunk(parts)
        if isinstance(body.get("usageMetadata"), dict):
            usage = body["usageMetadata"]
        is_complete = is_complete or content.get("turnComplete") is True
        was_interrupted = was_interrupted or content.get("interrupted") is True
    try:
        read = GEMINI_GENERATE.read_stream(chunks)
    except WireError:
        read = Reply()
    reason = "interrupted" if was_interrupted else "turnComplete" if is_complete else None
    return Reply(
        model=model,
        finish_reason=reason,
        output_text=read.output_text,
        tool_calls=read.tool_calls,
        usage=usage,
        message=read.message,
        finished=is_complete,
        events=len(events),
    )


def _chunk(parts: list[Any]) -> list[StreamEvent]:
    written = canonical_or_none({"candidates": [{"content": {"role": "model", "parts": parts}}]})
    return [] if written is None else [StreamEvent("message", written)]
