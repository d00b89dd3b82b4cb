"""
OpenAI's responses over a WebSocket, also at xAI, Azure and in Codex. No I/O.

    client   {"type": "response.create", ... the body of a POST}
    server   the events of a stream, one message each, until response.completed, .failed or .incomplete, or
             {"type": "error", "status": 429, "error": {...}}

With `stream_id` several conversations share one WebSocket: what one of them asks is answered in its order,
and each event names it. A response that nobody asked for (one that was steered goes on in another) is a turn
too.

Sources: https://developers.openai.com/api/docs/guides/websocket-mode,
https://docs.x.ai/developers/advanced-api-usage/websocket-mode
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from arc_proxy.call import Kind, Prompt
from arc_proxy.errors import WireError
from arc_proxy.wire.document import JsonObject, as_object, as_text, read_object
from arc_proxy.wire.openai_responses import OPENAI_RESPONSES, TERMINAL_EVENTS
from arc_proxy.wire.stream import StreamEvent
from arc_proxy.wire.turn import (
    OpenTurn,
    Turn,
    request_of,
    restored_turns,
    said_in,
    stub_reply,
    stubbed,
)
from arc_proxy.wire.websocket import Direction, Message

_CREATE = "response.create"
_ERROR = "error"
_TRANSPORT = ("type", "stream_id")
# Requests that wait for an answer; a server that answers none would else fill the memory.
_OPEN_MAX = 256


class ResponsesTurns:
    def __init__(self, model: str | None = None) -> None:
        """`model` is what the URL names, where the messages do not."""
        self._model = model
        self._count = 0
        self._open: list[OpenTurn] = []

    def read(self, message: Message) -> Iterator[Turn]:
        body = said_in(message)
        if body is None:
            return
        kind = as_text(body.get("type"))
        if message.direction is Direction.UP:
            if kind == _CREATE:
                yield from self._ask(body, message)
            return
        turn = self._turn_of(body, kind, message)
        if turn is None:
            return
        turn.hear(message)
        is_last = kind in TERMINAL_EVENTS or kind == _ERROR
        turn.keep(body, is_last=is_last)
        if is_last:
            self._open.remove(turn)
            yield _as_turn(turn, self._model)

    def open_turns(self) -> list[Turn]:
        return [_as_turn(turn, self._model) for turn in self._open]

    def state(self) -> JsonObject:
        return {"count": self._count, "open": [turn.state() for turn in self._open]}

    def restore(self, state: JsonObject) -> None:
        self._count = int(state["count"])
        self._open = restored_turns(state["open"])

    def _ask(self, body: JsonObject, message: Message) -> Iterator[Turn]:
        if len(self._open) >= _OPEN_MAX:
            yield _as_turn(self._open.pop(0), self._model)
        turn = self._begin(as_text(body.get("stream_id")), message.at_ns)
        turn.request, turn.request_bytes = request_of(body), len(message.data)

    def _begin(self, lane: str | None, at_ns: int) -> OpenTurn:
        self._count += 1
        turn = OpenTurn(self._count, lane, at_ns, last_ns=at_ns)
        self._open.append(turn)
        return turn

    def _turn_of(self, body: JsonObject, kind: str | None, message: Message) -> OpenTurn | None:
        """The turn that an event belongs to; None for what speaks of none."""
        if kind is None or not (kind == _ERROR or kind.startswith("response.")):
            return None
        lane = as_text(body.get("stream_id"))
        turn = next((each for each in self._open if each.lane == lane), None)
        if turn is None and kind in ("response.created", _ERROR):
            turn = self._begin(lane, message.at_ns)
        return turn


def _as_turn(turn: OpenTurn, model: str | None) -> Turn:
    body = read_object(turn.request) if turn.request else None
    prompt = Prompt()
    if body is not None:
        asked = {name: value for name, value in body.items() if name not in _TRANSPORT}
        try:
            prompt = OPENAI_RESPONSES.read_prompt(asked)
        except WireError:
            prompt = Prompt(model=as_text(asked.get("model")))
    events = [StreamEvent("message", event) for event in turn.events]
    try:
        reply = OPENAI_RESPONSES.read_stream(events)
    except WireError:
        reply = replace(OPENAI_RESPONSES.read_stream([]), events=len(events))
    # An error that answers no request speaks of the connection, and nothing was made.
    is_made = body is not None or reply.response_id is not None
    return Turn(
        number=turn.number,
        dialect=OPENAI_RESPONSES.name,
        endpoint="responses",
        kind=Kind.GENERATION if is_made else Kind.AUXILIARY,
        started_ns=turn.started_ns,
        first_byte_ns=turn.first_byte_ns,
        ended_ns=turn.last_ns,
        request=turn.request,
        prompt=replace(stubbed(prompt), model=prompt.model or model, stream=True),
        reply=stub_reply(reply),
        status=_status(turn),
        request_bytes=turn.request_bytes,
        response_bytes=turn.response_bytes,
    )


def _status(turn: OpenTurn) -> int | None:
    """What the same error would have had as an HTTP status, where it says so."""
    last = as_object(read_object(turn.events[-1])) if turn.events else {}
    if last.get("type") != _ERROR:
        return None
    for name in ("status", "status_code"):
        status = last.get(name)
        if isinstance(status, int) and 400 <= status <= 599:
            return status
    return None
