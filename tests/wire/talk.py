"""What two sides say on a WebSocket, for tests of its dialects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from arc_proxy.wire.turn import Turn, TurnReader
from arc_proxy.wire.websocket import Direction, Message, Opcode

Said = tuple[Direction, dict[str, Any]]


def up(kind: str, **fields: Any) -> Said:
    return Direction.UP, {"type": kind, **fields}


def down(kind: str, **fields: Any) -> Said:
    return Direction.DOWN, {"type": kind, **fields}


def messages(said: Iterable[Said]) -> list[Message]:
    """At 10, 20, 30 ... ns."""
    return [
        Message(direction, Opcode.TEXT, json.dumps(body).encode(), 10 * number)
        for number, (direction, body) in enumerate(said, 1)
    ]


def turns(reader: TurnReader, said: Iterable[Said]) -> list[Turn]:
    """All that are over."""
    return [turn for message in messages(said) for turn in reader.read(message)]


def restored(make: type[TurnReader], reader: TurnReader) -> TurnReader:
    """Put away as JSON, and made anew."""
    again = make()
    again.restore(json.loads(json.dumps(reader.state())))
    return again
