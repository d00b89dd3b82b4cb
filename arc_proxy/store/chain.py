"""
Messages, stored once per month and chained.

A request of twenty messages is one number, the node of its last one: node(parent, message) says which message
stands behind which node. The next step of the conversation shares nineteen of its nodes, so only what is
new is stored, and "what did it share with the call before" is a walk up the parents.

A message is known by the BLAKE2b hash of its canonical JSON under the store's own key, so the hash tells
nobody without the key whether a text they guess is in the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

from sqlalchemy import Connection

from arc_proxy.store import tables
from arc_proxy.store.bulk import insert_rows, rows_in
from arc_proxy.store.memory import Memory
from arc_proxy.store.names import next_id
from arc_proxy.store.payload import pack_message, unpack_message

HASH_BYTES = 16
ROOT = 0


def month_of(ns: int) -> int:
    """YYYYMM in UTC."""
    moment = time.gmtime(ns // 1_000_000_000)
    return moment.tm_year * 100 + moment.tm_mon


class Talk(NamedTuple):
    """The messages of one call."""

    month: int
    messages: Sequence[bytes]
    reply: bytes | None


class Place(NamedTuple):
    """Where they lie."""

    node_id: int | None  # of the last request message
    reply_message_id: int | None


@dataclass(slots=True)
class _Walk:
    """How far one call's chain is known."""

    month: int
    hashes: list[bytes]
    parent_id: int = ROOT
    done: int = 0  # hashes that `parent_id` stands for

    def key(self) -> tuple[int, bytes]:
        # Every month has a root of its own.
        return (self.parent_id or -self.month, self.hashes[self.done])

    def step(self, node_id: int) -> None:
        self.parent_id = node_id
        self.done += 1

    @property
    def is_done(self) -> bool:
        return self.done == len(self.hashes)


@dataclass(slots=True)
class _Growth:
    """What one transaction adds."""

    connection: Connection
    memory: Memory
    message_ids: dict[tuple[int, bytes], int] = field(default_factory=dict)
    first_message_id: int = 0  # ids from here on are new
    first_node_id: int = 0
    nodes: list[dict[str, int]] = field(default_factory=list)

    def add_node(self, walk: _Walk, message_id: int) -> int:
        node_id = self.first_node_id + len(self.nodes)
        self.nodes.append(
            {"id": node_id, "month": walk.month, "parent_id": walk.parent_id, "message_id": message_id}
        )
        self.memory.nodes[walk.key()] = node_id
        return node_id


def store_talks(connection: Connection, memory: Memory, talks: Sequence[Talk]) -> list[Place]:
    """Store the messages of each talk that are not stored yet; the places come in the talks' order."""
    contents: dict[tuple[int, bytes], bytes] = {}
    replies: list[tuple[int, bytes] | None] = []
    walks: list[_Walk] = []
    key = memory.message_key
    for talk in talks:
        walk = _Walk(talk.month, [_hash(content, key) for content in talk.messages])
        _walk_remembered(walk, memory)
        for index in range(walk.done, len(walk.hashes)):
            contents[talk.month, walk.hashes[index]] = talk.messages[index]
        walks.append(walk)
        reply = None
        if talk.reply is not None:
            reply = (talk.month, _hash(talk.reply, key))
            contents[reply] = talk.reply
        replies.append(reply)
    growth = _Growth(connection, memory)
    _store_messages(growth, contents)
    _grow(growth, [walk for walk in walks if not walk.is_done])
    return [
        Place(walk.parent_id or None, growth.message_ids[reply] if reply else None)
        for walk, reply in zip(walks, replies, strict=True)
    ]


