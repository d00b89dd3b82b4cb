"""
A realtime conversation as both sides build it, item by item. No I/O.

An item is kept as canonical JSON: its sound replaced by a stub, without the fields that change while it is
made. The client proposes, the server confirms; a server that confirms nothing leaves the client's word.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Any, Self

from arc_proxy.wire.document import (
    JsonObject,
    as_list,
    as_object,
    as_text,
    canonical,
    canonical_or_none,
    read_object,
)
from arc_proxy.wire.media import media_stub

ITEMS_BYTES_MAX = 2 * 1024 * 1024

_CHANGING = ("object", "status")
_TEXTS = {"text": "text", "output_text": "text", "audio": "transcript", "output_audio": "transcript"}
_PROPOSED = "proposed-"  # stands for the id of an item that the client gave none


class Items:
    def __init__(self) -> None:
        self._written: dict[str, bytes] = {}  # by id, in the order of the conversation
        self._bytes = 0
        self._proposals = 0

    def propose(self, item: JsonObject) -> None:
        """The client adds an item; the server will say under which id."""
        self._proposals += 1
        self._put(as_text(item.get("id")) or f"{_PROPOSED}{self._proposals}", item)

    def add(self, item: JsonObject, previous: str | None) -> None:
        """The server says that there is an item, or what is in it by now."""
        item_id = as_text(item.get("id"))
        if item_id is None:
            return
        if item_id not in self._written:
            place = self._proposed_as(item)
            if place is not None:
                self._rename(place, item_id)
            elif previous is not None and previous in self._written:
                self._put(item_id, item)
                self._move_behind(item_id, previous)
                return
        elif not as_list(item.get("content")) and as_list(self._read(item_id).get("content")):
            return  # said before, with all that is in it
        self._put(item_id, item)

    def heard(self, item_id: str | None, transcript: str | None) -> None:
        """What was said in an item of sound."""
        if item_id not in self._written or transcript is None:
            return
        item = self._read(item_id)
        content = [as_object(part) for part in as_list(item.get("content"))] or [{"type": "input_audio"}]
        self._put(item_id, item | {"content": [part | {"transcript": transcript} for part in content]})

    def remove(self, item_id: str | None) -> None:
        if item_id is not None:
            self._bytes -= len(self._written.pop(item_id, b""))

    def messages(self) -> list[bytes]:
        return list(self._written.values())

    def chosen(self, wanted: list[Any]) -> Iterator[bytes]:
        """The input of one response: items, or references to some. Raises WireError as `canonical` does."""
        for item in wanted:
            known = self._written.get(as_text(as_object(item).get("id")) or "")
            if known is not None and as_object(item).get("type") == "item_reference":
                yield known
            else:
                yield canonical(bare_item(as_object(item)))

    def state(self) -> JsonObject:
        written = {item_id: item.decode(errors="replace") for item_id, item in self._written.items()}
        return {"written": written, "proposals": self._proposals}

    @classmethod
    def restored(cls, state: JsonObject) -> Self:
        items = cls()
        items._written = {item_id: text.encode() for item_id, text in state["written"].items()}
        items._bytes = sum(map(len, items._written.values()))
        items._proposals = int(state["proposals"])
        return items

    def _read(self, item_id: str) -> JsonObject:
        return as_object(read_object(self._written[item_id]))

    def _put(self, item_id: str, item: JsonObject) -> None:
        written = canonical_or_none(bare_item(item))
        if written is None:
            return
        self._bytes += len(written) - len(self._written.get(item_id, b""))
        self._written[item_id] = written
        while self._bytes > ITEMS_BYTES_MAX and len(self._written) > 1:
            self.remove(next(iter(self._written)))

    def _proposed_as(self, item: JsonObject) -> str | None:
        """The oldest proposal, if it can be this item."""
        if item.get("role") == "assistant" and item.get("type") == "message":
            return None
        place = next((key for key in self._written if key.startswith(_PROPOSED)), None)
        if place is None:
            return None
        said = self._read(place)
        return place if all(said.get(name) == item.get(name) for name in ("type", "role")) else None

    def _rename(self, old: str, new: str) -> None:
        self._written = {new if key == old else key: item for key, item in self._written.items()}

    def _move_behind(self, item_id: str, previous: str) -> None:
        if next(reversed(self._written)) == item_id and list(self._written)[-2:-1] == [previous]:
            return  # as nearly always
        written = self._written.pop(item_id)
        order: dict[str, bytes] = {}
        for key, item in self._written.items():
            order[key] = item
            if key == previous:
                order[item_id] = written
        self._written = order


def bare_item(item: JsonObject) -> JsonObject:
    """An item without what changes while it is made, its sound as a stub."""
    bare = {name: value for name, value in item.items() if name not in _CHANGING}
    if isinstance(item.get("content"), list):
        bare["content"] = [_bare_part(part) for part in item["content"]]
    return bare


def texts_of(item: JsonObject) -> Iterator[str]:
    """What an assistant's item says, be it written or spoken."""
    for part in as_list(item.get("content")):
        said = as_object(part)
        text = said.get(_TEXTS.get(str(said.get("type")), ""))
        if isinstance(text, str):
            yield text


def _bare_part(part: Any) -> Any:
    if not isinstance(part, dict) or not isinstance(part.get("audio"), str):
        return part
    try:
        sound = binascii.a2b_base64(part["audio"])
    except (binascii.Error, ValueError):
        return {name: value for name, value in part.items() if name != "audio"}
    return part | {"audio": media_stub(sound, b"audio/pcm").decode()}
