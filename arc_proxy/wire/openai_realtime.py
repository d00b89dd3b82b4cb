"""
OpenAI's realtime API, by its general and its beta names. No I/O.

    session.created, session.updated      model, instructions, tools: the server's word, and until it speaks
                                          that of the client's session.update
    conversation.item.*                   the conversation so far
    response.create, or a pause in speech what a response answers
    response.created ... response.done    the response; the last event carries all of it, with its usage
    ...input_audio_transcription.completed what was heard, written down by a model of its own: a turn too
    error                                 of the request that it names, else of the session

Audio is not kept: of what was heard and said there is the transcript. A conversation of more than
ITEMS_BYTES_MAX loses its beginning here, as it does at the server.

Sources: https://platform.openai.com/docs/api-reference/realtime-client-events, .../realtime-server-events
and https://platform.openai.com/docs/guides/realtime-conversations
"""

from __future__ import annotations

from collections.abc import Iterator

from arc_proxy.call import Kind, Prompt, Reply
from arc_proxy.errors import WireError
from arc_proxy.wire.document import (
    JsonObject,
    as_list,
    as_object,
    as_text,
    canonical,
    read_object,
)
from arc_proxy.wire.realtime_items import Items
from arc_proxy.wire.realtime_reply import KEPT_EVENTS, read_reply
from arc_proxy.wire.turn import OpenTurn, Turn, request_of, restored_turns, said_in, stubbed
from arc_proxy.wire.websocket import Direction, Message

NAME = "openai.realtime"
ENDPOINT = "realtime"
TRANSCRIPTION = "openai.audio"

# Half of the traffic and nothing to read: known by the first words of a message.
_SOUND = (b"input_audio_buffer.append", b"response.output_audio.delta", b"response.audio.delta")
_SOUND_WORDS_WITHIN = 160
_HEARD = "conversation.item.input_audio_transcription.completed"
_OPEN_MAX = 64
_NO_PARAMETERS = frozenset({"model", "instructions", "tools", "id", "object", "expires_at", "client_secret"})


