"""
Save calls, facts and where to resume reading, in one transaction.

A crash between reading and saving costs a re-read, and the re-read changes nothing: a call is known by its
id, a fact by its record's, and what is already stored as it is given is left alone.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from arc_proxy.call import Call
from arc_proxy.errors import RowRefused
from arc_proxy.runs import GROUPING_VERSION
from arc_proxy.runs.grouper import Move
from arc_proxy.store import tables
from arc_proxy.store.bounds import dump_json, json_text, load_json, some_word, whole
from arc_proxy.store.bulk import dicts, insert_rows, rows_in, slices
from arc_proxy.store.chain import Talk, month_of, store_talks
from arc_proxy.store.clue_table import add_clues
from arc_proxy.store.engine import Store, reading, writing
from arc_proxy.store.fact_table import Fact, FactsInHand, prepare_facts
from arc_proxy.store.memory import Memory
from arc_proxy.store.merges import mark_merged_due
from arc_proxy.store.moves import move_runs
from arc_proxy.store.names import (
    agent_keys,
    next_call_id,
    rate_keys,
    series_keys,
    session_keys,
    writer_keys,
)
from arc_proxy.store.payload import pack_call
from arc_proxy.store.rows import (
    CallKeys,
    Row,
    call_row,
    rate_name,
    series_name,
    tag_rows,
    tool_call_rows,
)
from arc_proxy.store.run_table import RunsInHand
from arc_proxy.store.sums import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a save did. `refused`: calls and facts that the database takes for wrong, and what it said."""

    new: int = 0
    changed: int = 0
    same: int = 0
    facts: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)  # by id


Counts = Mapping[str, Mapping[str, int]]  # by writer


def save(
    store: Store,
    calls: Iterable[Call],
    facts: Iterable[Fact] = (),
    positions: Mapping[str, Any] | None = None,
    *,
    counts: Counts | None = None,
    tallies: Counts | None = None,
    moves: Sequence[Move] = (),
) -> Saved:
    """
    Store calls and facts, and for each writer in `positions` where to resume reading (any JSON).

    A call that is there already is updated: unfinished becomes complete. `counts` replaces what a writer said
    it lost so far, `tallies` adds to what the reader counted itself, `moves` are of runs that became one
    and are applied last. All of it or nothing; a row that the database refuses is left out and named in the
    answer. Raises StoreError.
    """
    call_list, fact_list = list({call.call_id: call for call in calls}.values()), list(facts)
    given = _Given(positions or {}, counts or {}, tallies or {}, moves)
    try:
        return _save(store, call_list, fact_list, given)
    except RowRefused:
        # Rare enough that the way to find the culprit may be slow.
        saved = Saved()
        for call in call_list:
            saved = _add(saved, _try_one(store, call.call_id, [call], []))
        for fact in fact_list:
            saved = _add(saved, _try_one(store, fact.fact_id, [], [fact]))
        return _add(saved, _save(store, [], [], given))


def apply_moves(store: Store, moves: Sequence[Move]) -> None:
    """Make runs one, in one transaction. Raises StoreError."""
    memory = store.memory
    try:
        with writing(store) as connection:
            recall(connection, memory)
            move_runs(connection, memory, moves)
    except BaseException:
        memory.forget()
        raise


def read_positions(store: Store) -> dict[str, Any]:
    """By writer, the position that was last saved; as JSON gives it back, so a tuple is a list."""
    segment = tables.segment
    statement = select(segment.c.writer, segment.c.position).where(segment.c.position.is_not(None))
    with reading(store) as connection:
        return {row.writer: load_json(row.position) for row in connection.execute(statement)}


def forget_positions(store: Store) -> None:
    """Have everything that is still in the journal read again from the beginning."""
    with writing(store) as connection:
        connection.execute(update(tables.segment).values(position=None, counts=None, tallies=None))


@dataclass(frozen=True, slots=True)
class _Given:
    positions: Mapping[str, Any]
    counts: Counts
    tallies: Counts
    moves: Sequence[Move] = ()

    @property
    def writers(self) -> set[str]:
        return {*self.positions, *self.counts, *self.tallies}


