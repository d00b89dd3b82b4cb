"""
What a saving process remembers between transactions, so that it need not ask the database again. No SQL.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

HASHES_MAX = 50_000  # some 10 MB for each of the two maps that use it
NAMES_MAX = 5_000


class Recent(Generic[K, V]):
    """
    A map of the most recently used keys: between `size` and twice as many.

    Two generations instead of an order of use: a key that is found in the old one moves to the young
    one, and a full young one becomes the old one. It costs a plain dict's time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self[key] = value
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._young[key] = value
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


class Memory:
    """
    Keys of rows that exist. Never ahead of the database: a transaction that fails calls `forget`.

    `epoch` is the store's count of removals; when it has moved, keys may be gone and all is forgotten.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.epoch: str | None = None
        self.message_key = b""
        self.names: dict[str, Recent[tuple[str | int, ...], int]] = {}
        self.messages: Recent[tuple[int, bytes], int] = Recent(HASHES_MAX)  # (month, hash) -> message.id
        self.nodes: Recent[tuple[int, bytes], int] = Recent(HASHES_MAX)  # (parent, hash) -> node.id

    def names_of(self, table: str) -> Recent[tuple[str | int, ...], int]:
        """Natural key -> id of a small table."""
        return self.names.setdefault(table, Recent(NAMES_MAX))