class RealtimeTurns:
    def __init__(self, model: str | None = None) -> None:
        """`model` is what the URL names; the server's word holds over it."""
        self._asked_model = model
        self._session: JsonObject = {}
        self._items = Items()
        self._count = 0
        self._waiting: list[OpenTurn] = []  # asked for, and not begun
        self._open: list[OpenTurn] = []
        self._heard_ns: int | None = None  # when the speech ended that the next response answers

    def read(self, message: Message) -> Iterator[Turn]:
        start = message.data[:_SOUND_WORDS_WITHIN]
        if any(words in start for words in _SOUND):
            self._note_sound(message)
            return
        body = said_in(message)
        kind = as_text(body.get("type")) if body is not None else None
        if body is None or kind is None:
            return
        if message.direction is Direction.UP:
            yield from self._read_client(kind, body, message)
        else:
            yield from self._read_server(kind, body, message)

    def open_turns(self) -> list[Turn]:
        turns = sorted([*self._waiting, *self._open], key=lambda turn: turn.number)
        return [self._as_turn(turn) for turn in turns]

    def state(self) -> JsonObject:
        return {
            "session": self._session,
            "items": self._items.state(),
            "count": self._count,
            "waiting": [turn.state() for turn in self._waiting],
            "open": [turn.state() for turn in self._open],
            "heard_ns": self._heard_ns,
        }

    def restore(self, state: JsonObject) -> None:
        self._session = dict(state["session"])
        self._items = Items.restored(state["items"])
        self._count = int(state["count"])
        self._waiting = restored_turns(state["waiting"])
        self._open = restored_turns(state["open"])
        self._heard_ns = state["heard_ns"]

    def _read_client(self, kind: str, body: JsonObject, message: Message) -> Iterator[Turn]:
        if kind == "response.create":
            if len(self._waiting) >= _OPEN_MAX:
                yield self._as_turn(self._waiting.pop(0))
            turn = self._begin(message.at_ns)
            turn.request, turn.request_bytes = request_of(body), len(message.data)
            self._waiting.append(turn)
        elif kind == "session.update":
            self._session = self._session | as_object(body.get("session"))
        elif kind == "conversation.item.create":
            self._items.propose(as_object(body.get("item")))

    def _read_server(self, kind: str, body: JsonObject, message: Message) -> Iterator[Turn]:
        match kind:
            case "session.created" | "session.updated":
                self._session = self._session | as_object(body.get("session"))
            case "conversation.item.created" | "conversation.item.added" | "conversation.item.done":
                self._items.add(as_object(body.get("item")), as_text(body.get("previous_item_id")))
            case "conversation.item.deleted":
                self._items.remove(as_text(body.get("item_id")))
            case "input_audio_buffer.committed" | "input_audio_buffer.speech_stopped":
                self._heard_ns = message.at_ns
            case "response.created":
                yield from self._open_response(body, message)
            case "response.done":
                yield from self._close_response(body, message)
            case "error":
                yield self._fail(body, message)
            case _ if kind == _HEARD:
                self._items.heard(as_text(body.get("item_id")), as_text(body.get("transcript")))
                yield self._transcription(body, message)
            case _ if kind.startswith("response."):
                turn = self._turn_of(body)
                if turn is not None:
                    turn.hear(message)
                    if kind in KEPT_EVENTS:
                        turn.keep(body)

    def _note_sound(self, message: Message) -> None:
        """Its first piece is the first that a listener hears."""
        if message.direction is Direction.DOWN and self._open:
            self._open[-1].hear(message)

    def _begin(self, at_ns: int) -> OpenTurn:
        self._count += 1
        return OpenTurn(self._count, None, at_ns, last_ns=at_ns)

    def _open_response(self, body: JsonObject, message: Message) -> Iterator[Turn]:
        if self._waiting:
            turn = self._waiting.pop(0)
        else:  # the server heard a pause
            turn = self._begin(message.at_ns if self._heard_ns is None else self._heard_ns)
        self._heard_ns = None
        turn.lane = as_text(as_object(body.get("response")).get("id"))
        turn.hear(message)
        turn.first_byte_ns = None  # it says that it begins, not what
        turn.prompt = self._prompt(turn.request)
        if len(self._open) >= _OPEN_MAX:
            yield self._as_turn(self._open.pop(0))
        self._open.append(turn)

    def _close_response(self, body: JsonObject, message: Message) -> Iterator[Turn]:
        turn = self._turn_of(body)
        if turn is None:
            return
        turn.hear(message)
        turn.keep(body, is_last=True)
        self._open.remove(turn)
        for item in as_list(as_object(body.get("response")).get("output")):
            self._items.add(as_object(item), None)
        yield self._as_turn(turn)

    def _fail(self, body: JsonObject, message: Message) -> Turn:
        """Of the request that waits, if the error may be its answer; else of what the client did beside."""
        named = as_text(as_object(body.get("error")).get("event_id"))
        for turn in self._waiting:
            asked = as_object(read_object(turn.request))
            if named is None or asked.get("event_id") == named:
                self._waiting.remove(turn)
                turn.hear(message)
                turn.keep(body, is_last=True)
                return self._as_turn(turn)
        turn = self._begin(message.at_ns)
        turn.hear(message)
        turn.keep(body, is_last=True)
        return self._as_turn(turn, kind=Kind.AUXILIARY)

    def _turn_of(self, body: JsonObject) -> OpenTurn | None:
        response_id = as_text(body.get("response_id")) or as_text(as_object(body.get("response")).get("id"))
        found = next((turn for turn in self._open if turn.lane == response_id), None)
        return found or (self._open[0] if self._open and response_id is None else None)

    def _transcription(self, body: JsonObject, message: Message) -> Turn:
        self._count += 1
        usage = body.get("usage")
        started_ns = message.at_ns if self._heard_ns is None else self._heard_ns
        model = self._transcription_model()
        return Turn(
            number=self._count,
            dialect=TRANSCRIPTION,
            endpoint="audio",
            kind=Kind.MEDIA,
            started_ns=started_ns,
            first_byte_ns=message.at_ns,
            ended_ns=message.at_ns,
            request=b"",
            prompt=Prompt(model=model),
            reply=Reply(
                model=model,
                output_text=as_text(body.get("transcript")),
                usage=usage if isinstance(usage, dict) else None,
                finished=True,
            ),
            response_bytes=len(message.data),
        )

    def _transcription_model(self) -> str | None:
        heard = as_object(as_object(self._session.get("audio")).get("input")).get("transcription")
        beta = self._session.get("input_audio_transcription")
        return as_text(as_object(heard or beta).get("model"))

    def _prompt(self, request: bytes) -> Prompt:
        """What the model sees when a response begins."""
        asked = as_object(as_object(read_object(request) if request else None).get("response"))
        said = self._session | {name: value for name, value in asked.items() if name != "input"}
        messages = []
        try:
            if said.get("tools"):
                messages.append(canonical({"tools": said["tools"]}))
            if said.get("instructions"):
                messages.append(canonical({"role": "system", "content": said["instructions"]}))
            own = asked.get("input")
            messages += self._items.chosen(own) if isinstance(own, list) else self._items.messages()
        except WireError:
            messages = []
        parameters = {name: value for name, value in said.items() if name not in _NO_PARAMETERS}
        return stubbed(
            Prompt(model=self._model(), stream=True, messages=tuple(messages), parameters=parameters)
        )

    def _model(self) -> str | None:
        return as_text(self._session.get("model")) or self._asked_model

    def _as_turn(self, turn: OpenTurn, kind: Kind = Kind.GENERATION) -> Turn:
        prompt = turn.prompt
        if prompt is None:  # it never began
            prompt = self._prompt(turn.request) if kind is Kind.GENERATION else Prompt()
        return Turn(
            number=turn.number,
            dialect=NAME,
            endpoint=ENDPOINT,
            kind=kind,
            started_ns=turn.started_ns,
            first_byte_ns=turn.first_byte_ns,
            ended_ns=turn.last_ns,
            request=turn.request,
            prompt=prompt,
            reply=read_reply(turn.events, self._model()),
            request_bytes=turn.request_bytes,
            response_bytes=turn.response_bytes,
        )