@dataclass(slots=True)
class _Change:
    """One call: its row before, its row now, and what goes beside it."""

    call: Call
    row: Row
    old: Row | None
    is_changed: bool = True
    beside: bytes = field(default=b"")


def _try_one(store: Store, name: str, calls: list[Call], facts: list[Fact]) -> Saved:
    try:
        return _save(store, calls, facts, _Given({}, {}, {}))
    except RowRefused as error:
        return Saved(refused={name: str(error)})


def _add(one: Saved, other: Saved) -> Saved:
    return Saved(
        new=one.new + other.new,
        changed=one.changed + other.changed,
        same=one.same + other.same,
        facts=one.facts + other.facts,
        refused={**one.refused, **other.refused},
    )


def _save(store: Store, calls: Sequence[Call], facts: Sequence[Fact], given: _Given) -> Saved:
    memory = store.memory
    try:
        with writing(store) as connection:
            recall(connection, memory)
            names = {call.writer for call in calls} | {fact.writer for fact in facts} | given.writers
            writers = writer_keys(connection, memory, {some_word(name) for name in names})
            runs = RunsInHand(connection)
            changes = _prepare(connection, memory, calls, writers, runs)
            in_hand = prepare_facts(connection, memory, facts, writers, runs)
            difference = Difference()
            _write(connection, changes, runs, in_hand, difference)
            runs.finish(difference)
            difference.store(connection)
            move_runs(connection, memory, given.moves)
            mark_merged_due(connection, in_hand.new)
            _write_given(connection, given, writers)
    except BaseException:
        # What was remembered in a transaction that did not happen is not there.
        memory.forget()
        raise
    changed = sum(change.is_changed for change in changes)
    new = sum(change.old is None for change in changes)
    return Saved(new=new, changed=changed - new, same=len(changes) - changed, facts=len(in_hand.new))


def recall(connection: Connection, memory: Memory) -> None:
    """Forget what another process may have removed; make the key of the messages' hashes the first time."""
    meta = tables.meta
    said = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
    if "message_key" not in said:
        said = {
            "message_key": secrets.token_hex(32),
            "epoch": "0",
            "grouping_version": str(GROUPING_VERSION),
        }
        connection.execute(insert(meta), [{"name": name, "value": value} for name, value in said.items()])
    if memory.epoch != said["epoch"]:
        memory.forget()
        memory.epoch = said["epoch"]
        memory.message_key = bytes.fromhex(said["message_key"])


def next_epoch(connection: Connection) -> None:
    """Rows were removed: what processes remember of keys no longer holds."""
    meta = tables.meta
    epoch = connection.execute(select(meta.c.value).where(meta.c.name == "epoch")).scalar()
    if epoch is not None:
        value = str(int(epoch) + 1)
        connection.execute(update(meta).where(meta.c.name == "epoch").values(value=value))


def _prepare(
    connection: Connection,
    memory: Memory,
    calls: Sequence[Call],
    writers: Mapping[str, int],
    runs: RunsInHand,
) -> list[_Change]:
    """Give every call its keys, and find what is stored of it."""
    if not calls:
        return []
    agents = agent_keys(connection, memory, {some_word(call.grouping.agent or "") for call in calls})
    agent_of = {call.call_id: agents[some_word(call.grouping.agent or "")] for call in calls}
    sessions = session_keys(
        connection,
        memory,
        {some_word(call.grouping.session_id) for call in calls if call.grouping.session_id},
    )
    rates = rate_keys(connection, memory, {name for call in calls if (name := rate_name(call))})
    series_of = {call.call_id: series_name(call, agent_of[call.call_id]) for call in calls}
    series = series_keys(connection, memory, set(series_of.values()))
    old_rows = _old_rows(connection, [some_word(call.call_id) for call in calls])
    run_of = {call.call_id: (some_word(call.grouping.run_id), agent_of[call.call_id]) for call in calls}
    runs.load(run_of.values())
    runs.load_keys(row["run_key"] for row in old_rows.values())
    talks = [
        Talk(month_of(whole(call.started_ns)), call.prompt.messages, call.reply.message) for call in calls
    ]
    places = store_talks(connection, memory, talks)
    first_id = next_call_id(connection)
    changes: list[_Change] = []
    for call, place in zip(calls, places, strict=True):
        session_id, rate = call.grouping.session_id, rate_name(call)
        keys = CallKeys(
            writer_id=writers[some_word(call.writer)],
            agent_id=agent_of[call.call_id],
            run_key=runs.key_or_new(run_of[call.call_id]),
            session_key=sessions[some_word(session_id)] if session_id else None,
            series_id=series[series_of[call.call_id]],
            rate_key=rates[rate] if rate else None,
        )
        row = call_row(call, keys, place)
        old = old_rows.get(row["call_id"])
        if old is None:
            row["id"] = first_id
            first_id += 1
        else:
            row["id"] = old["id"]
        changes.append(_Change(call, row, old, beside=pack_call(call)))
    _find_same(connection, [change for change in changes if change.old is not None])
    return changes


