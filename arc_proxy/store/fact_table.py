"""
Facts, and the runs that they speak of.

A run_start makes the run that it names. Any other fact waits until its run is seen: an outcome that comes
before the first call belongs to the run all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from arc_proxy.journal.fact import FactType
from arc_proxy.store import tables
from arc_proxy.store.bounds import dump_json, load_json, some_word, whole, word
from arc_proxy.store.bulk import insert_rows, rows_in
from arc_proxy.store.memory import Memory
from arc_proxy.store.moves import resolve_aliases
from arc_proxy.store.names import agent_keys, next_id, session_keys
from arc_proxy.store.rows import Row
from arc_proxy.store.run_rows import tags_of
from arc_proxy.store.run_table import RunName, RunsInHand, session_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A FACT record. `fact_id` is the record's, unique within its writer; `body["fact"]` is its type."""

    fact_id: str
    writer: str
    at_ns: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FactsInHand:
    """Facts of one transaction, their runs known and told."""

    new: Sequence[Row]
    attached: Sequence[Row]  # stored before, waited for a run that is new now

    def write(self, connection: Connection) -> None:
        """After the runs' rows, which they point at."""
        insert_rows(connection, tables.fact, self.new)
        if tags := self._tags():
            make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            connection.execute(make(tables.tag).on_conflict_do_nothing(), tags)
        if self.attached:
            parameters = [{"b_id": row["id"], "b_run_key": row["run_key"]} for row in self.attached]
            connection.execute(_ATTACH, parameters)

    def _tags(self) -> list[Row]:
        """Tags that facts give a whole run."""
        found: dict[tuple[int, str], str] = {}
        for row in (*self.new, *self.attached):
            if row["type"] == FactType.RUN_START and row["run_key"] is not None:
                for name, value in tags_of(load_json(row["body"])).items():
                    found.setdefault((row["run_key"], name), value)
        return [
            {"run_key": run_key, "call_key": 0, "name": name, "value": value}
            for (run_key, name), value in sorted(found.items())
        ]


_ATTACH = (
    update(tables.fact).where(tables.fact.c.id == bindparam("b_id")).values(run_key=bindparam("b_run_key"))
)


def prepare_facts(
    connection: Connection,
    memory: Memory,
    facts: Sequence[Fact],
    writers: Mapping[str, int],
    runs: RunsInHand,
) -> FactsInHand:
    """Find which facts are new and tell their runs, and new runs what was waiting for them."""
    new = _new_rows(connection, facts, writers)
    starts = [row for row in new if row["type"] == FactType.RUN_START and row["run_id"]]
    agents = agent_keys(connection, memory, {row["agent"] or "" for row in starts})
    names = [(row["run_id"], agents[row["agent"] or ""]) for row in starts]
    runs.load(names)
    for name in names:
        runs.key_or_new(name)
    run_ids = [row["run_id"] for row in new if row["run_id"]]
    runs.load_ids(run_ids)
    aliases = resolve_aliases(connection, run_ids)
    runs.load_keys(aliases.values())
    attached = _waiting(connection, runs.new_names())
    if not new and not attached:
        return FactsInHand((), ())
    agent_of = _agents(connection, [*new, *attached])
    bodies = {row["id"]: load_json(row["body"]) for row in (*new, *attached)}
    sessions = session_keys(
        connection, memory, {text for body in bodies.values() if (text := session_of(body))}
    )
    for row in (*new, *attached):
        key = _run_of(row, runs, agent_of)
        if key is None:
            key = aliases.get(row["run_id"])  # the id that a run had before it became part of another
        row["run_key"] = key
        if key is not None:
            body = bodies[row["id"]]
            runs.state(key).add_fact(row, body, sessions.get(session_of(body)))
    return FactsInHand(new, [row for row in attached if row["run_key"] is not None])


def _new_rows(connection: Connection, facts: Sequence[Fact], writers: Mapping[str, int]) -> list[Row]:
    wanted = {(some_word(fact.fact_id), writers[some_word(fact.writer)]): fact for fact in facts}
    if not wanted:
        return []
    stored = set(rows_in(connection, tables.fact, ("fact_id", "writer_id"), wanted))
    new = [(name, fact) for name, fact in wanted.items() if name not in stored]
    first_id = next_id(connection, tables.fact)
    return [
        {
            "id": first_id + index,
            "fact_id": fact_id,
            "writer_id": writer_id,
            "at_ns": whole(fact.at_ns),
            "type": some_word(str(fact.body.get("fact"))),
            "run_id": _word_of(fact.body, "run_id"),
            "agent": _word_of(fact.body, "agent"),
            "run_key": None,
            "body": dump_json(fact.body).decode(),
        }
        for index, ((fact_id, writer_id), fact) in enumerate(new)
    ]


def _waiting(connection: Connection, fresh: Sequence[RunName]) -> list[Row]:
    """Facts of these run ids that have no run yet."""
    names = [column.name for column in tables.fact.c if column.name != "run_id"]
    wanted = {(run_id,) for run_id, _ in fresh}
    found = [
        dict(zip(("run_id", *names), row, strict=True))
        for row in rows_in(connection, tables.fact, ("run_id",), wanted, *names)
    ]
    return [row for row in found if row["run_key"] is None]


def _agents(connection: Connection, rows: Sequence[Row]) -> dict[str, int]:
    """Keys of the agents that facts name, as far as there are any."""
    wanted = {(row["agent"] or "",) for row in rows}
    return dict(rows_in(connection, tables.agent, ("name",), wanted, "id"))


def _run_of(row: Row, runs: RunsInHand, agents: Mapping[str, int]) -> int | None:
    if row["run_id"] is None:
        return None
    if row["agent"] is not None or row["type"] == FactType.RUN_START:
        agent_id = agents.get(row["agent"] or "")
        return None if agent_id is None else runs.key((row["run_id"], agent_id))
    return runs.any_agents(row["run_id"])


def _word_of(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return word(value) or None if isinstance(value, str) else None
