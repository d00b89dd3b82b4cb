"""Outcomes that programs tell the console: each a fact in the journal, one for each `Idempotency-Key`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from arc_proxy.api.outcome import KeyUsed, Told
from arc_proxy.cli.facts import FactWriter
from arc_proxy.cli.folder import Folder
from arc_proxy.journal.fact import FactType
from arc_proxy.journal.record import id_text
from arc_proxy.store.engine import Store
from arc_proxy.store.memory import Recent
from arc_proxy.store.read import read_fact

TOLD_MAX = 1000  # outcomes under a key whose rows may not be there yet


class ToldOutcomes:
    """Any thread may tell."""

    def __init__(self, folder: Folder, store: Callable[[], Store]) -> None:
        self._facts = FactWriter(folder)
        self._store = store
        self._told: Recent[str, Told] = Recent(TOLD_MAX)
        self._lock = threading.Lock()  # between looking a key up and writing under it

    def close(self) -> None:
        self._facts.close()

    def tell(self, told: Told) -> str:
        """Write what a program says of a run; the fact's id. Raises KeyUsed, JournalError, StoreError."""
        fact_id = told.fact_id()
        if fact_id is None:
            return self._write(told, None)
        name = id_text(fact_id)
        with self._lock:
            # The rows know what an earlier console was told, and a moment later what this one was.
            before = self._told.get(name) or self._stored(name, told)
            if before is None:
                self._told[name] = told
                return self._write(told, fact_id)
        if before != told:
            raise KeyUsed(f"the Idempotency-Key came with another outcome of {told.run_id} before.")
        return name

    def _write(self, told: Told, fact_id: bytes | None) -> str:
        return self._facts.write(FactType.OUTCOME, fact_id=fact_id, source="api", **told.as_json())

    def _stored(self, fact_id: str, told: Told) -> Told | None:
        """What the rows have under this id, which follows from run, agent and key."""
        fact = read_fact(self._store(), fact_id)
        if fact is None:
            return None
        said = fact.body
        return replace(
            told, outcome=str(said.get("outcome")), score=said.get("score"), reason=said.get("reason")
        )