def _old_rows(connection: Connection, call_ids: Sequence[str]) -> dict[str, Row]:
    call = tables.call
    known = [key for _, key in rows_in(connection, call, ("call_id",), {(text,) for text in call_ids}, "id")]
    found: dict[str, Row] = {}
    for some in slices(known):
        for row in dicts(connection, select(call).where(call.c.id.in_(some))):
            found[row["call_id"]] = row
    return found


def _find_same(connection: Connection, known: Sequence[_Change]) -> None:
    """Mark the calls that are stored exactly as they are given."""
    payload = tables.payload
    by_key = {change.row["id"]: change for change in known}
    wanted = {(key,) for key in by_key}
    for key, content in rows_in(connection, payload, ("call_key",), wanted, "content"):
        change = by_key[key]
        change.is_changed = change.row != change.old or change.beside != bytes(content)


_CALL_UPDATE = (
    update(tables.call)
    .where(tables.call.c.id == bindparam("b_id"))
    .values({column.name: bindparam(f"b_{column.name}") for column in tables.call.c if column.name != "id"})
)


def _write(
    connection: Connection,
    changes: Sequence[_Change],
    runs: RunsInHand,
    facts: FactsInHand,
    difference: Difference,
) -> None:
    changed = [change for change in changes if change.is_changed]
    for change in changed:
        runs.change(change.old, change.row)
        difference.call(change.row, 1)
        if change.old is not None:
            difference.call(change.old, -1)
    runs.insert_new()
    insert_rows(connection, tables.call, [change.row for change in changed if change.old is None])
    updated = [change.row for change in changed if change.old is not None]
    if updated:
        parameters = [{f"b_{name}": value for name, value in row.items()} for row in updated]
        connection.execute(_CALL_UPDATE, parameters)
        remove_beside(connection, [row["id"] for row in updated])
    beside: tuple[tuple[Any, list[Row]], ...] = (
        (tables.payload, [{"call_key": change.row["id"], "content": change.beside} for change in changed]),
        (
            tables.tool_call,
            [row for change in changed for row in tool_call_rows(change.call, change.row["id"])],
        ),
        (tables.tag, [row for change in changed for row in tag_rows(change.row)]),
    )
    for table, rows in beside:
        insert_rows(connection, table, rows)
    add_clues(connection, [(key, change.row["id"]) for change in changed for key in change.call.clues])
    facts.write(connection)


def remove_beside(connection: Connection, call_keys: Sequence[int]) -> None:
    """Remove payload, tool calls and tags of calls."""
    for some in slices(call_keys):
        for table in (tables.payload, tables.tool_call, tables.tag):
            connection.execute(delete(table).where(table.c.call_key.in_(some)))


def _write_given(connection: Connection, given: _Given, writers: Mapping[str, int]) -> None:
    segment = tables.segment
    for name in sorted(given.writers):
        key = writers[some_word(name)]
        values: Row = {}
        if name in given.positions:
            values["position"] = dump_json(given.positions[name]).decode()
        if name in given.counts:
            values["counts"] = json_text(dict(given.counts[name]))
        if given.tallies.get(name):
            told = connection.execute(select(segment.c.tallies).where(segment.c.id == key)).scalar()
            tallies = Counter(load_json(told or "{}"))
            tallies.update(given.tallies[name])
            values["tallies"] = json_text(tallies)
        if values:
            connection.execute(update(segment).where(segment.c.id == key).values(values))
