"""
The noun Turn: one response on a WebSocket and what it answers; and who makes turns of messages. No I/O.

    client messages  -> what is asked     server messages -> what is answered, until the turn is over

A reader is a fold over the messages of both directions in the order in which they came. It gives out a turn
when that is over; `open_turns` are those that are not, as far as they have come. Turns are numbered from 1 in
the order in which they began, so that reading the same bytes again gives the same numbers.

What a reader remembers is bounded: TURN_BYTES_MAX of one response's events (of what stands beyond only the
end counts, which says all of it again), and what its dialect says of a conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from arc_proxy.call import Kind, Prompt, Reply
from arc_proxy.errors import WireError
from arc_proxy.wire.credentials import cut_credentials, may_hold_credentials
from arc_proxy.wire.document import JsonObject, canonical_or_none, read_object, to_bytes, to_text
from arc_proxy.wire.media import stub_media
from arc_proxy.wire.websocket import Message, Opcode

TURN_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Times are on the clock of the messages. Credentials are cut, media replaced by stubs."""

    number: int
    dialect: str
    endpoint: str
    kind: Kind
    started_ns: int  # the request was said
    first_byte_ns: int | None  # first message of the answer
    ended_ns: int  # last message
    request: bytes  # canonical JSON of the message that asked; b"" where none did
    prompt: Prompt
    reply: Reply
    status: int | None = None  # of an error that names one
    counts_more: bool = False  # the usage may be a part of what was used
    request_bytes: int = 0
    response_bytes: int = 0


class TurnReader(Protocol):
    """One WebSocket's dialect."""

    def read(self, message: Message) -> Iterator[Turn]:
        """The turns that this message ends. Never raises."""
        ...

    def open_turns(self) -> list[Turn]: ...

    def state(self) -> JsonObject:
        """All that is remembered, as JSON values."""
        ...

    def restore(self, state: JsonObject) -> None:
        """Go on where that one was. Raises ValueError, KeyError or TypeError for what is no state."""
        ...


def said_in(message: Message) -> JsonObject | None:
    """The JSON object that a message is, credentials cut; None if it is something else."""
    if message.opcode not in (Opcode.TEXT, Opcode.BINARY):
        return None
    body = read_object(message.data)
    if body is None or not may_hold_credentials(message.data):
        return body
    try:
        return cut_credentials(body)
    except WireError:
        return None


def stubbed(prompt: Prompt) -> Prompt:
    return replace(prompt, messages=tuple(map(stub_media, prompt.messages)))


def stub_reply(reply: Reply) -> Reply:
    return reply if reply.message is None else replace(reply, message=stub_media(reply.message))


def request_of(body: JsonObject) -> bytes:
    """A message that asks, as it is kept. b"" for one that cannot be written again."""
    return stub_media(canonical_or_none(body) or b"")


@dataclass(slots=True)
class OpenTurn:
    """A turn that is not over: what asked for it, and the events that came since."""

    number: int
    lane: str | None  # which of several conversations, or which response
    started_ns: int
    request: bytes = b""
    request_bytes: int = 0
    prompt: Prompt | None = None  # as it was when the answer began, where that is known no more at its end
    first_byte_ns: int | None = None
    last_ns: int = 0
    response_bytes: int = 0
    kept_bytes: int = 0
    events: list[bytes] = field(default_factory=list)

    def hear(self, message: Message) -> None:
        """An event of the answer came."""
        if self.first_byte_ns is None:
            self.first_byte_ns = message.at_ns
        self.last_ns = message.at_ns
        self.response_bytes += len(message.data)

    def keep(self, event: JsonObject, *, is_last: bool = False) -> None:
        """Keep what it says. Of more than TURN_BYTES_MAX only the end is kept."""
        written = canonical_or_none(event)
        if written is None:
            return
        if is_last or self.kept_bytes + len(written) <= TURN_BYTES_MAX:
            self.kept_bytes += len(written)
            self.events.append(written)

    def state(self) -> JsonObject:
        return {
            "number": self.number,
            "lane": self.lane,
            "started_ns": self.started_ns,
            "request": to_text(self.request),
            "request_bytes": self.request_bytes,
            "prompt": None if self.prompt is None else _prompt_state(self.prompt),
            "first_byte_ns": self.first_byte_ns,
            "last_ns": self.last_ns,
            "response_bytes": self.response_bytes,
            "kept_bytes": self.kept_bytes,
            "events": [to_text(event) for event in self.events],
        }

    @classmethod
    def restored(cls, state: JsonObject) -> Self:
        """Raises TypeError or KeyError for what is no state."""
        read = {
            "request": to_bytes(state["request"]),
            "prompt": None if state["prompt"] is None else _restored_prompt(state["prompt"]),
            "events": [to_bytes(event) for event in state["events"]],
        }
        return cls(**(state | read))


def restored_turns(states: Iterable[Any]) -> list[OpenTurn]:
    return [OpenTurn.restored(state) for state in states]


def _prompt_state(prompt: Prompt) -> JsonObject:
    return {
        "model": prompt.model,
        "stream": prompt.stream,
        "messages": [to_text(message) for message in prompt.messages],
        "parameters": dict(prompt.parameters),
    }


def _restored_prompt(state: JsonObject) -> Prompt:
    return Prompt(**(state | {"messages": tuple(map(to_bytes, state["messages"]))}))
