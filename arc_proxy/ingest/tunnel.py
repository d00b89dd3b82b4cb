"""
The bytes of one WebSocket, read as they come: what each response said, as soon as it has. No I/O.

Nothing of the bytes is kept but what frames and dialect need to go on (`wire.websocket`, `wire.turn`). So a
socket that is open for a day takes no more memory than one of a minute, and can be put away (`state`) and
gone on with from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from arc_proxy.journal.head import RequestHead, ResponseHead
from arc_proxy.wire.document import JsonObject
from arc_proxy.wire.sockets import make_turn_reader
from arc_proxy.wire.turn import Turn
from arc_proxy.wire.websocket import Direction, FrameReader, Message, read_deflate

SWITCHED = 101
_EXTENSIONS = b"sec-websocket-extensions"


class Tunnel(Protocol):
    """What becomes of a tunnel's bytes."""

    def feed(self, direction: Direction, piece: bytes, at_ns: int) -> list[Turn]: ...
    def open_turns(self) -> list[Turn]: ...

    @property
    def messages(self) -> tuple[Message, ...]: ...

    @property
    def is_understood(self) -> bool: ...

    def state(self) -> JsonObject: ...
    def restore(self, state: JsonObject) -> None: ...


TunnelMaker = Callable[[RequestHead, ResponseHead], Tunnel]


class _Frames:
    """Both directions."""

    def __init__(self, response: ResponseHead) -> None:
        said = [value.decode("latin-1") for name, value in response.headers if name.lower() == _EXTENSIONS]
        self._deflate = read_deflate(",".join(said))
        self._readers = {direction: FrameReader(direction, self._deflate) for direction in Direction}

    @property
    def is_whole(self) -> bool:
        """Whether all that came could be read."""
        return not any(reader.is_broken or reader.skipped for reader in self._readers.values())

    def feed(self, direction: Direction, piece: bytes, at_ns: int) -> list[Message]:
        return list(self._readers[direction].feed(piece, at_ns))

    def state(self) -> JsonObject:
        return {direction.value: reader.state() for direction, reader in self._readers.items()}

    def restore(self, state: JsonObject) -> None:
        for direction in Direction:
            self._readers[direction] = FrameReader.restored(direction, self._deflate, state[direction.value])


class TurnTunnel:
    """Reads turns. A mistake of a reader's ends the reading of its socket, and raises once."""

    messages: tuple[Message, ...] = ()

    def __init__(self, request: RequestHead, response: ResponseHead) -> None:
        url = request.url or request.target.decode("latin-1")
        self._frames = _Frames(response)
        self._turns = make_turn_reader(url)
        self._is_given_up = False

    @property
    def is_understood(self) -> bool:
        """Whether what was said is known: what is in no turn was no response."""
        return self._turns is not None and not self._is_given_up and self._frames.is_whole

    def feed(self, direction: Direction, piece: bytes, at_ns: int) -> list[Turn]:
        if self._turns is None or self._is_given_up:
            return []
        try:
            messages = self._frames.feed(direction, piece, at_ns)
            return [turn for message in messages for turn in self._turns.read(message)]
        except Exception:
            self._is_given_up = True
            raise

    def open_turns(self) -> list[Turn]:
        if self._turns is None or self._is_given_up:
            return []
        try:
            return self._turns.open_turns()
        except Exception:  # noqa: BLE001  whoever asks goes through all sockets
            self._is_given_up = True
            return []

    def state(self) -> JsonObject:
        return {
            "frames": self._frames.state(),
            "turns": None if self._turns is None else self._turns.state(),
            "is_given_up": self._is_given_up,
        }

    def restore(self, state: JsonObject) -> None:
        """Raises ValueError, KeyError or TypeError for what is no state."""
        self._frames.restore(state["frames"])
        self._is_given_up = bool(state["is_given_up"])
        if self._turns is not None:
            self._turns.restore(state["turns"])


class MessageTunnel:
    """Keeps every message, for an export."""

    is_understood = True

    def __init__(self, _: RequestHead, response: ResponseHead) -> None:
        self._frames = _Frames(response)
        self._messages: list[Message] = []

    @property
    def messages(self) -> tuple[Message, ...]:
        return tuple(self._messages)

    def feed(self, direction: Direction, piece: bytes, at_ns: int) -> list[Turn]:
        self._messages += self._frames.feed(direction, piece, at_ns)
        return []

    def open_turns(self) -> list[Turn]:
        return []

    def state(self) -> JsonObject:
        raise NotImplementedError("an export reads a socket in one go")

    def restore(self, state: JsonObject) -> None:
        raise NotImplementedError("an export reads a socket in one go")