def read_talks(connection: Connection, node_ids: Iterable[int]) -> dict[int, tuple[bytes, ...]]:
    """
    By node, the messages from the first to the one there.

    Chains are walked side by side, and what they share is read once: an agent's calls repeat each other.
    """
    nodes: dict[int, tuple[int | None, int]] = {}
    wanted = set(node_ids)
    front = wanted
    while front:
        found = rows_in(
            connection, tables.node, ("id",), {(each,) for each in front}, "parent_id", "message_id"
        )
        nodes |= {node_id: (parent_id, message_id) for node_id, parent_id, message_id in found}
        front = {parent_id for each in front if (parent_id := nodes[each][0]) and parent_id not in nodes}
    contents = read_messages(connection, {message_id for _, message_id in nodes.values()})

    def upwards(node_id: int | None) -> Iterator[bytes]:
        while node_id:
            node_id, message_id = nodes[node_id]
            yield contents[message_id]

    return {node_id: tuple(reversed(tuple(upwards(node_id)))) for node_id in wanted}


def read_messages(connection: Connection, message_ids: Iterable[int]) -> dict[int, bytes]:
    wanted = {(each,) for each in message_ids}
    return {
        message_id: unpack_message(content)
        for message_id, content in rows_in(connection, tables.message, ("id",), wanted, "content")
    }


def _hash(content: bytes, key: bytes) -> bytes:
    return blake2b(content, digest_size=HASH_BYTES, key=key).digest()


def _walk_remembered(walk: _Walk, memory: Memory) -> None:
    while not walk.is_done:
        node_id = memory.nodes.get(walk.key())
        if node_id is None:
            return
        walk.step(node_id)


def _store_messages(growth: _Growth, contents: dict[tuple[int, bytes], bytes]) -> None:
    connection, memory = growth.connection, growth.memory
    unknown: set[Any] = set()
    for name in contents:
        message_id = memory.messages.get(name)
        if message_id is None:
            unknown.add(name)
        else:
            growth.message_ids[name] = message_id
    if unknown:
        columns = ("month", "hash")
        for month, digest, message_id in rows_in(connection, tables.message, columns, unknown, "id"):
            growth.message_ids[month, bytes(digest)] = message_id
    missing = sorted(unknown - growth.message_ids.keys())
    growth.first_message_id = next_id(connection, tables.message)
    rows = []
    for message_id, (month, digest) in enumerate(missing, growth.first_message_id):
        growth.message_ids[month, digest] = message_id
        packed = pack_message(contents[month, digest])
        rows.append({"id": message_id, "month": month, "hash": digest, "content": packed})
    insert_rows(connection, tables.message, rows)
    for name in unknown:
        memory.messages[name] = growth.message_ids[name]


def _grow(growth: _Growth, walks: list[_Walk]) -> None:
    """Bring each walk to its end, one question to the database for all of them at a time."""
    if not walks:
        return
    growth.first_node_id = next_id(growth.connection, tables.node)
    while walks:
        asked: dict[tuple[int, int, int], list[_Walk]] = {}
        for walk in walks:
            place = _advance(growth, walk)
            if place is not None:
                asked.setdefault(place, []).append(walk)
        columns = ("month", "parent_id", "message_id")
        stored = rows_in(growth.connection, tables.node, columns, asked, "id")
        found = {(month, parent, message): key for month, parent, message, key in stored}
        for place, waiting in asked.items():
            node_id = found.get(place)
            if node_id is None:
                node_id = growth.add_node(waiting[0], place[2])
            else:
                growth.memory.nodes[waiting[0].key()] = node_id
            for walk in waiting:
                walk.step(node_id)
        walks = [walk for waiting in asked.values() for walk in waiting if not walk.is_done]
    insert_rows(growth.connection, tables.node, growth.nodes)


def _advance(growth: _Growth, walk: _Walk) -> tuple[int, int, int] | None:
    """Walk on while no question is needed; the (month, parent, message) to ask for, None at the end."""
    while not walk.is_done:
        node_id = growth.memory.nodes.get(walk.key())
        if node_id is None:
            message_id = growth.message_ids.get((walk.month, walk.hashes[walk.done]))
            assert message_id is not None, "every message behind the known part of a chain was stored"
            is_new = message_id >= growth.first_message_id or walk.parent_id >= growth.first_node_id
            if not is_new:
                return (walk.month, walk.parent_id, message_id)
            node_id = growth.add_node(walk, message_id)
        walk.step(node_id)
    return None
